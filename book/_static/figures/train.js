// Train one yourself: two networks learn side by side in the page, each in its Worker. See train-lane.js for a lane,
// train-arithmetic.js for what it computes, train-duels.js for the ready-made duels, train-draw.js for the pictures.
"use strict";

figures.define("train", async (root) => {
  await Promise.all(["garments.js", "train-sample.js", "train-runs.js", "train-kernel.js", "train-arithmetic.js",
    "train-lane.js", "train-duels.js", "train-draw.js"].map((file) => figures.load(file)));
  const {element} = figures, {classes} = figures.garments, duels = figures.trainingDuels;
  const BATCH = 32; // images to a step
  const CHUNK = 10, EXAMINED = 100, MEANS = 20; // steps at a time; between two looks at held-out images; to a mean
  const LAST = 20_000; // steps, after which a lane has learnt what it will
  const MUTE = 0.1, FEW = 10; // a standard deviation of a logit; held-out images, of 1,000, with one answer
  const FLAT = Math.log(classes.length), LEFT = FLAT - 0.05; // the loss of equal logits; below this, it has left
  const NAMES = ["A", "B"], COLOURS = ["var(--mark)", "var(--mark-2)"];
  const sample = await decode(figures.trainingSample);
  const kernel = kernelOf();

  // What a lane is, and what the reader chooses for it.
  const base = {init: "kaiming", linear: false, ones: 2, head: "block", norm: false, lr: 0.1, momentum: 0,
    channels: [8, 16, 24]};
  const choices = [
    ["init", "Initialisation", [["xavier", "Xavier, torch's biases"], ["kaiming", "Kaiming, zero biases"]]],
    ["linear", "Logits", [[false, "after a ReLU"], [true, "linear"]]],
    ["ones", "1×1s in each block", [[0, "none"], [1, "one"], [2, "two"], [3, "three"]]],
    ["head", "To the class maps", [["block", "by a block"], ["3x3", "in one step"]]],
    ["lr", "Learning rate", [[0.2, "0.2"], [0.1, "0.1"], [0.05, "0.05"], [0.02, "0.02"]]],
    ["momentum", "Momentum", [[0, "none"], [0.9, "0.9"]]],
    ["norm", "Batch norm", [[false, "no"], [true, "yes"]]]];
  const lanes = NAMES.map((name, i) => ({name, colour: COLOURS[i], recipe: {...base}, busy: false}));
  let playing = false, seed = 0, garment = sample.trained, target = LAST, turn = 0;
  let duel = null, said = false; // the duel chosen; whether its answer was given since the start

  // The PNG sheets to pixels: a canvas gives those of a data: address back, also on a page from disk.
  async function decode({train, test}) {
    const labels = [...train.labels, ...test.labels], pixels = new Uint8Array(784 * labels.length);
    let place = 0;
    for (const address of [...train.sheets, ...test.sheets]) {
      const image = new Image();
      image.src = address;
      await image.decode();
      const canvas = element("canvas", {width: image.width, height: image.height});
      const context = canvas.getContext("2d", {willReadFrequently: true});
      context.drawImage(image, 0, 0);
      const {data} = context.getImageData(0, 0, image.width, image.height), across = image.width / 28;
      for (let k = 0; k < across * image.height / 28; k++) {
        for (let i = 0; i < 784; i++) {
          const x = k % across * 28 + i % 28, y = Math.floor(k / across) * 28 + Math.floor(i / 28);
          pixels[place++] = data[4 * (y * image.width + x)];
        }
      }
    }
    return {pixels, labels, trained: train.labels.length};
  }

  // The kernel's bytes, or nothing where this browser has none of the instructions that it uses.
  function kernelOf() {
    const [bytes] = figures.bytes(figures.trainingKernel, atob(figures.trainingKernel).length);
    return root.dataset.plain === undefined && globalThis.WebAssembly?.validate(bytes) ? bytes : null;
  }

  // The course of a lane.
  for (const lane of lanes) {
    lane.worker = figures.trainingWorker(sample, kernel);
    lane.worker.onmessage = ({data}) => data.turn === turn && receive(lane, data);
    lane.worker.onerror = ({message}) => console.error(`lane ${lane.name}: ${message}`);
  }
  const count = (value) => value.toLocaleString("en");
  const idle = () => lanes.every(({busy}) => !busy);
  const send = (steps, examined) => lanes.forEach((lane) => {
    lane.busy = true;
    lane.worker.postMessage({turn, steps, garment, examined});
  });
  const receive = (lane, {step, losses, seconds, maps, garment: shown, examined}) => {
    lane.busy = false;
    lane.step = step;
    lane.maps = maps;
    lane.garment = shown;
    for (const loss of losses) {
      lane.sum += loss;
      if (++lane.count < MEANS) continue;
      lane.means.push(lane.sum / MEANS);
      lane.sum = lane.count = 0;
    }
    if (losses.length) lane.loss = losses.at(-1);
    if (examined) {
      lane.examined = examined;
      if (lane.accuracies.at(-1)?.step !== examined.step) lane.accuracies.push(examined);
    }
    if (losses.length === CHUNK) lane.speed = (lane.speed ?? seconds) * 0.9 + seconds * 0.1;
    if (!idle()) return;
    if (step >= target) arrive();
    if (playing) advance();
    else if (lanes.some((each) => each.garment !== garment)) send(0, false); // picked meanwhile
    redraw();
  };
  // Both lanes take the next steps; neither runs ahead of the other.
  const advance = () => {
    const from = lanes[0].step, steps = Math.min(CHUNK, target - from);
    send(steps, from % EXAMINED + steps >= EXAMINED || from + steps >= target);
  };
  const arrive = () => {
    playing = false;
    if (duel && !said) {
      said = true;
      target = LAST;
      tellDuel();
    }
  };
  const play = (wanted) => {
    playing = wanted && lanes[0].step < target;
    if (playing && idle()) advance();
    redraw(true);
  };
  const one = () => {
    playing = false;
    if (idle() && lanes[0].step < LAST) send(1, true);
    redraw(true);
  };
  // Both lanes at step 0; what is still under way is not waited for.
  const restart = () => {
    turn++;
    playing = said = false;
    target = duel ? duel.steps : LAST;
    for (const lane of lanes) {
      Object.assign(lane, {step: 0, means: [], accuracies: [], sum: 0, count: 0, loss: null, examined: null,
        speed: null});
      lane.worker.postMessage({recipe: lane.recipe, seed});
    }
    seedField.value = seed;
    answer.replaceChildren();
    const asked = question.querySelector("fieldset");
    if (asked) asked.hidden = false;
    spoken.textContent = "";
    send(0, true);
    redraw(true);
  };
  document.addEventListener("visibilitychange", () => document.hidden && play(false));
  // Let a test, or a curious reader, see what goes on.
  root.lanes = lanes;

  // The controls.
  const button = (text, onclick, rest = {}) => element("button", {type: "button", onclick, ...rest}, text);
  const playButton = button("Play", () => play(!playing), {class: "fig-train-play"});
  const seedField = element("input", {type: "number", min: 0, max: 9999, step: 1, "aria-label": "Seed",
    onchange: () => {
      seed = Math.min(9999, Math.max(0, Math.round(Number(seedField.value)) || 0));
      restart();
    }});
  const another = () => {
    seed = (seed + 1) % 10_000;
    restart();
  };
  const spoken = element("p", {"aria-live": "polite", class: "fig-train-spoken"});
  const answer = element("div", {class: "fig-train-answer", tabindex: -1});
  const question = element("div", {class: "fig-train-question"});
  const duelButtons = duels.map((one) => button(one.name, () => chooseDuel(one)));
  const ownButton = button("Your own", () => chooseDuel(null));

  const selects = lanes.map((lane) => choices.map(([key, name, options]) => {
    const select = element("select", {"aria-label": `${name}, lane ${lane.name}`, onchange: () => {
      lane.recipe[key] = options[select.selectedIndex][0];
      showRecipes();
      if (duel) chooseDuel(null, false); // its question is about the lanes as they were
      restart();
    }}, ...options.map(([, text]) => element("option", {}, text)));
    return select;
  }));
  const textOf = (lane, key, options) => options.find(([value]) => value === lane.recipe[key])[1];
  const differs = ([key]) => lanes[0].recipe[key] !== lanes[1].recipe[key];
  const choiceBoxes = choices.map(([, name], j) => element("div", {role: "group", "aria-label": name},
    element("strong", {}, name), ...lanes.map((lane, i) => element("label", {}, `${lane.name} `, selects[i][j]))));
  // The selects, and in words beside each lane's name what only it has.
  const showRecipes = () => {
    choices.forEach((choice, j) => {
      choiceBoxes[j].classList.toggle("fig-train-differs", differs(choice));
      lanes.forEach((lane, i) => {
        selects[i][j].selectedIndex = choice[2].findIndex(([value]) => value === lane.recipe[choice[0]]);
      });
    });
    for (const lane of lanes) {
      const own = choices.filter(differs).map(([key, name, options]) => `${name}: ${textOf(lane, key, options)}`);
      lane.own.textContent = own.join("; ") || "the same choices in both lanes";
    }
  };

  const chooseDuel = (chosen, again = true) => {
    duel = chosen;
    [ownButton, ...duelButtons].forEach((each, i) =>
      each.setAttribute("aria-pressed", duel ? duels[i - 1] === duel : i === 0));
    question.replaceChildren();
    if (duel) {
      lanes.forEach((lane, i) => { lane.recipe = {...base, ...duel.lanes[i]}; });
      seed = duel.seed;
      showRecipes();
      question.append(
        element("p", {}, duel.setting),
        element("fieldset", {}, element("legend", {}, element("strong", {}, "Predict. "), duel.question),
          ...duel.options.map(({text}, i) => element("label", {},
            element("input", {type: "radio", name: "fig-train-option", value: i}), ` ${text}`)),
          element("p", {class: "fig-train-small"}, `Then press Play: both lanes run to step ${count(duel.steps)}.`)));
    } else {
      question.append(element("p", {}, "Choose for each lane, below the class maps; then press Play. The lanes have " +
        "one seed, so what you set alike is alike."));
    }
    if (again) restart();
  };

  // The duel's answer, in the place of its options: what came out in this run, by the lanes' own numbers, each option
  // argued, and how often it came out in torch.
  const tellDuel = () => {
    const chosen = question.querySelector("input:checked")?.value, outcome = duel.outcome(lanes.map(resultOf));
    const counts = figures.trainingCounts(duel, base), held = question.contains(document.activeElement);
    const option = ({text, argued}, i) => element("details", {open: i === outcome || `${i}` === chosen},
      element("summary", {}, text, i === outcome ? element("strong", {}, " – this run") : "",
        `${i}` === chosen ? " (your prediction)" : "",
        element("span", {class: "fig-train-count"}, ` ${counts.of[i]} of ${counts.runs}`)),
      element("p", {}, argued));
    const [inA, inB] = lanes.map((lane) => duel.says(resultOf(lane)));
    answer.replaceChildren(
      element("p", {}, element("strong", {}, duel.question)),
      element("p", {}, `Seed ${seed}: lane A ${inA}; lane B ${inB}.`),
      element("p", {class: "fig-train-counts"}, `${counts.runs} seeds in torch`),
      element("div", {class: "options"}, ...duel.options.map(option)),
      element("p", {class: "fig-train-small"}, "One seed is one run. The counts are of the same duel in torch, with " +
        `other seeds, to step ${count(duel.inTorch)}. Another seed and Play make one more run; Play alone goes on.`));
    question.querySelector("fieldset").hidden = true;
    if (held) answer.focus();
    spoken.textContent = `Step ${count(lanes[0].step)} is reached; the answer stands where the question was.`;
  };
  const unanswered = ({answered}) => classes.filter((_, k) => answered[k] < FEW);
  const dead = ({highest}, {recipe}) => classes.filter((_, k) => !recipe.linear && highest[k] <= 0);
  const mute = ({spread, highest}, {recipe}) => classes.filter((_, k) =>
    (recipe.linear || highest[k] > 0) && spread[k] < MUTE);
  const leftAt = ({means}) => {
    const place = means.findIndex((mean) => mean < LEFT);
    return place < 0 ? null : MEANS * (place + 1);
  };
  const resultOf = (lane) => ({left: leftAt(lane), accuracy: lane.examined.accuracy, loss: lane.means.at(-1),
    lost: unanswered(lane.examined).length});
  const some = (names) => names.length ? names.join(", ") : "none";
  const diverged = ({loss}) => loss !== null && !Number.isFinite(loss);
  const percent = (value) => `${(100 * value).toFixed(1)}%`;
  // What a lane has come to, in a sentence.
  const start = (lane) => {
    const left = leftAt(lane), loss = lane.means.at(-1);
    if (diverged(lane)) return "has diverged: its loss is no number";
    return (left === null ? "has not left ln 10" : `left ln 10 by step ${count(left)}`)
      + (loss === undefined ? "" : `, loss ${loss.toFixed(2)}`);
  };
  const sentence = (lane) => `Lane ${lane.name} ${start(lane)}` + (diverged(lane) ? "." : `, ${
    percent(lane.examined.accuracy)} of the held-out images right; never answered: ${some(unanswered(lane.examined))}; `
    + `dead maps: ${some(dead(lane.examined, lane))}.`);

  // What one sees of each lane.
  for (const [i, lane] of lanes.entries()) {
    lane.tiles = classes.map((name) => {
      const map = element("canvas", {width: 168, height: 168, role: "img"});
      const label = element("strong", {}, name), state = element("span");
      return {map, label, state, tile: element("li", {}, label, map, state)};
    });
    lane.own = element("span");
    lane.told = Object.fromEntries(["step", "loss", "accuracy", "dead", "mute", "lost", "speed"].map((name) =>
      [name, element("dd")]));
    const row = (name, key) => element("div", {}, element("dt", {}, name), lane.told[key]);
    lane.section = element("section", {"aria-label": `Lane ${lane.name}`},
      element("p", {class: "fig-train-name"}, swatch(i), element("strong", {}, ` Lane ${lane.name} `), lane.own),
      element("dl", {}, row("step", "step"), row("loss", "loss"), row("held-out right", "accuracy"),
        row("dead maps", "dead"), row("mute maps", "mute"), row("never answered", "lost"), row("images/s", "speed")),
      element("ul", {"aria-label": `Class maps, lane ${lane.name}`, style: `--lane: ${COLOURS[i]}`},
        ...lane.tiles.map(({tile}) => tile)));
  }
  function swatch(i) {
    return element("svg", {width: 26, height: 10, "aria-hidden": "true"}, element("line", {x1: 0, x2: 26, y1: 5, y2: 5,
      stroke: COLOURS[i], "stroke-width": 3, "stroke-dasharray": i ? "6 3" : false}));
  }

  const pictureOf = (index) => figures.picture(sample.pixels.subarray(784 * index, 784 * (index + 1)), 28);
  const picture = new Image();
  const picks = classes.map((name, k) => {
    const index = sample.labels.indexOf(k, sample.trained); // the first held-out image of each class
    const radio = element("input", {type: "radio", name: "fig-train-garment", checked: k === 2, title: name,
      "aria-label": name, onchange: () => pick(index, radio)});
    radio.address = pictureOf(index);
    radio.style.backgroundImage = `url(${radio.address})`;
    if (k === 2) garment = index, picture.src = radio.address;
    return radio;
  });
  await picture.decode();
  const pick = async (index, {address}) => {
    garment = index;
    picture.src = address;
    await picture.decode();
    if (idle()) send(0, false);
  };

  const lossPlot = element("div"), accuracyPlot = element("div");
  const plot = (where, rest) => where.replaceChildren(figures.trainingPlot({width: Math.max(240, where.clientWidth),
    most: Math.max(100, ...lanes.map(({step}) => step), target < LAST ? target : 0), names: NAMES, colours: COLOURS,
    ...rest}));
  // The class that a lane answers for the garment, by the means of its maps; none where all are equal.
  const answerOf = (maps) => {
    const cells = maps.length / classes.length;
    const sums = classes.map((_, k) => maps.subarray(k * cells, (k + 1) * cells).reduce((a, b) => a + b, 0));
    const best = Math.max(...sums);
    return sums.every((sum) => sum === best) ? -1 : sums.indexOf(best);
  };

  // Draws what is known; while training about seven times a second, or once where the reader wants little movement.
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let drawn = 0, planned = null;
  const redraw = (now = false) => {
    if (now || !playing || performance.now() - drawn >= (calm.matches ? 1000 : 150)) draw();
    else planned ??= setTimeout(draw, calm.matches ? 1000 : 150);
  };
  const scale = element("span");
  const draw = () => {
    clearTimeout(planned);
    planned = null;
    drawn = performance.now();
    root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
    playButton.textContent = playing ? "Pause" : "Play";
    playButton.disabled = !playing && lanes[0].step >= LAST;
    root.dataset.playing = playing;
    root.dataset.step = Math.min(...lanes.map(({step}) => step));
    const limit = Math.max(1, ...lanes.flatMap(({maps}) => [...maps ?? []].map(Math.abs)).filter(Number.isFinite));
    scale.textContent = `full colour: ${limit.toFixed(1)} or more`;
    plot(lossPlot, {title: "loss, means of 20 steps (ring: left ln 10)", height: 215, high: 3,
      ticks: [0, 1, 2, 3], flat: [FLAT, "ln 10"],
      lines: lanes.map(({means}) => means.map((mean, k) => [MEANS * (k + 1), mean])),
      rings: lanes.map((lane) => {
        const left = leftAt(lane);
        return left && [left, lane.means[left / MEANS - 1]];
      })});
    plot(accuracyPlot, {title: "held-out images right, %", height: 155, high: 100, ticks: [0, 25, 50, 75, 100],
      lines: lanes.map(({accuracies}) => accuracies.map(({step, accuracy}) => [step, 100 * accuracy]))});
    for (const lane of lanes) {
      const {told, examined} = lane;
      told.step.textContent = count(lane.step);
      told.loss.textContent = diverged(lane) ? "no number" : lane.loss?.toFixed(3) ?? "–";
      told.speed.textContent = lane.speed ? count(Math.round(CHUNK * BATCH / lane.speed)) : "–";
      if (examined) {
        const [died, muted, lost] = [dead(examined, lane), mute(examined, lane), unanswered(examined)];
        told.accuracy.textContent = percent(examined.accuracy);
        told.dead.textContent = lane.recipe.linear ? "none can die" : `${died.length} of 10`;
        told.mute.textContent = `${muted.length} of 10`;
        told.lost.textContent = `${lost.length} of 10`;
        lane.tiles.forEach(({tile, state}, k) => {
          const isDead = died.includes(classes[k]);
          tile.classList.toggle("fig-train-dead", isDead);
          state.textContent = [isDead && "dead", muted.includes(classes[k]) && "mute",
            lost.includes(classes[k]) && "lost"].filter(Boolean).join(", ");
        });
      }
      if (!lane.maps) continue;
      const cells = lane.maps.length / classes.length, said = answerOf(lane.maps);
      lane.tiles.forEach(({tile, map, label}, k) => {
        const own = lane.maps.subarray(k * cells, (k + 1) * cells);
        figures.trainingMap(map, picture, own, limit);
        map.setAttribute("aria-label", `from ${Math.min(...own).toFixed(1)} to ${Math.max(...own).toFixed(1)}`
          + (k === said ? ", the lane's answer" : ""));
        tile.classList.toggle("fig-train-best", k === said);
        label.classList.toggle("fig-train-truth", k === sample.labels[lane.garment]);
      });
    }
  };

  root.append(
    element("div", {class: "fig-train-row", role: "group", "aria-label": "Duels"},
      element("p", {class: "figure-title"}, "Train one yourself"), ...duelButtons, ownButton),
    element("div", {class: "fig-train-top"},
      element("div", {class: "fig-train-ask"}, question, answer,
        element("div", {class: "fig-train-row"}, playButton, button("One step", one), button("Start again", restart),
          button("Another seed", another), element("label", {}, "Seed ", seedField),
          button("Say the numbers", () => {
            const known = lanes.every(({examined}) => examined);
            spoken.textContent = known ? `Step ${count(lanes[0].step)}. ${lanes.map(sentence).join(" ")}`
              : "Not known yet.";
          })),
        spoken),
      element("div", {class: "fig-train-plots"}, lossPlot, accuracyPlot)),
    element("fieldset", {class: "fig-train-picks"}, element("legend", {}, "The garment under the maps"), ...picks),
    ...lanes.map(({section}) => section),
    element("p", {class: "fig-train-small"}, element("span", {class: "fig-train-for"}), " for the class, ",
      element("span", {class: "fig-train-against"}, "−"), " against it; ", scale, " in either lane, and paler with " +
      "the root of the value. Framed: the lane's answer for this garment; underlined: its true class. Dead: 0 on " +
      "every held-out image. Mute: not dead, but the standard deviation of its mean over the held-out images is " +
      `below ${MUTE}. Lost, or never answered: the answer on fewer than ${FEW} of the 1,000 held-out images. These ` +
      `words and the accuracy are measured every ${EXAMINED} steps.`,
      element("span", {class: "fig-train-kind"}, kernel ? " The inner loops run as WebAssembly."
        : " The inner loops run as JavaScript: this browser lacks the faster ones.")),
    element("p", {class: "fig-train-head"}, "The choices of the lanes. A change begins both anew."),
    element("div", {class: "fig-train-choices"}, ...choiceBoxes));
  new ResizeObserver(() => draw()).observe(lossPlot);
  chooseDuel(duels[0]);
});
