// Brings the touchable figures to life. A page holds <div data-figure="NAME"> with a sentence for readers without
// JavaScript; this loads figures/NAME.js (and what it asks for) as scripts, which also works from a folder on disk,
// and hands it the emptied <div>. A figure that fails leaves the sentence standing.
"use strict";

const figures = {
  builders: {},
  loading: {},
  folder: document.currentScript.src.replace(/[^/]*$/, "figures/"),

  // Called by figures/NAME.js: build(root) fills the <div>; it may be async.
  define(name, build) {
    this.builders[name] = build;
  },

  // A script of the same folder, once.
  load(file) {
    this.loading[file] ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = this.folder + file;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${file} is missing`));
      document.head.append(script);
    });
    return this.loading[file];
  },

  // An element with attributes and children; a function as an attribute listens: {onclick: ...}.
  element(tag, attributes = {}, ...children) {
    const made = document.createElementNS(
      /^(svg|g|rect|path|line|circle|text|image|polyline|title)$/.test(tag)
        ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  },

  // Base64 text as Uint8Arrays of so many bytes each.
  bytes(text, each) {
    const all = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return Array.from({length: all.length / each}, (_, i) => all.subarray(i * each, (i + 1) * each));
  },

  // Grey pixels (0 to 255) as a data: address, which a canvas may read back even on a page from disk.
  picture(pixels, width) {
    const canvas = figures.element("canvas", {width, height: pixels.length / width});
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    pixels.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i));
    context.putImageData(image, 0, 0);
    return canvas.toDataURL();
  },

  // A link at the page's beginning, seen once it has the focus: with the keyboard, figures are many stops away.
  leadTo(root) {
    const title = root.querySelector(".figure-title, h3")?.textContent ?? "the figure";
    root.id ||= `figure-${[...document.querySelectorAll("[data-figure]")].indexOf(root) + 1}`;
    root.tabIndex = -1;
    const link = this.element("a", {class: "skip-to-figure", href: `#${root.id}`, onclick: (event) => {
      event.preventDefault();
      root.focus();
    }}, `Skip to figure: ${title}`);
    const links = document.querySelector("nav.skip-to-figures") ?? document.body.insertAdjacentElement("afterbegin",
      this.element("nav", {class: "skip-to-figures", "aria-label": "Figures to touch"}));
    links.append(link);
  },

  async start(root) {
    const name = root.dataset.figure;
    const sentence = [...root.childNodes];
    try {
      await this.load(`${name}.js`);
      root.replaceChildren();
      root.classList.add("figure");
      await this.builders[name](root);
      root.dataset.ready = "yes";
      this.leadTo(root);
    } catch (error) {
      root.replaceChildren(...sentence);
      console.error(error);
    }
  },
};

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-figure]").forEach((root) => figures.start(root));
});
