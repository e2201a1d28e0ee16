// The trained network, live: pick, draw, erase or shift a garment; its class maps and the answer follow.
"use strict";

figures.define("live", async (root) => {
  await Promise.all(["garments.js", "live-weights.js", "live-worker.js"].map((file) => figures.load(file)));
  const {element} = figures;
  const {classes, labels, images} = figures.garments;
  const SIZE = 28, INK = 210; // pixels in a row; the grey that the brush draws with
  const ACROSS = 5; // maps in a row

  // A page from disk may start a Worker only from text.
  const worker = new Worker(URL.createObjectURL(new Blob([`(${figures.networkWorker})()`])));
  const waiting = []; // the worker answers in the order of the questions
  worker.onmessage = ({data}) => waiting.shift().resolve(data);
  worker.onerror = (event) => waiting.splice(0).forEach(({reject}) => reject(new Error(event.message)));
  worker.postMessage(figures.networkMessage(figures.network));

  // Grey values (784) to {maps, logits, probabilities, milliseconds}.
  const classify = async (grey) => {
    const answer = await new Promise((resolve, reject) => {
      waiting.push({resolve, reject});
      worker.postMessage({pixels: grey});
    });
    const logits = classes.map((_, k) => mean(mapOf(answer, k)));
    const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
    const sum = powers.reduce((a, b) => a + b);
    return {...answer, logits, probabilities: powers.map((power) => power / sum)};
  };
  const mapOf = ({maps}, k) => maps.subarray(k * maps.length / classes.length, (k + 1) * maps.length / classes.length);
  const mean = (values) => values.reduce((a, b) => a + b) / values.length;
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(1);
  const inside = (value, most) => Math.min(most, Math.max(0, value));
  root.classify = classify; // for the tests

  // The first and the last row of the picture that row i of a class map depends on; the same for columns.
  const windowOf = (i) => {
    const {layers} = figures.network, enlarged = layers[0].window === 4, sizes = [enlarged ? 57 : SIZE];
    for (const {window, padding, pool, border = 0} of layers) {
      const size = sizes.at(-1) + 2 * padding - window + 1;
      sizes.push(size, pool ? Math.floor((size + 2 * border - 3) / 2) + 1 : size);
    }
    let first = i, last = i;
    [...layers].reverse().forEach(({window, padding, pool, border = 0}, back) => {
      const [before, after] = sizes.slice(2 * (layers.length - 1 - back));
      if (pool) [first, last] = [2 * first - border, 2 * last + 2 - border].map((at) => inside(at, after - 1));
      [first, last] = [first - padding, last - padding + window - 1].map((at) => inside(at, before - 1));
    });
    if (!enlarged) return [first, last];
    // A value of the enlarged picture lies on a pixel or between two.
    return [Math.floor((first - 1) / 2), Math.ceil((last - 1) / 2)].map((at) => inside(at, SIZE - 1));
  };

  // What the reader changes.
  let picked = 0, pixels = images[0].slice(), base = {};
  let erasing = true, cursor = {x: 14, y: 14}, byKeys = false;
  const earlier = []; // for Undo: {picked, pixels}
  const remember = () => {
    earlier.push({picked, pixels: pixels.slice()});
    if (earlier.length > 500) earlier.shift();
  };

  // The picture: a canvas to draw on, with the brush and the window of a cell as frames over it.
  const canvas = element("canvas", {
    width: SIZE, height: SIZE, class: "pixels", tabindex: 0, role: "application",
    "aria-label": "The picture, 28 by 28 pixels", "aria-describedby": "fig-live-keys"});
  const brush = element("span", {class: "fig-live-brush", "aria-hidden": "true"});
  const seen = element("span", {class: "fig-live-window", "aria-hidden": "true", hidden: true});
  const size = element("select", {onchange: () => place(cursor.x, cursor.y)},
    ...[1, 3, 5].map((n) => element("option", {value: n, selected: n === 5}, `${n}×${n}`)));
  const modes = [["Erase", true], ["Draw", false]].map(([name, value]) =>
    element("button", {type: "button", onclick: () => choose(value)}, name));

  const choose = (value) => {
    erasing = value;
    modes.forEach((button, i) => button.setAttribute("aria-pressed", erasing === (i === 0)));
  };
  // Puts a frame over the picture's pixels from (x, y) on.
  const cover = (frame, x, y, width, height) => {
    const percent = (value) => `${100 * value / SIZE}%`;
    Object.assign(frame.style, {left: percent(x), top: percent(y), width: percent(width), height: percent(height)});
  };
  const place = (x, y) => {
    cursor = {x: inside(x, SIZE - 1), y: inside(y, SIZE - 1)};
    const n = Number(size.value), reach = (n - 1) / 2;
    cover(brush, cursor.x - reach, cursor.y - reach, n, n);
  };
  const dab = () => {
    const reach = (Number(size.value) - 1) / 2;
    for (let y = Math.max(0, cursor.y - reach); y <= Math.min(SIZE - 1, cursor.y + reach); y++) {
      for (let x = Math.max(0, cursor.x - reach); x <= Math.min(SIZE - 1, cursor.x + reach); x++) {
        pixels[SIZE * y + x] = erasing ? 0 : INK;
      }
    }
  };
  // Along a straight line, so that a fast pointer leaves no gaps.
  const stroke = (x, y) => {
    const from = cursor, steps = Math.max(1, Math.abs(x - from.x), Math.abs(y - from.y));
    for (let i = 1; i <= steps; i++) {
      place(Math.round(from.x + (x - from.x) * i / steps), Math.round(from.y + (y - from.y) * i / steps));
      dab();
    }
    update();
  };

  // Where a pointer is on something square that is divided into so many rows and columns.
  const pointed = (event, square, rows) => {
    const box = square.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      .map((share) => Math.floor(share * rows));
  };
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    byKeys = false;
    remember();
    place(...pointed(event, canvas, SIZE));
    stroke(cursor.x, cursor.y);
  };
  canvas.onpointermove = (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) stroke(...pointed(event, canvas, SIZE));
    else place(...pointed(event, canvas, SIZE));
  };
  const STEPS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const plain = (event) => !event.ctrlKey && !event.altKey && !event.metaKey;
  canvas.onkeydown = (event) => {
    const step = STEPS[event.key];
    if (!plain(event) || !(step || event.key === " " || event.key === "Enter" || /^e$/i.test(event.key))) return;
    event.preventDefault();
    byKeys = true;
    const mode = /^e$/i.test(event.key);
    if (mode) choose(!erasing);
    if (!mode && (!step || event.shiftKey)) remember();
    if (step) place(cursor.x + step[0], cursor.y + step[1]);
    if (mode || step && !event.shiftKey) say();
    else stroke(cursor.x, cursor.y);
  };

  const shifted = (from, dx, dy) => from.map((_, i) => {
    const x = i % SIZE - dx, y = Math.floor(i / SIZE) - dy;
    return x >= 0 && x < SIZE && y >= 0 && y < SIZE ? from[SIZE * y + x] : 0;
  });
  const set = (grey, garment = picked) => {
    remember();
    pixels = grey.slice();
    picked = garment;
    update();
  };
  const undo = () => {
    if (!earlier.length) return;
    ({picked, pixels} = earlier.pop());
    picks.find((radio) => Number(radio.value) === picked).checked = true;
    update();
  };
  root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || !/^z$/i.test(event.key)) return;
    event.preventDefault();
    undo();
  });

  // The ten class maps, of which one may fill the place of all; a cell of one may be looked at.
  let large = null, cell = null; // a class; {k, x, y}
  const difference = element("input", {type: "checkbox", onchange: () => show()});
  const tiles = classes.map((name, k) => {
    const map = element("canvas", {"aria-hidden": "true"});
    const parts = {map, logit: element("span", {class: "fig-live-logit"}), chance: element("span"),
      change: element("span", {class: "fig-live-change"}), name: element("strong", {}, name),
      bar: element("span", {class: "fig-live-bar", "aria-hidden": "true"})};
    parts.button = element("button", {type: "button", tabindex: k ? -1 : 0,
      onclick: (event) => enlarge(large === null ? k : event.detail ? large : null), // on a large one a click points
      onpointermove: (event) => point(event, k), onpointerdown: (event) => point(event, k),
      onpointerleave: (event) => event.pointerType === "touch" || look(null), // a finger has to leave to see it
      onfocus: () => parts.button.matches(":focus-visible") && look({x: 0, y: 0, ...cell, k}, true),
      onblur: () => look(null), onkeydown: (event) => walk(event, k)}, map);
    parts.tile = element("li", {}, parts.name, parts.button,
      element("span", {class: "fig-live-mean"}, parts.logit, parts.change),
      element("span", {class: "fig-live-row"}, parts.bar, parts.chance));
    return parts;
  });
  const point = (event, k) => {
    const cells = Math.sqrt(mapOf(answer, k).length);
    const [x, y] = pointed(event, tiles[k].map, cells).map((at) => inside(at, cells - 1));
    if (cell?.k !== k || cell.x !== x || cell.y !== y) look({k, x, y});
  };
  // Arrows go from cell to cell, and over the edge of a map to the next one.
  const walk = (event, k) => {
    const step = STEPS[event.key];
    if (event.key === "Escape" && large !== null) enlarge(null);
    if (!step || !plain(event) || event.shiftKey) return;
    event.preventDefault();
    const cells = Math.sqrt(mapOf(answer, k).length), rows = classes.length / ACROSS;
    const {x, y} = cell ?? {x: 0, y: 0};
    const across = inside(k % ACROSS * cells + x + step[0], ACROSS * cells - 1);
    const down = inside(Math.floor(k / ACROSS) * cells + y + step[1], rows * cells - 1);
    const to = ACROSS * Math.floor(down / cells) + Math.floor(across / cells);
    if (large !== null && to !== k) enlarge(to);
    tiles[to].button.focus();
    look({k: to, x: across % cells, y: down % cells}, true);
  };
  const enlarge = (k) => {
    large = k;
    list.classList.toggle("fig-live-one", k !== null);
    tiles.forEach(({tile, button}, i) => {
      tile.hidden = k !== null && i !== k;
      button.setAttribute("aria-pressed", i === k);
      button.tabIndex = i === (k ?? cell?.k ?? 0) ? 0 : -1;
    });
    back.hidden = k === null;
    show();
  };
  // Shows one cell's value and window, or no longer.
  const look = (at, keys = false) => {
    const left = cell;
    cell = at;
    if (at) tiles.forEach(({button}, i) => { button.tabIndex = i === at.k ? 0 : -1; });
    reading.setAttribute("aria-live", keys ? "polite" : "off");
    [left, at].forEach((place) => place && draw(place.k));
    read();
  };
  const HOW = "Point at a cell of a map, or go to it by the arrow keys: its value, and what it sees of the picture.";
  const read = () => {
    seen.hidden = !cell;
    reading.textContent = HOW;
    if (!cell) return;
    const {k, x, y} = cell, map = mapOf(answer, k), i = y * Math.sqrt(map.length) + x;
    const [left, right] = windowOf(x), [top, bottom] = windowOf(y);
    cover(seen, left, top, right - left + 1, bottom - top + 1);
    const change = map[i] - mapOf(base, k)[i];
    reading.textContent = `${classes[k]}, row ${y + 1}, column ${x + 1}: ${signed(map[i])}` +
      (answer === base ? "" : ` (${signed(change)} since you picked it)`) +
      `. It sees rows ${top + 1} to ${bottom + 1} and columns ${left + 1} to ${right + 1} of the picture.`;
  };
  const scale = element("span"), time = element("span");
  const live = element("p", {"aria-live": "polite", class: "fig-live-answer"});
  const truth = element("p", {class: "fig-live-true"});
  const reading = element("p", {class: "fig-live-cell"});
  const back = element("button", {type: "button", hidden: true, onclick: () => {
    const k = large;
    enlarge(null);
    tiles[k].button.focus();
  }}, "Show all ten maps");

  let answer, limit = 1;
  const show = () => {
    const context = canvas.getContext("2d"), image = context.createImageData(SIZE, SIZE);
    pixels.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i));
    context.putImageData(image, 0, 0);
    undoing.setAttribute("aria-disabled", !earlier.length);
    if (!answer) return;
    // The colours keep their meaning while the picture changes: full colour is the strongest of the garment.
    limit = Math.max(...base.maps.map(Math.abs), 1e-6);
    const best = answer.probabilities.indexOf(Math.max(...answer.probabilities));
    tiles.forEach(({tile, name, logit, button, change, chance, bar}, k) => {
      draw(k);
      logit.textContent = signed(answer.logits[k]);
      change.textContent = answer === base ? "" : `(${signed(answer.logits[k] - base.logits[k])})`;
      chance.textContent = answer.probabilities[k].toFixed(2);
      bar.style.setProperty("--share", answer.probabilities[k]);
      button.setAttribute("aria-label", `Class map of ${classes[k]}: mean ${signed(answer.logits[k])}, from ` +
        `${signed(Math.min(...mapOf(answer, k)))} to ${signed(Math.max(...mapOf(answer, k)))}`);
      tile.classList.toggle("fig-live-best", k === best);
      name.classList.toggle("fig-live-truth", k === labels[base.picked]);
    });
    scale.textContent = `full colour: ${limit.toFixed(1)} or more`;
    time.textContent = `This answer took ${answer.milliseconds.toFixed(0)} ms.`;
    truth.textContent = `True class of the garment you picked: ${classes[labels[base.picked]]}.`;
    read();
  };
  // A map over the picture: orange for the class; purple, with a minus, against it. A large one has its values.
  const draw = (k) => {
    if (!answer) return;
    const {map: tile} = tiles[k], context = tile.getContext("2d"), width = large === k ? 560 : 280;
    if (tile.width !== width) tile.width = tile.height = width;
    const map = mapOf(answer, k).map((value, i) => difference.checked ? value - mapOf(base, k)[i] : value);
    const cells = Math.sqrt(map.length), step = width / cells;
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, 0, 0, width, width);
    context.font = `${Math.round(step / 4)}px sans-serif`;
    Object.assign(context, {textAlign: "center", textBaseline: "middle", lineWidth: 5});
    map.forEach((value, i) => {
      const x = i % cells * step, y = Math.floor(i / cells) * step;
      const strength = Math.min(1, Math.abs(value) / limit);
      context.fillStyle = `rgb(${value > 0 ? "255 140 0" : "140 90 230"} / ${0.8 * strength})`;
      context.fillRect(x, y, step, step);
      if (large === k) {
        [context.strokeStyle, context.fillStyle] = ["#000", "#fff"];
        context.strokeText(signed(value), x + step / 2, y + step / 2);
        context.fillText(signed(value), x + step / 2, y + step / 2);
      } else if (value < 0 && strength > 0.15) {
        context.fillStyle = "rgb(255 255 255 / 0.85)";
        context.fillRect(x + step / 3, y + step / 2 - 2, step / 3, 4);
      }
    });
    if (cell?.k !== k) return;
    [["#000", 10], ["#fff", 4]].forEach(([colour, wide]) => {
      Object.assign(context, {strokeStyle: colour, lineWidth: wide});
      context.strokeRect(cell.x * step + 5, cell.y * step + 5, step - 10, step - 10);
    });
  };

  // Three things to bring about. `stands` says how near the reader is; `done` is asked after each answer.
  const BAG = classes.indexOf("bag"), SURE = 0.9, FEW = 8;
  const best = ({probabilities}) => probabilities.indexOf(Math.max(...probabilities));
  const misled = () => best(base) === labels[picked] && best(answer) !== labels[picked];
  const changed = () => pixels.filter((grey, i) => grey !== images[picked][i]).length;
  const corner = (grey) => [Math.min(...grey.flatMap((g, i) => g ? [i % SIZE] : [])),
    Math.floor(grey.findIndex((g) => g) / SIZE)];
  // By how many pixels across and down the garment was moved, if nothing else was done to it.
  const moved = () => {
    const grey = [...pixels], garment = [...images[picked]];
    if (!grey.some((g) => g)) return null;
    const [from, to] = [corner(garment), corner(grey)], by = [to[0] - from[0], to[1] - from[1]];
    const whole = shifted(shifted(garment, ...by), -by[0], -by[1]).every((g, i) => g === garment[i]);
    return whole && shifted(garment, ...by).every((g, i) => g === grey[i]) ? by : null;
  };
  const challenges = [
    {name: "Turn it into a bag.", task: "Pick a garment that is no bag, and bring the answer to bag, 0.90 or more.",
      stands: () => labels[picked] === BAG ? "this one is a bag" : `bag ${answer.probabilities[BAG].toFixed(2)}`,
      done: () => labels[picked] !== BAG && answer.probabilities[BAG] >= SURE},
    {name: `${FEW} pixels.`, task: `Change at most ${FEW}, so that a right answer becomes a wrong one.`,
      stands: () => `${changed()} changed`, done: () => changed() <= FEW && misled()},
    {name: "Only by moving.",
      task: "Shift a garment, all of it inside the picture, until a right answer becomes a wrong one.",
      stands: () => moved() ? `moved by ${Math.abs(moved()[0])} across and ${Math.abs(moved()[1])} up or down`
        : "more than moved", done: () => moved() && misled()},
  ].map((challenge) => ({...challenge, state: element("span", {class: "fig-live-state"})}));
  const judge = () => challenges.flatMap((challenge) => {
    const {name, state, stands, done, solved} = challenge;
    const now = !solved && done();
    if (now) challenge.solved = true;
    state.textContent = challenge.solved ? "Solved." : `Now: ${stands()}.`;
    state.classList.toggle("fig-live-solved", Boolean(challenge.solved));
    return now ? [name] : [];
  });

  const say = () => {
    const order = (values) => classes.map((_, k) => k).sort((a, b) => values[b] - values[a]);
    const [first, second] = order(answer.probabilities);
    const word = (k) => `${classes[k]} ${answer.probabilities[k].toFixed(2)}`;
    const moves = answer.logits.map((logit, k) => logit - base.logits[k]), ranks = order(moves);
    const [rise, fall] = [ranks[0], ranks.at(-1)].map((k) => `${classes[k]} ${signed(moves[k])}`);
    const at = `Row ${cursor.y + 1}, column ${cursor.x + 1}, ${erasing ? "erasing" : "drawing"}. `;
    live.textContent = (byKeys && document.activeElement === canvas ? at : "")
      + `Answer: ${word(first)}, ${word(second)}.`
      + (answer === base ? "" : ` Since you picked it: ${fall}, ${rise}.`)
      + judge().map((name) => ` Solved: ${name}`).join("");
  };

  // Computes the newest picture only: what changes meanwhile waits, and replaces what waited.
  let busy = false, wanted;
  const update = async () => {
    wanted = true;
    show(); // the picture at once, the maps when they are known
    if (busy) return;
    busy = true;
    root.setAttribute("aria-busy", "true");
    while (wanted) {
      wanted = false;
      const garment = picked, now = pixels.slice();
      const known = base.picked === garment ? base : {...await classify(images[garment]), picked: garment};
      const found = now.some((grey, i) => grey !== images[garment][i]) ? await classify(now) : known;
      if (garment !== picked) continue;
      [base, answer] = [known, found];
      show();
    }
    say();
    busy = false;
    root.setAttribute("aria-busy", "false");
  };

  // Three rows, each with one garment of every class.
  const order = [0, 1, 2].flatMap((n) => classes.map((_, k) => 3 * k + n));
  const picks = order.map((i) => {
    const radio = element("input", {type: "radio", name: "fig-live-garment", value: i, checked: i === 0,
      onchange: () => set(images[i], i), title: classes[labels[i]],
      "aria-label": `${classes[labels[i]]}, ${i % 3 + 1} of 3`});
    radio.style.backgroundImage = `url(${figures.picture(images[i], SIZE)})`;
    return radio;
  });
  const button = (text, label, onclick) =>
    element("button", {type: "button", "aria-label": label, title: label, onclick}, text);
  const shift = (dx, dy) => () => set(shifted(pixels, dx, dy));
  const undoing = button("Undo", "Undo the last change", undo);
  const list = element("ul", {"aria-label": "Class maps"}, ...tiles.map(({tile}) => tile));
  root.append(
    element("p", {class: "figure-title"}, "Look into the trained network"),
    element("div", {class: "fig-live-top"},
      element("fieldset", {class: "fig-live-picks"},
        element("legend", {}, "Pick a garment: a column for each class"), ...picks),
      element("div", {class: "fig-live-said"}, truth, live)),
    element("div", {class: "fig-live-halves"},
      element("div", {class: "fig-live-drawing"},
        element("div", {class: "fig-live-picture"}, canvas, seen, brush),
        element("div", {class: "fig-live-tools"},
          element("span", {}, ...modes), element("label", {}, "Brush ", size),
          element("span", {},
            button("←", "Shift left", shift(-1, 0)), button("↑", "Shift up", shift(0, -1)),
            button("↓", "Shift down", shift(0, 1)), button("→", "Shift right", shift(1, 0))),
          element("span", {}, undoing,
            button("Restore", "Restore the garment", () => set(images[picked])),
            button("Clear", "Clear the picture", () => set(pixels.map(() => 0)))))),
      element("div", {class: "fig-live-maps"}, list, reading,
        element("div", {class: "fig-live-under"},
          element("label", {}, difference, " Show the change since you picked it"), back),
        element("p", {class: "fig-live-small"}, element("span", {class: "fig-live-for"}), " for the class, ",
          element("span", {class: "fig-live-against"}, "−"), " against it; ", scale,
          ". Below each map: its mean, which is the logit; its change, in brackets; the probability. The class of the " +
          "garment that you picked has a dotted line."))),
    element("p", {class: "fig-live-head"}, "Three challenges"),
    element("ol", {class: "fig-live-challenges"}, ...challenges.map(({name, task, state}) =>
      element("li", {}, element("strong", {}, name), ` ${task} `, state))),
    element("p", {class: "fig-live-small", id: "fig-live-keys"}, "Keys on the picture: arrows move the " +
      "brush, Space applies it, Shift with an arrow applies it on the way, E changes between erasing and " +
      "drawing, Ctrl+Z takes back. Keys on a map: arrows go from cell to cell and from map to map, Enter makes it " +
      "large and small again. A click makes it large, too. ", time));
  choose(true);
  place(14, 14);
  read();
  await update();
});
