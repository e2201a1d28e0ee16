// What the page that trains draws: the curves of both lanes, and a class map over a garment. See train.js.
"use strict";

// An SVG of the lanes' curves, side by side in time. lines: a list of [step, value] for each lane; most: the last step
// of the axis; high: the largest value of the other; flat: a level to mark, and its name; rings: for each lane the
// point to ring, or nothing. names and colours are the lanes'.
figures.trainingPlot = ({title, lines, width, height, most, high, ticks, flat, rings = [], names, colours}) => {
  const {element} = figures;
  const left = 34, right = width - 24, top = 24, bottom = height - 24;
  const x = (step) => left + (right - left) * step / most;
  const y = (value) => bottom - (bottom - top) * Math.min(high, Math.max(0, value)) / high;
  const svg = element("svg", {width, height, role: "img", "aria-label": `${title}, both lanes`},
    element("text", {x: 4, y: 13, class: "fig-train-title"}, title));
  for (const tick of ticks) {
    svg.append(element("line", {x1: left, x2: right, y1: y(tick), y2: y(tick), class: "fig-train-grid"}),
      element("text", {x: left - 6, y: y(tick) + 4, "text-anchor": "end"}, `${tick}`));
  }
  const unit = [50, 100, 200, 500, 1000, 2000, 5000].find((each) => most / each <= width / 55) ?? 10_000;
  for (let step = 0; step <= most; step += unit) {
    svg.append(element("text", {x: x(step), y: bottom + 16, "text-anchor": "middle"},
      step ? step.toLocaleString("en") : "step 0"));
  }
  if (flat) {
    svg.append(element("line", {x1: left, x2: right, y1: y(flat[0]), y2: y(flat[0]), class: "fig-train-flat"}),
      element("text", {x: right, y: y(flat[0]) - 6, "text-anchor": "end"}, flat[1]));
  }
  const known = lines.map((points) => points.filter(([, value]) => Number.isFinite(value)));
  // The lanes' names stand at the ends of their curves, and apart where these meet.
  const ends = known.map((points) => points.length ? y(points.at(-1)[1]) + 4 : null);
  if (ends.every((end) => end !== null) && Math.abs(ends[0] - ends[1]) < 13) {
    const middle = (ends[0] + ends[1]) / 2, above = ends[0] <= ends[1] ? 0 : 1;
    ends[above] = middle - 6.5, ends[1 - above] = middle + 6.5;
  }
  known.forEach((points, i) => {
    if (!points.length) return;
    const every = Math.ceil(points.length / 400), [last, value] = points.at(-1);
    const path = points.filter((_, k) => k % every === 0 || k === points.length - 1)
      .map(([step, each]) => `${x(step).toFixed(1)},${y(each).toFixed(1)}`).join("L");
    svg.append(
      element("path", {d: `M${path}`, stroke: colours[i], "stroke-dasharray": i ? "7 4" : false,
        "data-lane": names[i]}),
      element("circle", {cx: x(last), cy: y(value), r: 3.5, fill: colours[i]}),
      element("text", {x: x(last) + 8, y: ends[i], class: "fig-train-end"}, names[i]));
    if (rings[i]) {
      const [step, level] = rings[i];
      svg.append(element("circle", {cx: x(step), cy: y(level), r: 6, stroke: colours[i], class: "fig-train-ring"}));
    }
  });
  return svg;
};

// A map over the garment, in the colours of the page before: orange for the class; purple, with a minus, against it.
// The garment is darkened, so that a colour shows on a white one as on a black one. map: cells row by row; limit: the
// value of full colour.
figures.trainingMap = (canvas, garment, map, limit) => {
  const context = canvas.getContext("2d"), cells = Math.sqrt(map.length), {width} = canvas, side = width / cells;
  context.imageSmoothingEnabled = false;
  context.drawImage(garment, 0, 0, width, width);
  context.fillStyle = "rgb(0 0 0 / 0.3)";
  context.fillRect(0, 0, width, width);
  map.forEach((value, i) => {
    const x = i % cells * side, y = Math.floor(i / cells) * side;
    const strength = Math.sqrt(Math.min(1, Math.abs(value) / limit)); // so that small values show beside large ones
    context.fillStyle = `rgb(${value > 0 ? "255 140 0" : "140 90 230"} / ${0.85 * strength})`;
    context.fillRect(x, y, side, side);
    if (value >= 0 || strength <= 0.15) return;
    context.fillStyle = "rgb(255 255 255 / 0.85)";
    context.fillRect(x + side / 3, y + side / 2 - 2, side / 3, 4);
  });
};
