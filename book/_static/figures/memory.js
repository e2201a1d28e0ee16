// The memory of one step, moment by moment, for a batch, an optimiser, a precision and an image size of the reader's.
// root.moments(settings) gives all numbers to the test, which compares them with nin.moments.
"use strict";

figures.define("memory", (root) => {
  const {element} = figures;
  const SMALLEST = 67, LARGEST = 448; // pixels a side; below, a window finds no room
  const OPTIMISERS = [["SGD", 0], ["SGD with momentum", 1], ["Adam", 2]]; // and their copies of the parameters

  const conv = (name, from, to, k, s, p) => ({name, kind: `conv ${k}×${k}, ${from}→${to}`, from, to, k, s, p});
  const block = (name, from, to, k, s, p) => [
    conv(`${name}.0`, from, to, k, s, p), {name: `${name}.1`, kind: "ReLU"},
    conv(`${name}.2`, to, to, 1, 1, 0), {name: `${name}.3`, kind: "ReLU"},
    conv(`${name}.4`, to, to, 1, 1, 0), {name: `${name}.5`, kind: "ReLU"}];
  const pool = (name) => ({name, kind: "max pool 3×3", k: 3, s: 2, p: 0});
  const NET = [
    ...block("0", 1, 96, 11, 4, 0), pool("1"), ...block("2", 96, 256, 5, 1, 2), pool("3"),
    ...block("4", 256, 384, 3, 1, 1), pool("5"), {name: "6", kind: "dropout"},
    ...block("7", 384, 10, 3, 1, 1), {name: "8", kind: "global average pool"}, {name: "9", kind: "flatten"}];

  // The layers as nin.costs has them. Tensors are numbered, the images 0; a view has its input's number.
  const layers = ({batch, size, bf16, training}) => {
    let channels = 1, n = size, tensor = 0, each = 4, bytes = 4 * batch * size * size, learnt = false;
    return NET.map(({name, kind, from, to, k, s, p}) => {
      const source = tensor, inBytes = bytes, inValues = batch * channels * n * n;
      const casts = Boolean(to) && bf16, copiesInput = casts && each !== 2;
      const view = kind === "flatten" || (kind === "dropout" && !training);
      if (casts) each = 2;
      if (k) n = Math.floor((n + 2 * p - k) / s) + 1;
      if (kind === "global average pool") n = 1;
      channels = to ?? channels;
      const values = batch * channels * n * n;
      bytes = each * values;
      if (!view) tensor += 1;
      const weights = to ? from * to * k * k : 0, parameters = weights + (to ?? 0);
      // What autograd keeps: input or output, and bytes beside them: a 2-byte input, indices, a mask.
      let kept = [], extra = 0;
      if (copiesInput) extra = 2 * inValues;
      else if (to) kept = [source];
      else if (kind === "ReLU") kept = [tensor];
      else if (k) [kept, extra] = [[source], 8 * values];
      else if (kind === "dropout" && !view) extra = each * values;
      const through = learnt && source !== tensor;
      learnt ||= parameters > 0;
      return {name, kind, inBytes, bytes, source, tensor, kept, extra, casts, weights, parameters,
        gradients: (through ? inBytes : 0) + (casts ? 2 : 4) * parameters};
    });
  };

  // Every moment of one step, in order: {phase, layer, bytes, parts}, as nin.moments counts them.
  const moments = (settings) => {
    const {batch, size, copies, training} = settings;
    const rows = layers(settings), found = [], size_of = new Map([[0, 0]]), keepers = new Map();
    const sum = (values) => values.reduce((total, value) => total + value, 0);
    const parameters = 4 * sum(rows.map((row) => row.parameters));
    const images = 4 * batch * size * size, state = training ? copies * parameters : 0;
    rows.forEach((row) => row.tensor && size_of.set(row.tensor, row.bytes));
    let extra = 0, halves = 0, gradients = 0;
    const note = (phase, row, activations, grads) => {
      const parts = {parameters: parameters + halves, state, gradients: grads, images, activations};
      found.push({phase, layer: row?.name ?? "", kind: row?.kind ?? "", bytes: sum(Object.values(parts)), parts});
    };
    const held = (tensors) => sum([...new Set(tensors)].map((tensor) => size_of.get(tensor)));

    rows.forEach((row) => {
      halves += 2 * row.parameters * (row.casts ? 1 : 0);
      const path = row.name.split(".").length > 1 ? `${row.name.split(".")[0]}.` : null;
      // The input of the block that the layer lies in, which its caller holds.
      const outer = path ? [rows.find((other) => other.name.startsWith(path)).source] : [];
      note("forward", row, held([...keepers.keys(), row.source, row.tensor, ...outer]) + extra + row.extra, 0);
      if (!training) return;
      row.kept.forEach((tensor) => keepers.set(tensor, (keepers.get(tensor) ?? 0) + 1));
      extra += row.extra;
    });
    if (!training) return found;

    halves = 2 * sum(rows.map((row) => (row.casts ? row.weights : 0)));
    for (const row of [...rows].reverse()) {
      note("backward", row, held(keepers.keys()) + extra + row.bytes + row.gradients, gradients);
      row.kept.forEach((tensor) => { // one that an earlier layer keeps too stays
        keepers.set(tensor, keepers.get(tensor) - 1);
        if (!keepers.get(tensor)) keepers.delete(tensor);
      });
      extra -= row.extra;
      halves -= row.casts ? 2 * row.weights : 0;
      if (row.casts) note("cast", row, held(keepers.keys()) + extra + row.gradients + 4 * row.parameters, gradients);
      gradients += 4 * row.parameters;
    }
    halves = 0;
    // Adam's update makes the root of the largest parameter's second moments, and a quotient.
    note("update", null, copies < 2 ? 0 : 8 * Math.max(...rows.map((row) => row.weights)), gradients);
    return found;
  };

  const PARTS = {
    activations: "activations, and what is worked on", parameters: "parameters", gradients: "their gradients",
    state: "the optimiser's state", images: "images"};
  const PHASES = {forward: "the forward pass", backward: "the backward pass",
    cast: "the backward pass, where gradients become 4 bytes", update: "the update"};
  const mega = (bytes) => (bytes / 1e6).toLocaleString("en-US", {minimumFractionDigits: 1, maximumFractionDigits: 1});
  const section = {batch: 128, size: 224, copies: 0, bf16: false, training: true};

  const label = (text, control, shown = "") => element("label", {}, element("span", {}, text, " ", shown), control);
  const batchShown = element("strong"), sizeShown = element("strong");
  const batch = element("input", {type: "range", min: 0, max: 10, step: 1, value: 7, oninput: () => draw()});
  const size = element("input", {type: "range", min: SMALLEST, max: LARGEST, step: 1, value: 224, oninput: () => draw()});
  const choice = (options) => element("select", {onchange: () => draw()},
    ...options.map(([name, value]) => element("option", {value}, name)));
  const task = choice([["training", "training"], ["prediction", ""]]);
  const optimiser = choice(OPTIMISERS);
  const precision = choice([["float32", ""], ["bfloat16, autocast", "bf16"]]);

  const line = element("p", {class: "fig-memory-line", "aria-live": "polite"});
  const plot = element("svg", {viewBox: "0 0 360 120", role: "img", class: "fig-memory-plot"});
  const body = element("tbody");
  const key = Object.keys(PARTS);

  const settings = () => ({
    batch: 2 ** Number(batch.value), size: Number(size.value), copies: Number(optimiser.value),
    bf16: precision.value === "bf16", training: task.value === "training"});

  const draw = () => {
    const now = settings(), all = moments(now);
    const peak = all.reduce((most, moment) => (moment.bytes > most.bytes ? moment : most));
    const before = Math.max(...moments(section).map((moment) => moment.bytes));
    optimiser.disabled = !now.training;
    batchShown.textContent = `${now.batch}`;
    sizeShown.textContent = `${now.size}×${now.size}`;
    batch.setAttribute("aria-valuetext", `${now.batch} images`);
    size.setAttribute("aria-valuetext", `${now.size} by ${now.size} pixels`);
    const where = peak.layer ? `, at layer ${peak.layer} (${peak.kind})` : "";
    line.replaceChildren("Peak: ", element("strong", {}, `${mega(peak.bytes)} MB`), `, in ${PHASES[peak.phase]}${where}. `
      + `That is ${(100 * peak.bytes / before).toFixed(peak.bytes < before / 10 ? 1 : 0)}% of the section's step, `
      + `${mega(before)} MB.`);
    // A bar for each moment, its parts upon each other; the peak's is marked.
    const wide = 360 / all.length, scale = 104 / peak.bytes;
    plot.replaceChildren();
    all.forEach((moment, i) => {
      let top = 120;
      key.slice().reverse().forEach((part) => {
        const height = moment.parts[part] * scale;
        top -= height;
        if (height > 0.05) {
          plot.append(element("rect", {class: `part-${part}`, x: i * wide, y: top, width: wide * 0.86, height}));
        }
      });
      if (moment === peak) {
        plot.append(element("path", {class: "peak", d: `M${(i + 0.43) * wide} ${top - 2}l-4 -8h8z`}));
      }
    });
    plot.setAttribute("aria-label", `The bytes alive at ${all.length} moments, from the first layer forward `
      + `${now.training ? "to the last, back to the first, and the update" : "to the last"}; the largest is `
      + `${mega(peak.bytes)} MB.`);
    body.replaceChildren(...key.map((part) => element("tr", {},
      element("th", {scope: "row"}, element("span", {class: `swatch part-${part}`}), PARTS[part]),
      element("td", {class: "number"}, mega(peak.parts[part])),
      element("td", {class: "number"}, `${(100 * peak.parts[part] / peak.bytes).toFixed(1)}%`))));
  };

  root.moments = moments;
  root.append(
    element("p", {class: "figure-title"}, "The memory of one step"),
    element("div", {class: "fig-memory-controls"}, label("Batch:", batch, batchShown),
      label("Image, pixels:", size, sizeShown), label("Step of", task), label("Optimiser", optimiser),
      label("Precision", precision)),
    line, plot,
    element("p", {class: "fig-memory-key"}, "From left to right: the layers forward, the layers backward, the update. "
      + "The height is what is alive at that moment; the triangle marks the peak, whose parts are:"),
    element("table", {}, element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "at the peak"),
      element("th", {scope: "col", class: "number"}, "MB"), element("th", {scope: "col", class: "number"}, "share"))), body));
  draw();
});
