// The whole network as one drawing. Each layer is an option of a listbox: pointed at, tapped or reached with
// the arrow keys, it shows its shape, its costs and what one of its neurons sees of a garment. Image size and
// batch are the reader's. root.table(size, batch) gives all numbers to the test, which compares them with
// nin.costs and the fields with torch's gradients.
"use strict";

figures.define("layers", async (root) => {
  const {element} = figures;
  const BYTES = 4; // a 32-bit float
  const LARGEST = {size: 1024, batch: 4096}; // asked for; the smallest size comes from the network itself
  const QUANTITIES = {parameters: "parameters", macs: "MACs", bytes: "activation bytes"};

  // The layers, named as PyTorch names them: window k, stride s, padding p where the layer has a window.
  const conv = (name, from, to, k, s, p) => (
    {name, kind: `conv ${k}×${k}, ${from}→${to}`, label: `${k}×${k}`, from, to, k, s, p});
  const relu = (name) => ({name, kind: "ReLU", label: "ReLU"});
  const pool = (name) => ({name, kind: "max pool 3×3", label: "pool", k: 3, s: 2, p: 0});
  const block = (name, from, to, k, s, p) => [
    conv(`${name}.0`, from, to, k, s, p), relu(`${name}.1`),
    conv(`${name}.2`, to, to, 1, 1, 0), relu(`${name}.3`),
    conv(`${name}.4`, to, to, 1, 1, 0), relu(`${name}.5`)];
  const stages = [
    [...block("0", 1, 96, 11, 4, 0), pool("1")],
    [...block("2", 96, 256, 5, 1, 2), pool("3")],
    [...block("4", 256, 384, 3, 1, 1), pool("5"), {name: "6", kind: "dropout", label: "drop"}],
    [...block("7", 384, 10, 3, 1, 1), {name: "8", kind: "global average pool", label: "mean", final: true},
      {name: "9", kind: "flatten", label: "flatten", final: true, flat: true}]];
  const layers = stages.flatMap((stage, i) => stage.map((layer) => ({...layer, stage: i + 1})));

  // All numbers of all layers, in order; a RangeError where a window finds no room.
  const table = (size, batch = 1) => {
    let channels = 1, n = size, r = 1, jump = 1; // field of a neuron, pixels from one field to the next
    const rows = [];
    for (const layer of layers) {
      const {k, s, p} = {k: layer.final ? n : 1, s: 1, p: 0, ...layer}; // the average's window is its map
      const before = n;
      n = Math.floor((n + 2 * p - k) / s) + 1;
      if (n < 1) throw new RangeError(`no room for the ${layer.kind} of block ${layer.stage}`);
      r += (k - 1) * jump; // r' = r + (k - 1) j
      jump *= s; // j' = j s
      const weights = layer.to ? layer.from * layer.to * k * k : 0;
      channels = layer.to ?? channels;
      rows.push({
        ...layer, windowed: "k" in layer, k, s, p, before, n, r, jump, channels,
        shape: layer.flat ? [batch, channels] : [batch, channels, n, n],
        parameters: weights + (layer.to ?? 0),
        macs: weights * n * n * batch,
        bytes: BYTES * batch * channels * n * n,
      });
    }
    rows.forEach((row, i) => Object.assign(row, field(rows, i)));
    return rows;
  };

  // What the centre neuron of layer i sees of the picture: rows (and columns) first to last, from 0. Walked
  // back layer by layer, because padding ends at the map that it is put around, not at the picture.
  const field = (rows, i) => {
    const centre = Math.floor((rows[i].n - 1) / 2);
    let first = centre, last = centre;
    for (const {k, s, p, before} of rows.slice(0, i + 1).reverse()) {
      first = Math.max(0, first * s - p);
      last = Math.min(before - 1, last * s - p + k - 1);
    }
    return {centre, first, last};
  };

  const smallest = () => {
    for (let size = 1; ; size += 1) {
      try {
        table(size);
        return size;
      } catch { /* too small */ }
    }
  };

  const number = (value) => value.toLocaleString("en-US");
  const sum = (rows, what) => rows.reduce((total, row) => total + row[what], 0);
  const percent = (part, whole) => (
    part && part / whole < 0.0005 ? "under 0.1%" : part ? `${(100 * part / whole).toFixed(1)}%` : "0%");

  // What the text line says of a layer.
  const words = (row, size) => {
    const place = `row ${row.centre + 1}, column ${row.centre + 1} of ${row.n}×${row.n}`;
    const who = row.final ? "A logit" : row.n > 1 ? `Its neuron in ${place}` : "Its one neuron a channel";
    const side = row.last - row.first + 1, unseen = size - 1 - row.last;
    const whole = row.r > side ? `, of a full field of ${row.r}×${row.r}` : "";
    const never = row.final && unseen
      ? ` The last ${unseen} of the picture's rows and columns reach no logit.` : "";
    return `Block ${row.stage}, ${row.kind}. ${who} sees rows and columns ${row.first + 1} to `
      + `${row.last + 1}: ${side}×${side} pixels${whole}.${never}`;
  };

  const windowWords = (row) => {
    if (row.final) return row.flat ? "none" : `${row.k}×${row.k}, the whole map`;
    return row.windowed ? `${row.k}×${row.k}, stride ${row.s}, padding ${row.p}` : "none";
  };

  await figures.load("garments.js");
  const {images, labels, indices, classes} = figures.garments;
  const garment = indices.indexOf(0); // the first test image, which the chapter shows
  const picture = figures.picture(images[garment], 28);
  const good = {size: 224, batch: 1}; // the last numbers that worked
  let chosen = 0, shown = 0, complaint = "", rows = table(good.size, good.batch);

  // The drawing: a box for each layer's output, and under it a bar for its share.
  const options = layers.map((layer, i) => element("div", {
    class: `fig-layers-layer${layer.to ? " weights" : ""}`, role: "option", tabindex: i ? -1 : 0,
    "aria-selected": String(!i), "data-layer": layer.name,
    "aria-label": `Block ${layer.stage}, ${layer.kind}${layer.label === "mean" ? ", the mean of a map" : ""}`,
    onclick: () => choose(i),
    // Not pointerenter, which also comes when the keyboard scrolls a layer under a resting mouse.
    onpointermove: (event) => event.pointerType === "mouse" && shown !== i && show(i),
  }, element("svg", {viewBox: "0 0 36 58", "aria-hidden": "true"}, element("path", {d: "M0 18H36"}),
    element("rect", {class: "box"}), element("rect", {class: "bar"})), layer.label));
  const input = element("div", {class: "fig-layers-layer", "aria-hidden": "true"},
    element("svg", {viewBox: "0 0 36 58"}, element("path", {d: "M18 18H36"}),
      element("image", {href: picture, x: 2, y: 2, width: 32, height: 32})), "image");
  const titles = stages.map(() => element("div", {class: "fig-layers-stage"}));
  const list = element("div", {
    class: "fig-layers-net", role: "listbox", "aria-label": "Layers, from the image to the logits",
    onkeydown: (event) => step(event),
    onpointerleave: (event) => event.pointerType === "mouse" && show(chosen),
  }, ...stages.map((stage, s) => element("div", {role: "group", "aria-label": `Block ${s + 1}`},
    titles[s], ...(s ? [] : [input]), ...options.filter((_, i) => layers[i].stage === s + 1))));

  // The controls.
  const entry = (what) => element("input", {
    type: "number", min: 1, max: LARGEST[what], step: 1, value: good[what], inputmode: "numeric",
    oninput: () => take(),
  });
  const inputs = {size: entry("size"), batch: entry("batch")};
  const quantity = element("select", {onchange: () => draw()},
    ...Object.entries(QUANTITIES).map(([what, name]) => (
      element("option", {value: what, selected: what === "macs"}, name))));
  const label = (text, control) => element("label", {}, `${text} `, control);

  // The details.
  const line = element("p", {class: "fig-layers-line", "aria-live": "polite"});
  const cell = (span) => element("td", span ? {colspan: 2} : {});
  const cells = {shape: cell(true), window: cell(true)};
  const tableRow = (name, ...more) => element("tr", {}, element("th", {scope: "row"}, name), ...more);
  const costs = Object.entries(QUANTITIES).map(([what, name]) => (
    tableRow(name, cells[what] = cell(), cells[`${what}Share`] = cell())));
  const numbers = element("table", {},
    element("thead", {}, element("tr", {}, element("td"), element("th", {scope: "col"}, "this layer"),
      element("th", {scope: "col"}, "of the network"))),
    element("tbody", {}, tableRow("output", cells.shape), tableRow("window", cells.window), ...costs));
  const enlarged = element("image", {href: picture, x: 0, y: 0});
  const faded = element("path", {class: "faded", "fill-rule": "evenodd"});
  const frames = ["under", "over"].map((name) => element("rect", {class: name}));
  const seen = element("svg", {role: "img"}, enlarged, faded, ...frames);

  const place = (rect, x, y, width, height) => Object.entries({x, y, width, height}).forEach(
    ([name, value]) => rect.setAttribute(name, value));

  const say = () => {
    const still = complaint && `${complaint} The numbers are still those of ${good.size}×${good.size} `
      + `pixels, batch ${good.batch}. `;
    line.textContent = still + words(rows[shown], good.size);
  };

  const show = (i) => {
    shown = i;
    const row = rows[i];
    options.forEach((option, o) => option.classList.toggle("shown", o === i));
    cells.shape.textContent = `(${row.shape.join(", ")})`;
    cells.window.textContent = windowWords(row);
    for (const what of Object.keys(QUANTITIES)) {
      const whole = sum(rows, what);
      cells[what].textContent = number(row[what]);
      cells[`${what}Share`].textContent = `${percent(row[what], whole)} of ${number(whole)}`;
    }
    const side = row.last - row.first + 1;
    frames.forEach((frame) => place(frame, row.first, row.first, side, side));
    faded.setAttribute("d", `M0 0H${good.size}V${good.size}H0Z`
      + `M${row.first} ${row.first}h${side}v${side}h${-side}Z`);
    seen.setAttribute("aria-label", `A ${classes[labels[garment]]} of ${good.size}×${good.size} pixels, `
      + `a square around its rows and columns ${row.first + 1} to ${row.last + 1}.`);
    say();
  };

  const choose = (i) => {
    options[chosen].setAttribute("aria-selected", "false");
    options[chosen].tabIndex = -1;
    chosen = i;
    options[i].setAttribute("aria-selected", "true");
    options[i].tabIndex = 0;
    options[i].focus();
    show(i);
  };

  const step = (event) => {
    const end = layers.length - 1;
    const to = {ArrowRight: chosen + 1, ArrowDown: chosen + 1, ArrowLeft: chosen - 1, ArrowUp: chosen - 1,
      Home: 0, End: end}[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    choose(Math.min(end, Math.max(0, to)));
  };

  // The network for the numbers typed in; what cannot be is said at once, and the last good numbers stay.
  const take = () => {
    const wanted = Object.fromEntries(Object.entries(inputs).map(([what, box]) => [what, Number(box.value)]));
    const wrong = problem(wanted);
    for (const [what, box] of Object.entries(inputs)) box.setAttribute("aria-invalid", String(wrong?.what === what));
    complaint = wrong?.text ?? "";
    if (!wrong) {
      Object.assign(good, wanted);
      rows = table(good.size, good.batch);
    }
    draw();
  };

  const problem = (wanted) => {
    for (const [what, name] of [["size", "image size"], ["batch", "batch size"]]) {
      if (!Number.isInteger(wanted[what]) || wanted[what] < 1 || wanted[what] > LARGEST[what]) {
        return {what, text: `The ${name} must be a whole number up to ${number(LARGEST[what])}`
          + `${what === "size" ? `, and at least ${smallest()}` : ""}.`};
      }
    }
    try {
      table(wanted.size);
      return null;
    } catch (error) {
      return {what: "size", text: `${wanted.size}×${wanted.size} pixels are too few: ${error.message}. `
        + `The smallest size that works is ${smallest()}.`};
    }
  };

  const draw = () => {
    const what = quantity.value;
    const most = Math.max(...rows.map((row) => row[what]));
    rows.forEach((row, i) => {
      const height = Math.max(2, 34 * row.n / rows[0].n), width = 28 * Math.log2(1 + row.channels) / Math.log2(1 + 384);
      place(options[i].querySelector(".box"), 18 - width / 2, 18 - height / 2, width, height);
      const bar = row[what] ? Math.max(0.5, 20 * row[what] / most) : 0;
      place(options[i].querySelector(".bar"), 6, 58 - bar, 24, bar);
    });
    const shape = (row) => (row.flat ? `${row.channels} logits` : `${row.channels}×${row.n}×${row.n}`);
    let from = `1×${good.size}×${good.size}`;
    titles.forEach((title, s) => {
      const to = shape(rows.filter((row) => row.stage === s + 1).at(-1));
      title.replaceChildren(element("strong", {}, `Block ${s + 1}`), ` ${from} → ${to}`);
      from = to;
    });
    seen.setAttribute("viewBox", `0 0 ${good.size} ${good.size}`);
    enlarged.setAttribute("width", good.size);
    enlarged.setAttribute("height", good.size);
    show(shown);
  };

  root.table = table;
  root.append(
    element("p", {class: "figure-title"}, "The network, layer by layer"),
    element("div", {class: "fig-layers-controls"}, label("Image, pixels a side", inputs.size),
      label("Batch", inputs.batch), label("Bars show", quantity)),
    list, line, element("div", {class: "fig-layers-details"}, seen, numbers),
    element("p", {class: "fig-layers-key"}, "A box is a layer's output: its height the rows, its width the "
      + "channels on a logarithmic scale; filled where the layer has weights. The bar under it is its share, the largest in full. "
      + "Activations are the outputs, 4 bytes a value."));
  draw();
});
