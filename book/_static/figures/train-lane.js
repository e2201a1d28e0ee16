// One lane of the page that trains: a network that learns, step by step, as it is told. Runs in a Worker.
"use strict";

// The Worker of a lane; sample: {pixels (uint8, 784 an image), labels, trained (how many come first)}.
figures.trainingWorker = (sample, kernel) => {
  const text = `"use strict"; (${figures.trainingLane})(${figures.trainingArithmetic});`;
  // A page from disk may start a Worker only from text.
  const address = URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  worker.postMessage({sample, kernel});
  return worker;
};

figures.trainingLane = (arithmetic) => {
  const PIXELS = 784;
  let page, sample, net, recipe, order, step;

  const show = (indices) => indices.forEach((index, place) => {
    const input = net.layers[0].output, start = index * PIXELS;
    for (let i = 0; i < PIXELS; i++) input[place * PIXELS + i] = sample.pixels[start + i] / 255;
  });
  const range = (from, to) => Array.from({length: to - from}, (_, i) => from + i);

  // One step on the next 32 images; a new order, from the seed alone, when all have been seen.
  const train = () => {
    const perEpoch = Math.floor(sample.trained / page.BATCH), place = step % perEpoch;
    if (place === 0) order = recipe.random.order(sample.trained);
    const batch = [...order.subarray(place * page.BATCH, (place + 1) * page.BATCH)];
    show(batch);
    const loss = page.backward(net, batch.map((index) => sample.labels[index]));
    page.update(net, recipe.lr, recipe.momentum);
    step++;
    return loss;
  };

  // On all held-out images: the accuracy, how often each class is answered, each map's largest value, and the mean and
  // standard deviation of each logit.
  const examine = () => {
    const {CLASSES, BATCH} = page, {maps} = net, total = sample.labels.length - sample.trained;
    const answered = new Array(CLASSES).fill(0), highest = new Array(CLASSES).fill(-Infinity);
    const sums = new Array(CLASSES).fill(0), squares = new Array(CLASSES).fill(0);
    let right = 0;
    for (let from = sample.trained; from < sample.labels.length; from += BATCH) {
      const batch = range(from, Math.min(from + BATCH, sample.labels.length));
      show(batch);
      const logits = page.forward(net, batch.length);
      for (let i = 0; i < batch.length * maps.size ** 2; i++) {
        for (let k = 0; k < CLASSES; k++) highest[k] = Math.max(highest[k], maps.output[i * maps.wide + k]);
      }
      batch.forEach((index, place) => {
        const own = logits.subarray(place * CLASSES, (place + 1) * CLASSES), answer = own.indexOf(Math.max(...own));
        answered[answer === -1 ? 0 : answer]++;
        right += answer === sample.labels[index];
        own.forEach((logit, k) => { sums[k] += logit / total, squares[k] += logit * logit / total; });
      });
    }
    const spread = squares.map((square, k) => Math.sqrt(Math.max(0, square - sums[k] ** 2)));
    return {step, accuracy: right / total, answered, highest, spread};
  };

  // The class maps of one image, map by map, row by row.
  const mapsOf = (garment) => {
    const {maps} = net, cells = maps.size ** 2;
    show([garment]);
    page.forward(net, 1);
    return Float32Array.from({length: page.CLASSES * cells}, (_, i) =>
      maps.output[i % cells * maps.wide + Math.floor(i / cells)]);
  };

  // {sample, kernel} first; {recipe, seed} begins anew; {steps, garment, examined} trains so many steps and answers
  // with their losses, the maps of a garment and, where asked for, what `examine` finds.
  self.onmessage = ({data}) => {
    if (data.sample) {
      sample = data.sample;
      page = arithmetic(data.kernel);
    } else if (data.recipe) {
      recipe = {...data.recipe, random: page.random(data.seed + 1_000_003)};
      net = page.build(recipe, data.seed);
      step = 0;
    } else {
      const start = performance.now(), losses = [];
      for (let i = 0; i < data.steps; i++) losses.push(train());
      const seconds = (performance.now() - start) / 1000;
      self.postMessage({turn: data.turn, step, losses, seconds, maps: mapsOf(data.garment), garment: data.garment,
        examined: data.examined ? examine() : null});
    }
  };
};
