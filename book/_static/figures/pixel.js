// A 1×1 convolution of 5×4 pixels with 3 channels into 2, in whole numbers: point at a pixel to see its
// sums, edit a number to see which outputs move.
"use strict";

figures.define("pixel", (root) => {
  const {element} = figures;
  const rows = 5, columns = 4;
  const places = [...Array(rows * columns).keys()];  // row by row
  const inputs = [0, 1, 2], outputs = [0, 1];
  const first = () => ({
    x: [places.map((p) => 1 + p % columns), places.map((p) => 1 + Math.floor(p / columns)),
        [1, 1, 1, 1, 1, 3, 3, 1, 1, 3, 3, 1, 1, 3, 3, 1, 1, 1, 1, 1]],
    weight: [[1, -1, 2], [0, 2, -1]],
    bias: [1, -2],
    relu: false,
  });
  let layer = first();
  let chosen = columns + 2;  // by click or key
  let shown = chosen;  // the mouse shows another while it points there
  let moved = outputs.map(() => new Set());  // by the last edit

  const sum = (o, p) => inputs.reduce((s, c) => s + layer.weight[o][c] * layer.x[c][p], layer.bias[o]);
  const y = (o, p) => layer.relu ? Math.max(0, sum(o, p)) : sum(o, p);
  const written = (n) => String(n).replace("-", "−");
  const term = (n) => n < 0 ? `(${written(n)})` : n;
  const where = (p) => `row ${Math.floor(p / columns)}, column ${p % columns}`;

  // Number inputs: each knows how to read and write its part of the layer.
  const fields = [];
  const field = (label, low, high, get, set, rule = () => "") => {
    const valid = () => input.value !== "" && input.validity.valid;
    const input = element("input", {
      type: "number", min: low, max: high, step: 1, "aria-label": label,
      oninput: () => {
        const old = get(), value = Number(input.value);
        if (valid() && value !== old) {
          const what = `${label}: ${written(old)} → ${written(value)}.`;
          edit(what, () => set(value), rule(written(value - old)));
        }
      },
      onchange: () => {
        const range = `whole numbers from ${written(low)} to ${written(high)}`;
        if (!valid()) status.textContent = `${label}: ${range}.`;
        input.value = get();
      },
    });
    fields.push(() => {
      const typing = document.activeElement === input && !valid();  // half a number stays as it is
      if (!typing && input.value !== String(get())) input.value = get();
    });
    return input;
  };

  // Does the change, and marks and counts the outputs that it moved.
  const edit = (what, change, rule = "") => {
    const before = outputs.map((o) => places.map((p) => y(o, p)));
    change();
    moved = outputs.map((o) => new Set(places.filter((p) => y(o, p) !== before[o][p])));
    const counts = outputs.map((o) => `output ${o} at ${moved[o].size} of ${places.length} pixels`);
    status.textContent = `${what} Moved (underlined): ${counts.join(", ")}.${layer.relu ? "" : rule}`;
    show();
  };

  // The maps: one cell for each pixel of each channel.
  const map = (name) => {
    const cells = places.map((p) => element("span", {"data-place": p}));
    const drawing = element("div", {}, element("span", {class: "fig-pixel-name"}, name),
      element("div", {class: "fig-pixel-cells"}, ...cells));
    return {cells, drawing};
  };
  const inputMaps = inputs.map((c) => map(`input ${c}`));
  const outputMaps = outputs.map((o) => map(`output ${o}`));
  const paint = (cell, value, p, marked) => {
    cell.textContent = written(value);
    cell.className = `${p === shown ? "shown" : ""} ${value < 0 ? "below" : ""} ${marked ? "moved" : ""}`;
    cell.style.setProperty("--strength", `${Math.min(40, 6 * Math.abs(value))}%`);
  };

  // The sums of the pixel shown.
  const place = element("span");
  const result = outputs.map(() => element("output"));
  const sums = outputs.map(() => element("li"));
  const show = () => {
    inputMaps.forEach(({cells}, c) => cells.forEach((cell, p) => paint(cell, layer.x[c][p], p, false)));
    outputMaps.forEach(({cells}, o) => cells.forEach((cell, p) => paint(cell, y(o, p), p, moved[o].has(p))));
    place.textContent = `The pixel in ${where(shown)}:`;
    outputs.forEach((o) => {
      const terms = inputs.map((c) => `${term(layer.weight[o][c])}·${term(layer.x[c][shown])}`);
      const whole = `${[...terms, term(layer.bias[o])].join(" + ")} = ${written(sum(o, shown))}`;
      result[o].textContent = written(y(o, shown));
      sums[o].textContent = `output ${o}: ${whole}` +
        (layer.relu ? `; max(0, ${written(sum(o, shown))}) = ${y(o, shown)}` : "");
    });
    fields.forEach((refresh) => refresh());
  };
  const look = (p) => {
    if (p === shown) return;
    shown = p;
    show();
  };
  const choose = (p) => {
    chosen = shown = p;
    moved.forEach((set) => set.clear());
    const vector = (list) => `(${list.map(written).join(", ")})`;
    status.textContent = `Pixel in ${where(p)}: ${vector(inputs.map((c) => layer.x[c][p]))} becomes ` +
      `${vector(outputs.map((o) => y(o, p)))}.`;
    show();
  };

  // The mouse looks, a click or tap chooses, and so do the arrow keys.
  const pointed = (event, act) => {
    if (event.target.dataset.place) act(Number(event.target.dataset.place));
  };
  const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
  const within = (n, size) => Math.max(0, Math.min(size - 1, n));
  const group = (maps, attributes) => element("div", {
    class: "fig-pixel-group",
    onpointerover: (event) => event.pointerType === "mouse" && pointed(event, look),
    onpointerleave: () => look(chosen),
    onclick: (event) => pointed(event, choose),
    ...attributes,
  }, ...maps.map(({drawing}) => drawing));
  const above = group(inputMaps, {
    tabindex: 0, role: "application", "aria-label":
      `Three input maps of ${rows} rows and ${columns} columns: choose a pixel with the arrow keys`,
    onkeydown: (event) => {
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      choose(within(Math.floor(chosen / columns) + step[0], rows) * columns +
        within(chosen % columns + step[1], columns));
    },
  });
  const below = group(outputMaps, {"aria-hidden": true});  // the sums say it in words
  inputMaps.forEach(({drawing}) => drawing.setAttribute("aria-hidden", true));

  // The matrix product with its numbers in place.
  const part = (name, wide, ...entries) => element("div", {},
    element("span", {class: "fig-pixel-name"}, name),
    element("div", {class: "fig-pixel-matrix", style: `--wide: ${wide}`}, ...entries));
  const sign = (text) => element("span", {}, text);
  const product = element("div", {class: "fig-pixel-product"},
    part("weights", 3, ...outputs.flatMap((o) => inputs.map((c) => field(
      `Weight of input ${c} for output ${o}`, -3, 3, () => layer.weight[o][c],
      (value) => (layer.weight[o][c] = value), (by) => ` Each by ${by} times its own input ${c}.`)))),
    sign("·"),
    part("pixel", 1, ...inputs.map((c) => field(
      `Input ${c} of the pixel`, 0, 9, () => layer.x[c][shown], (value) => (layer.x[c][shown] = value)))),
    sign("+"),
    part("biases", 1, ...outputs.map((o) => field(
      `Bias of output ${o}`, -3, 3, () => layer.bias[o], (value) => (layer.bias[o] = value),
      (by) => ` Each by ${by}.`))),
    sign("="),
    part("new pixel", 1, ...result));
  const relu = element("input", {
    type: "checkbox",
    onchange: () => edit(`ReLU ${relu.checked ? "on" : "off"}.`, () => (layer.relu = relu.checked)),
  });
  fields.push(() => (relu.checked = layer.relu));
  const again = element("button", {
    type: "button",
    onclick: () => {
      layer = first();
      choose(chosen);
    },
  }, "First numbers again");
  const status = element("p", {class: "fig-pixel-status", "aria-live": "polite"});

  root.append(
    element("p", {class: "figure-title"}, "What does a 1×1 convolution do to one pixel?"),
    element("div", {class: "fig-pixel-maps"}, above, below), place,
    element("div", {class: "fig-pixel-words"}, product, element("ul", {class: "fig-pixel-sums"}, ...sums)),
    element("div", {class: "fig-pixel-more"}, element("label", {}, relu, " ReLU after it"), again), status);
  choose(chosen);
});
