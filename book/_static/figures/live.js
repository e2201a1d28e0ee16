// The trained network, live: pick, draw, erase or shift a garment; its class maps and the answer follow.
"use strict";

figures.define("live", async (root) => {
  await Promise.all(["garments.js", "live-weights.js", "live-worker.js"].map((file) => figures.load(file)));
  const {element} = figures;
  const {classes, labels, images} = figures.garments;
  const SIZE = 28, INK = 210; // pixels in a row; the grey that the brush draws with

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
  root.classify = classify; // for the tests

  // What the reader changes.
  let original = images[0], pixels = original.slice(), base = {};
  let erasing = true, cursor = {x: 14, y: 14}, byKeys = false;

  // The picture: a canvas to draw on, and the brush as a frame over it.
  const canvas = element("canvas", {
    width: SIZE, height: SIZE, class: "pixels", tabindex: 0, role: "application",
    "aria-label": "The picture, 28 by 28 pixels", "aria-describedby": "fig-live-keys"});
  const frame = element("span", {class: "fig-live-brush", "aria-hidden": "true"});
  const size = element("select", {onchange: () => place(cursor.x, cursor.y)},
    ...[1, 3, 5].map((n) => element("option", {value: n, selected: n === 5}, `${n}×${n}`)));
  const modes = [["Erase", true], ["Draw", false]].map(([name, value]) =>
    element("button", {type: "button", onclick: () => choose(value)}, name));

  const choose = (value) => {
    erasing = value;
    modes.forEach((button, i) => button.setAttribute("aria-pressed", erasing === (i === 0)));
  };
  const place = (x, y) => {
    const inside = (value) => Math.min(SIZE - 1, Math.max(0, value));
    cursor = {x: inside(x), y: inside(y)};
    const n = Number(size.value), percent = (value) => `${100 * value / SIZE}%`;
    Object.assign(frame.style, {width: percent(n), height: percent(n), left: percent(cursor.x - (n - 1) / 2),
      top: percent(cursor.y - (n - 1) / 2)});
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

  const pointed = (event) => {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientX - box.left) / box.width * SIZE),
      Math.floor((event.clientY - box.top) / box.height * SIZE)];
  };
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    byKeys = false;
    place(...pointed(event));
    stroke(cursor.x, cursor.y);
  };
  canvas.onpointermove = (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) stroke(...pointed(event));
    else place(...pointed(event));
  };
  canvas.onkeydown = (event) => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey;
    if (!plain || !(step || event.key === " " || event.key === "Enter" || /^e$/i.test(event.key))) return;
    event.preventDefault();
    byKeys = true;
    if (step) place(cursor.x + step[0], cursor.y + step[1]);
    if (/^e$/i.test(event.key)) choose(!erasing);
    if (step && !event.shiftKey || /^e$/i.test(event.key)) say();
    else stroke(cursor.x, cursor.y);
  };

  const shift = (dx, dy) => {
    const before = pixels.slice();
    pixels.forEach((_, i) => {
      const x = i % SIZE - dx, y = Math.floor(i / SIZE) - dy;
      pixels[i] = x >= 0 && x < SIZE && y >= 0 && y < SIZE ? before[SIZE * y + x] : 0;
    });
    update();
  };
  const pick = (i) => {
    original = images[i];
    pixels = original.slice();
    update();
  };

  // The ten class maps.
  const difference = element("input", {type: "checkbox", onchange: () => show()});
  const tiles = classes.map((name) => {
    const map = element("canvas", {width: 140, height: 140, role: "img"});
    const parts = {map, logit: element("span", {class: "fig-live-logit"}), chance: element("span"),
      change: element("span", {class: "fig-live-change"}),
      bar: element("span", {class: "fig-live-bar", "aria-hidden": "true"})};
    parts.tile = element("li", {}, element("strong", {}, name), map, parts.logit, parts.change,
      element("span", {class: "fig-live-row"}, parts.bar, parts.chance));
    return parts;
  });
  const scale = element("span"), time = element("span");
  const live = element("p", {"aria-live": "polite", class: "fig-live-answer"});

  let answer;
  const show = () => {
    const context = canvas.getContext("2d"), image = context.createImageData(SIZE, SIZE);
    pixels.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i));
    context.putImageData(image, 0, 0);
    if (!answer) return;
    const values = answer.maps.map((value, i) => difference.checked ? value - base.maps[i] : value);
    // The colours keep their meaning while the picture changes: full colour is the strongest of the garment.
    const limit = Math.max(...base.maps.map(Math.abs), 1e-6);
    const best = answer.probabilities.indexOf(Math.max(...answer.probabilities));
    tiles.forEach(({tile, map, logit, change, chance, bar}, k) => {
      paint(map.getContext("2d"), mapOf({maps: values}, k), limit);
      const moved = answer.logits[k] - base.logits[k];
      logit.textContent = signed(answer.logits[k]);
      change.textContent = answer === base ? "" : `(${signed(moved)})`;
      chance.textContent = answer.probabilities[k].toFixed(2);
      bar.style.setProperty("--share", answer.probabilities[k]);
      map.setAttribute("aria-label", `Class map: mean ${signed(answer.logits[k])}, from ` +
        `${signed(Math.min(...mapOf(answer, k)))} to ${signed(Math.max(...mapOf(answer, k)))}`);
      tile.classList.toggle("fig-live-best", k === best);
    });
    scale.textContent = `full colour: ${limit.toFixed(1)} or more`;
    time.textContent = `This answer took ${answer.milliseconds.toFixed(0)} ms.`;
  };
  // A map over the picture: orange for the class; purple, with a minus, against it.
  const paint = (context, map, limit) => {
    const cells = Math.sqrt(map.length), {width} = context.canvas, step = width / cells;
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, 0, 0, width, width);
    map.forEach((value, i) => {
      const x = i % cells * step, y = Math.floor(i / cells) * step;
      const strength = Math.min(1, Math.abs(value) / limit);
      context.fillStyle = `rgb(${value > 0 ? "255 140 0" : "140 90 230"} / ${0.8 * strength})`;
      context.fillRect(x, y, step, step);
      context.fillStyle = `rgb(255 255 255 / ${strength > 0.15 ? 0.85 : 0})`;
      if (value < 0) context.fillRect(x + step / 3, y + step / 2 - 1, step / 3, 2);
    });
  };
  const say = () => {
    const order = (values) => classes.map((_, k) => k).sort((a, b) => values[b] - values[a]);
    const [first, second] = order(answer.probabilities);
    const word = (k) => `${classes[k]} ${answer.probabilities[k].toFixed(2)}`;
    const moves = answer.logits.map((logit, k) => logit - base.logits[k]), ranks = order(moves);
    const [rise, fall] = [ranks[0], ranks.at(-1)].map((k) => `${classes[k]} ${signed(moves[k])}`);
    const brush = `Row ${cursor.y + 1}, column ${cursor.x + 1}, ${erasing ? "erasing" : "drawing"}. `;
    live.textContent = (byKeys && document.activeElement === canvas ? brush : "")
      + `Answer: ${word(first)}, ${word(second)}.`
      + (answer === base ? "" : ` Since you picked it: ${fall}, ${rise}.`);
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
      const picked = original, now = pixels.slice();
      const known = base.picked === picked ? base : {...await classify(picked), picked};
      const found = now.some((grey, i) => grey !== picked[i]) ? await classify(now) : known;
      if (picked !== original) continue;
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
    const radio = element("input", {type: "radio", name: "fig-live-garment", checked: i === 0,
      onchange: () => pick(i), title: classes[labels[i]],
      "aria-label": `${classes[labels[i]]}, ${i % 3 + 1} of 3`});
    radio.style.backgroundImage = `url(${figures.picture(images[i], SIZE)})`;
    return radio;
  });
  const button = (text, label, onclick) =>
    element("button", {type: "button", "aria-label": label, title: label, onclick}, text);
  root.append(
    element("p", {class: "figure-title"}, "Look into the trained network"),
    element("fieldset", {class: "fig-live-picks"},
      element("legend", {}, "Pick a garment (a column for each class, in the order of the maps)"), ...picks),
    live,
    element("div", {class: "fig-live-halves"},
      element("div", {class: "fig-live-drawing"},
        element("div", {class: "fig-live-picture"}, canvas, frame),
        element("div", {class: "fig-live-tools"},
          element("span", {}, ...modes), element("label", {}, "Brush ", size),
          element("span", {},
            button("←", "Shift left", () => shift(-1, 0)), button("↑", "Shift up", () => shift(0, -1)),
            button("↓", "Shift down", () => shift(0, 1)), button("→", "Shift right", () => shift(1, 0))),
          element("span", {},
            button("Restore", "Restore the garment", () => { pixels = original.slice(); update(); }),
            button("Clear", "Clear the picture", () => { pixels.fill(0); update(); })))),
      element("div", {class: "fig-live-maps"},
        element("ul", {"aria-label": "Class maps"}, ...tiles.map(({tile}) => tile)),
        element("label", {}, difference, " Show the change since you picked it"),
        element("p", {class: "fig-live-small"}, element("span", {class: "fig-live-for"}), " for the class, ",
          element("span", {class: "fig-live-against"}, "−"), " against it; ", scale,
          ". Below each map: its mean, which is the logit; its change, in brackets; the probability."))),
    element("p", {class: "fig-live-small", id: "fig-live-keys"}, "Keys on the picture: arrows move the " +
      "brush, Space applies it, Shift with an arrow applies it on the way, E changes between erasing and " +
      "drawing. ", time));
  choose(true);
  place(14, 14);
  await update();
});
