// A print is light whatever the theme, and shows the answers and what else is folded beside code.
"use strict";

addEventListener("beforeprint", () => {
  const {theme} = document.documentElement.dataset;
  const folds = [...document.querySelectorAll(".bd-article details:not([open])")].filter(
    (fold) => !fold.matches(".hide") || fold.querySelector(".cell_output"));
  document.documentElement.dataset.theme = "light";
  folds.forEach((fold) => { fold.open = true; });
  addEventListener("afterprint", () => {
    document.documentElement.dataset.theme = theme;
    folds.forEach((fold) => { fold.open = false; });
  }, {once: true});
});
