// A garment and its bilinear enlargement by 8; an 11×11 window slides over the enlarged image with stride 4,
// and the source pixels that it sees are shown beside it.
"use strict";

figures.define("enlargement", async (root) => {
  await figures.load("garments.js");
  const {element, garments} = figures;
  const size = 28, scale = 8, large = size * scale;
  const wide = 11, stride = 4, last = Math.floor((large - wide) / stride);  // the last window's number

  // The two source pixels on which enlarged pixel e leans in one direction, and how much: as torch's
  // `interpolate` with align_corners=False, which repeats the border pixel.
  const taps = Array.from({length: large}, (_, e) => {
    const at = Math.max(0, (e + 0.5) / scale - 0.5);
    const low = Math.floor(at);
    return [[low, 1 - (at - low)], [Math.min(low + 1, size - 1), at - low]];
  });
  const enlarged = (pixels) => Float64Array.from({length: large * large}, (_, k) => {
    let value = 0;
    for (const [i, share] of taps[Math.floor(k / large)]) {
      for (const [j, part] of taps[k % large]) value += share * part * pixels[size * i + j];
    }
    return value;
  });
  // First and last source row (or column) with a share in window number i.
  const seen = (i) => {
    const leant = taps.slice(stride * i, stride * i + wide).flat().filter(([, share]) => share > 0);
    const places = leant.map(([place]) => place);
    return [Math.min(...places), Math.max(...places)];
  };
  // Where a frame of 3 source pixels begins that holds them; beyond the image's border it stays empty.
  const frame = (i) => Math.floor((stride * i + 0.5) / scale - 0.5);

  // Four drawings: the two images, and below each what the window holds of it.
  const picture = (box, width, ...more) => {
    const image = element("image", {width, height: width, class: "pixels"});
    const drawing = element("svg", {viewBox: box, role: "img"}, image, ...more);
    return {image, drawing};
  };
  // A mark that shows on black and on white: a line on a darker, wider one.
  const box = () => ["under", "over"].map((name) => element("rect", {class: `fig-enlargement-${name}`}));
  const put = (rects, x, y, width, height) => rects.forEach((rect) => {
    for (const [name, value] of Object.entries({x, y, width, height})) rect.setAttribute(name, value);
  });
  const sourceBox = box(), windowBox = box(), cells = element("g");
  const source = picture(`0 0 ${size} ${size}`, size, ...sourceBox);
  const whole = picture(`0 0 ${large} ${large}`, large, ...windowBox);
  const sources = picture("0 0 3 3", size, cells);
  const inside = picture(`0 0 ${wide} ${wide}`, large);
  whole.drawing.setAttribute("aria-hidden", true);  // its frame has the label
  inside.drawing.setAttribute("aria-label", "The window's 121 pixels, drawn large");

  let pixels, row = 24, column = 30;
  const dress = () => {
    const k = Number(garment.value);
    pixels = garments.images[k];
    const small = figures.picture(pixels, size), big = figures.picture(enlarged(pixels), large);
    for (const {image} of [source, sources]) image.setAttribute("href", small);
    for (const {image} of [whole, inside]) image.setAttribute("href", big);
    source.drawing.setAttribute("aria-label", `${garments.classes[garments.labels[k]]}, 28×28 pixels`);
    show();
  };

  const show = () => {
    const [top, bottom] = seen(row), [left, right] = seen(column);
    const height = bottom - top + 1, width = right - left + 1;
    put(sourceBox, left, top, width, height);
    put(windowBox, stride * column, stride * row, wide, wide);
    sources.drawing.setAttribute("viewBox", `${frame(column)} ${frame(row)} 3 3`);
    inside.drawing.setAttribute("viewBox", `${stride * column} ${stride * row} ${wide} ${wide}`);
    const greys = [];
    cells.replaceChildren();
    for (let i = top; i <= bottom; i++) {
      for (let j = left; j <= right; j++) {
        const grey = pixels[size * i + j], style = `fill: ${grey < 118 ? "#fff" : "#000"}`;
        greys.push(grey);
        cells.append(element("rect", {x: j, y: i, width: 1, height: 1, class: "fig-enlargement-cell"}),
          element("text", {x: j + 0.5, y: i + 0.62, style}, grey));
      }
    }
    sources.drawing.setAttribute("aria-label",
      `The source pixels' grey values, row by row: ${greys.join(", ")}`);
    status.textContent = `The window in row ${row}, column ${column} holds 121 enlarged pixels. It sees ` +
      `${height}×${width} = ${height * width} source pixels: rows ${top} to ${bottom}, ` +
      `columns ${left} to ${right}.` + (height * width < 9 ? " At the border there are fewer." : "");
    for (const [input, value] of [[rowInput, row], [columnInput, column]]) {
      if (input.value !== String(value)) input.value = value;
    }
  };
  const within = (n) => Math.max(0, Math.min(last, n));
  const move = (i, j) => {
    [row, column] = [within(i), within(j)];
    show();
  };

  // Controls: the enlarged image itself, for pointer and arrow keys; two numbers; the garment.
  const pointed = (event) => {
    const area = whole.drawing.getBoundingClientRect();
    const nearest = (at, length) => Math.round((large * at / length - wide / 2) / stride);
    move(nearest(event.clientY - area.top, area.height), nearest(event.clientX - area.left, area.width));
  };
  const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
  const pad = element("div", {
    class: "fig-enlargement-pad", tabindex: 0, role: "application",
    "aria-label": "The enlarged image, 224×224 pixels: move the window with the arrow keys",
    onpointermove: (event) => event.pointerType === "mouse" && pointed(event),
    onclick: pointed,
    onkeydown: (event) => {
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      move(row + step[0], column + step[1]);
    },
  }, whole.drawing);
  const number = (act) => {
    const input = element("input", {
      type: "number", min: 0, max: last, step: 1,
      oninput: () => input.value !== "" && input.validity.valid && act(Number(input.value)),
      onchange: () => show(),  // what is no window's number is replaced by the one in force
    });
    return input;
  };
  const rowInput = number((value) => move(value, column)), columnInput = number((value) => move(row, value));
  // The first of each class.
  const firsts = garments.classes.map((name, label) => [name, garments.labels.indexOf(label)]);
  const garment = element("select", {onchange: dress}, ...firsts.map(
    ([name, k]) => element("option", {value: k, selected: name === "ankle boot"}, name)));
  const status = element("p", {class: "fig-enlargement-status", "aria-live": "polite"});

  const titled = (title, drawing) => element("div", {}, element("span", {}, title), drawing);
  const labelled = (text, control) => element("label", {}, `${text} `, control);
  root.append(
    element("p", {class: "figure-title"}, "How much of the garment does one window see?"),
    element("div", {class: "fig-enlargement-controls"}, labelled("garment", garment),
      labelled("window's row", rowInput), labelled("column", columnInput)),
    element("div", {class: "fig-enlargement-pictures"},
      titled("the image, 28×28", source.drawing), titled("enlarged to 224×224", pad),
      titled("its source pixels", sources.drawing), titled("the window, 11×11", inside.drawing)),
    status);
  dress();
});
