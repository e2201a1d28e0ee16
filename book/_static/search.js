// The search, from a server or a folder: sections that hold all words, with the place where they stand. What each
// section says is in search-text.js, which _ext/search_text.py writes. A result opens at its section, words marked.
"use strict";

const search = {
  folder: document.currentScript.src.replace(/[^/]*$/, ""),
  pages: [],

  // Small letters, and 1×1 as 1x1; every character stays in its place.
  plain: (text) => text.replace(/[×’A-ZÀ-Þ]/g, (c) => ({"×": "x", "’": "'"})[c] ?? c.toLowerCase()),

  // The words of a question; "maps" also finds "map".
  words(question) {
    const found = this.plain(question).match(/[\p{L}\p{N}_]+/gu) ?? [];
    return [...new Set(found.map((word) => (word.length > 3 ? word.replace(/s$/, "") : word)))];
  },

  // Where words begin in a text: [[from, to]] in order, to the end of the words that hold them.
  places(text, words) {
    if (!words.length) return [];
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${escaped.join("|")})[\\p{L}\\p{N}]*`, "gu");
    return [...this.plain(text).matchAll(pattern)].map(({index, 0: hit}) => [index, index + hit.length]);
  },

  // The text with its words in <mark>.
  marked(text, words) {
    const parts = document.createDocumentFragment();
    let at = 0;
    for (const [from, to] of this.places(text, words)) {
      const mark = document.createElement("mark");
      mark.append(text.slice(from, to));
      parts.append(text.slice(at, from), mark);
      at = to;
    }
    parts.append(text.slice(at));
    return parts;
  },

  // Some 200 characters around the place where most of the words stand together.
  excerpt(text, words) {
    const places = this.places(text, words);
    const near = (start) => new Set(places.filter(([from]) => from >= start && from < start + 150)
      .map(([from, to]) => words.find((word) => this.plain(text.slice(from, to)).startsWith(word)))).size;
    const best = places.reduce((most, [from]) => (near(from) > most[1] ? [from, near(from)] : most), [0, 0])[0];
    const begin = best < 60 ? 0 : text.indexOf(" ", best - 60) + 1;
    const end = text.length - begin < 200 ? text.length : text.lastIndexOf(" ", begin + 200);
    return (begin ? "… " : "") + text.slice(begin, end) + (end < text.length ? " …" : "");
  },

  // The sections with all words, the best first: {page, anchor, title, of, text}.
  results(question) {
    const words = this.words(question), phrase = this.plain(question).trim();
    if (!words.length) return [];
    const found = [];
    for (const [page, sections] of this.pages) {
      const of = sections[0][1];
      sections.forEach(([anchor, title, prose, code], i) => {
        const holds = (text, word) => this.places(text, [word]).length;
        if (!words.every((word) => holds(`${title} ${prose} ${code}`, word))) return;
        const points = words.reduce((sum, word) => sum + 10 * Math.min(1, holds(title, word))
          + Math.log1p(holds(prose, word)) + 0.2 * Math.log1p(holds(code, word)), 0)
          + 8 * this.plain(`${title} ${prose}`).includes(phrase);
        const text = words.some((word) => holds(prose, word)) ? prose : words.some((w) => holds(code, w)) ? code : prose;
        found.push({page, anchor: i ? anchor : "", title, of, text, points});
      });
    }
    return found.sort((a, b) => b.points - a.points);
  },

  // Fills Sphinx's place for results.
  show(question) {
    const words = this.words(question), found = this.results(question);
    const list = document.createElement("ul");
    list.className = "search";
    for (const {page, anchor, title, of, text} of found) {
      const link = document.createElement("a");
      link.href = `${page}?words=${encodeURIComponent(question)}${anchor && `#${anchor}`}`;
      link.append(this.marked(title, words));
      const item = document.createElement("li"), where = document.createElement("p");
      item.append(link, title === of ? "" : ` in ${of}`);
      where.append(this.marked(this.excerpt(text, words), words));
      item.append(where);
      list.append(item);
    }
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    said.textContent = found.length
      ? `${found.length} ${found.length === 1 ? "section has" : "sections have"} all words of “${question}”.`
      : `No section has all words of “${question}”. Try fewer words, or their beginnings.`;
    document.getElementById("search-results").replaceChildren(said, list);
  },

  // Marks the words on a page that a result led to; Escape takes the marks away.
  markPage(question) {
    const words = this.words(question), article = document.querySelector(".bd-article");
    const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT, (node) => (
      node.parentElement.closest("script, style, mjx-container, .math, .headerlink, [data-figure]")
        ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      if (this.places(text.data, words).length) text.replaceWith(this.marked(text.data, words));
    }
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") article.querySelectorAll("mark").forEach((mark) => mark.replaceWith(...mark.childNodes));
    });
  },
};

document.addEventListener("DOMContentLoaded", () => {
  const asked = new URLSearchParams(location.search);
  if (document.getElementById("search-results")) {
    if (typeof Search !== "undefined") Search.performSearch = () => {}; // Sphinx's own, which shows no excerpts here
    const script = document.createElement("script");
    script.src = `${search.folder}search-text.js`;
    script.onload = () => asked.get("q") && search.show(asked.get("q"));
    document.head.append(script);
  } else if (asked.get("words")) {
    search.markPage(asked.get("words"));
  }
});
