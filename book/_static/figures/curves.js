// Learning curves to explore: all recorded runs of one study as thin lines, by variant and metric; one seed can
// be singled out. The runs come from runs-STUDY.js, which the build writes (book/_ext/recorded_runs.py).
"use strict";

figures.define("curves", async (root) => {
  const make = figures.element;
  const study = root.dataset.study;
  await figures.load(`runs-${study}.js`);
  const runs = figures.recorded[study];
  if (!runs.length) {
    root.append(make("p", {class: "fig-curves-none"}, make("strong", {}, "Not yet recorded."),
      " In ", make("code", {}, "book/"), ": ", make("code", {}, `python -m nin record ${study}`)));
    return;
  }

  // Okabe and Ito's colours, as in the still plots; their black is the theme's text colour.
  const COLOURS = ["var(--fig-curves-blue)", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9",
                   "currentColor"];
  const PLATEAU = Math.log(10);  // the loss of a network that knows nothing
  const PART = 40;  // steps in each mean of the training loss that the build writes
  const tested = runs[0].held_out ? "accuracy on held-out images" : "test accuracy";
  const metrics = {
    losses: "training loss, means of 40 steps", loss: "training loss, by epoch",
    train_acc: "training accuracy, by epoch", test_acc: `${tested}, by epoch`};
  // Labels like "one 1×1, a sound recipe" make groups by their endings; in each the colours begin anew.
  const labels = [...new Set(runs.map((run) => run.label))];
  const ending = (label) => label.includes(", ") ? label.split(", ").at(-1) : "";
  let groups = [...new Set(labels.map(ending))];
  if (groups.includes("") || groups.length > labels.length / 2) groups = [];
  const variants = labels.map((label, i) => {
    const own = runs.filter((run) => run.label === label), group = groups.length ? ending(label) : "";
    const place = group ? labels.filter((other) => ending(other) === group).indexOf(label) : i;
    return {label, own, group, number: i + 1, colour: COLOURS[place % COLOURS.length], shown: i < 4,
            name: group ? label.slice(0, -group.length - 2) : label,
            unclean: own.filter((run) => !run.clean).length};
  });
  const seeds = [...new Set(runs.map((run) => run.seed))].sort((a, b) => a - b);
  const drawing = make("div", {class: "fig-curves-plot"});
  const said = make("p", {"aria-live": "polite"});
  const table = make("table", {tabindex: 0});  // on a phone it scrolls, by keys as well
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  // The controls.
  const metric = make("select", {onchange: draw},
    ...Object.entries(metrics).map(([value, text]) => make("option", {value}, text)));
  const seed = make("select", {onchange: draw, onkeydown: step},
    make("option", {value: ""}, "all alike"), ...seeds.map((value) => make("option", {value}, `${value}`)));
  const others = make("input", {type: "checkbox", checked: true, onchange: draw});
  const boxes = variants.map((variant, i) => make("input", {type: "checkbox", checked: variant.shown,
    onchange: () => {
      variant.shown = boxes[i].checked;
      draw();
    }}));
  const choose = (text, wanted) => make("button", {type: "button", onclick: () => {
    variants.forEach((variant, i) => variant.shown = boxes[i].checked = wanted(variant));
    draw();
  }}, text);
  const choice = (variant, i) => make("label", {}, boxes[i],
    make("svg", {width: 22, height: 8, "aria-hidden": "true"},
      make("line", {x1: 0, x2: 22, y1: 4, y2: 4, stroke: variant.colour, "stroke-width": 3})),
    `${variant.number} ${variant.name}: ${variant.own.length - variant.unclean} of ${variant.own.length} clean`);
  root.append(
    make("p", {class: "figure-title"}, `${runs.length} recorded runs`),
    make("div", {class: "fig-curves-controls"},
      make("label", {}, "Show ", metric), make("label", {}, "Seed ", seed),
      make("label", {}, others, " runs that did not end clean (dashed)")),
    drawing, said,
    ...(groups.length ? groups : [""]).map((group) => make("fieldset", {},
      make("legend", {}, group ? `Variants, ${group}` : "Variants"),
      ...variants.map((variant, i) => variant.group === group ? choice(variant, i) : ""))),
    make("p", {class: "fig-curves-controls"}, choose("All", () => true), choose("None", () => false),
      ...groups.map((group) => choose(`Only ${group}`, (variant) => variant.group === group))),
    make("details", {}, make("summary", {}, "The numbers"), table));

  // Left and right choose the seed before or after, also where a closed list takes no arrow keys by itself.
  function step(event) {
    const way = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!way) return;
    event.preventDefault();
    seed.selectedIndex = Math.min(Math.max(seed.selectedIndex + way, 0), seeds.length);
    draw();
  }

  // The places [x, y] of a run's values: steps or epochs against the value; what is no number is left out.
  function curve(run, name) {
    const at = (i) => name === "losses" ? Math.min(PART * (i + 1), run.steps) : i + 1;
    return run[name].map((value, i) => [at(i), value]).filter(([, value]) => value !== null);
  }

  // About n round numbers from low to high.
  function ticks(low, high, n) {
    const raw = (high - low) / n, power = 10 ** Math.floor(Math.log10(raw));
    const unit = power * [1, 2, 5, 10].find((times) => times * power >= raw);
    const first = Math.ceil(low / unit - 1e-9);
    return Array.from({length: Math.floor(high / unit + 1e-9) - first + 1}, (_, i) => (first + i) * unit);
  }

  function draw() {
    const name = metric.value, single = seed.value === "" ? null : Number(seed.value);
    const shown = variants.filter((variant) => variant.shown);
    const some = shown
      .flatMap((variant) => variant.own.map((run) => ({variant, run, points: curve(run, name)})))
      .filter(({run, points}) => points.length && (others.checked || run.clean));
    drawing.replaceChildren(plot(some, name, single));
    const fallen = shown.reduce((sum, variant) => sum + variant.unclean, 0);
    const total = shown.reduce((sum, variant) => sum + variant.own.length, 0);
    const own = some.filter(({run}) => run.seed === single).length;
    said.textContent = `${some.length} ${some.length === 1 ? "line" : "lines"}: ${metrics[name]}. `
      + `${fallen} of ${total} chosen runs did not end clean.`
      + (single === null ? "" : ` Seed ${single} stands out, with ${own} of them; its accuracies: see below.`);
    tell(single);
  }

  function plot(some, name, single) {
    const width = Math.max(280, Math.min(drawing.clientWidth || 640, 760));
    const height = Math.round(180 + width / 5);
    const loss = name === "losses" || name === "loss";
    const left = 42, right = width - 40, top = 12, bottom = height - 40;
    const values = some.flatMap(({points}) => points.map(([, value]) => value))
      .concat(loss ? [0, 2.4] : some.length ? [] : [0, 1]);
    const ends = some.map(({points}) => points.at(-1)[0]);
    const [x0, x1] = [name === "losses" ? 0 : 1, Math.max(2, ...ends)];
    // A single wild loss would press all else flat.
    let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    if (loss) high = Math.min(high, 4);
    else [low, high] = [Math.max(0, low - 0.01), Math.min(1, high + 0.01)];
    const x = (value) => left + (right - left) * (value - x0) / (x1 - x0);
    const y = (value) => bottom - (bottom - top) * (Math.min(value, high) - low) / (high - low);

    const svg = make("svg", {width, height, role: "img", onclick: pick, "aria-label":
      `${some.length} curves of ${metrics[name]}; the numbers stand in the table below.`});
    for (const value of ticks(low, high, 5)) {
      svg.append(make("line", {x1: left, x2: right, y1: y(value), y2: y(value), class: "fig-curves-grid"}),
        make("text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, 
          loss ? `${Number(value.toFixed(4))}` : `${Number((100 * value).toFixed(2))}%`));
    }
    for (const value of ticks(x0, x1, Math.min(6, x1 - x0, width / 70))) {
      svg.append(make("text", {x: x(value), y: bottom + 16, "text-anchor": "middle"},
        value.toLocaleString("en")));
    }
    svg.append(make("text", {x: (left + right) / 2, y: height - 6, "text-anchor": "middle"},
      name === "losses" ? "step" : "epoch"));
    if (loss && PLATEAU < high) {
      const at = y(PLATEAU);
      svg.append(make("line", {x1: left, x2: right, y1: at, y2: at, class: "fig-curves-plateau"}),
        make("text", {x: left + 4, y: at - 4}, "ln 10"));
    }
    const marked = ({run}) => run.seed === single;
    for (const line of [...some].sort((a, b) => marked(a) - marked(b))) {
      const places = line.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`);
      svg.append(make("path", {
        d: `M${places.join("L")}${places.length === 1 ? "h0" : ""}`, stroke: line.variant.colour,
        "data-seed": line.run.seed, "data-variant": line.variant.number,
        class: `${line.run.clean ? "" : "fig-curves-unclean"} ${single === null ? "" : marked(line)
          ? "fig-curves-marked" : "fig-curves-pale"}`}));
    }
    label(svg, some, x, y, bottom);

    // A press on the drawing singles out the seed of the nearest line, or none where it is far from all.
    function pick(event) {
      const box = svg.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
      const distance = ({points}) =>
        Math.min(...points.map(([a, b]) => Math.hypot((x(a) - px) / 2, y(b) - py)));
      const near = some.map((line) => [distance(line), line.run.seed]).sort((a, b) => a[0] - b[0])[0];
      seed.value = near && near[0] < 16 ? near[1] : "";
      draw();
    }
    return svg;
  }

  // The variants' numbers, right of where their lines end on average, pushed apart where they would meet. A run of few
  // epochs has its number where it ends: a line from there to the edge would look like the loss of further steps.
  function label(svg, some, x, y, bottom) {
    const tags = variants.flatMap((variant) => {
      const own = some.filter((line) => line.variant === variant);
      const end = own.filter(({run}) => run.clean);
      const places = (end.length ? end : own).map(({points}) => points.at(-1));
      const middle = (axis) => mean(places.map((place) => place[axis]));
      return places.length ? [{variant, x: x(middle(0)), from: y(middle(1))}] : [];
    }).sort((a, b) => a.from - b.from);
    const gap = Math.min(14, bottom / Math.max(1, tags.length));
    tags.forEach((tag, i) => tag.at = Math.max(tag.from, i ? tags[i - 1].at + gap : 8));
    tags.reverse().forEach((tag, i) => tag.at = Math.min(tag.at, i ? tags[i - 1].at - gap : bottom));
    for (const {variant, x: end, from, at} of tags) {
      svg.append(make("line", {x1: end + 2, x2: end + 18, y1: from, y2: at, stroke: variant.colour}),
        make("text", {x: end + 21, y: at + 4, "data-number": variant.number}, `${variant.number}`));
    }
  }

  // The table of the variants shown; the mean is over the clean runs, as in the chapter.
  function tell(single) {
    const cell = (text) => make("td", {}, text);
    const percent = (value) => value == null ? "–" : `${(100 * value).toFixed(2)}%`;
    const heads = ["variant", "clean", "mean of the clean runs"];
    if (single !== null) heads.push(`seed ${single}`);
    table.replaceChildren(
      make("caption", {}, `${tested[0].toUpperCase()}${tested.slice(1)} after the last epoch`),
      make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", {scope: "col"}, text)))),
      make("tbody", {}, ...variants.filter(({shown}) => shown).map(({number, label, own, unclean}) => {
        const ends = own.filter((run) => run.clean).map((run) => run.test_acc.at(-1));
        const one = own.filter((run) => run.seed === single)
          .map((run) => `${percent(run.test_acc.at(-1))}${run.clean ? "" : `, ${run.outcome ?? "unknown"}`}`).join("; ");
        return make("tr", {}, make("th", {scope: "row"}, `${number} ${label}`),
          cell(`${own.length - unclean} of ${own.length}`), cell(percent(ends.length ? mean(ends) : null)),
          ...single === null ? [] : [cell(one || "–")]);
      })));
  }

  draw();
  new ResizeObserver(() => draw()).observe(drawing);
});
