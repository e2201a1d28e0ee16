// Mends what axe-core finds in the stock theme's pages and in tables made elsewhere.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const set = (selector, name, value) => document.querySelectorAll(selector).forEach((found) => {
    found.setAttribute(name, value);
  });
  // A button's name has to hold the text that it shows.
  document.querySelectorAll(".search-button-field").forEach((button) => {
    button.setAttribute("aria-label", button.textContent.replace(/\s+/g, " ").trim());
  });
  // The arrow that opens a part of the contents has no name at all.
  set("summary:has(> .toctree-toggle)", "aria-label", "Sections of this chapter");
  // The title above the contents lies outside of every landmark.
  set(".sidebar-primary-items__start > .sidebar-primary-item:has(.navbar-brand)", "role", "navigation");
  set(".sidebar-primary-items__start > .sidebar-primary-item:has(.navbar-brand)", "aria-label", "Title page");
  // The empty corner of a table heads nothing.
  document.querySelectorAll("th").forEach((cell) => {
    if (!cell.textContent.trim()) cell.setAttribute("role", "cell");
  });
  // A list of references consists of list items; the role that Sphinx gives them is deprecated.
  set(".citation-list > .citation", "role", "listitem");
  // What scrolls sideways in its own box must be within reach of the keyboard, whenever it is too wide.
  const boxes = new ResizeObserver((seen) => seen.forEach(({ target }) => {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }));
  document.querySelectorAll(".bd-article :is(table, pre, .cell_output, .text_html)").forEach((box) => boxes.observe(box));
});
