// The network's arithmetic. live.js runs networkWorker in a Worker made of its source, so it uses no other function.
"use strict";

// What the Worker is told first: weights are float32, or whole numbers of 8 bits where there are steps.
figures.networkMessage = ({layers, weights, steps}) => steps
  ? {layers, weights: new Int8Array(weights.buffer), steps: new Float32Array(steps.buffer)}
  : {layers, weights: new Float32Array(weights.buffer)};

figures.networkWorker = () => {
  let layers = [];

  // The weights of one layer: blocks of four outputs, in which the four weights of an input lie side by side.
  // Outputs are filled up with zeros to a multiple of four, and so are the inputs after the first layer.
  const pack = (shape, values, start, index) => {
    const {outputs, inputs, window} = shape;
    const channels = index ? Math.ceil(inputs / 4) * 4 : inputs;
    const filled = Math.ceil(outputs / 4) * 4;
    const weights = new Float64Array(filled * window * window * channels);
    const bias = new Float64Array(filled);
    let from = start;
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        for (let place = 0; place < window * window; place++) {
          const block = (o >> 2) * window * window * channels;
          weights[4 * (block + place * channels + i) + (o & 3)] = values[from++];
        }
      }
    }
    for (let o = 0; o < outputs; o++) bias[o] = values[from++];
    return {...shape, channels, filled, weights, bias, end: from};
  };

  // Values of size×size pixels, channel after channel at each, inside a border of zeros.
  const plane = (size, channels, border) => {
    const width = size + 2 * border;
    return {data: new Float64Array(width * width * channels), width, channels, border};
  };

  // One convolution of stride 1. Each step of the inner loop multiplies two neighbouring pixels by four weights,
  // so that a value once read serves several times; an odd row's last pair is moved left to end with the row.
  const convolve = (input, layer, output, size) => {
    const {channels, window, filled, weights, bias, relu} = layer;
    const values = input.data, to = output.data, row = input.width * channels, length = window * channels;
    const low = relu ? 0 : -Infinity;
    for (let o = 0; o < filled; o += 4) {
      for (let y = 0; y < size; y++) {
        for (let pair = 0; pair < size; pair += 2) {
          const x = Math.min(pair, size - 2);
          let a0 = bias[o], a1 = bias[o + 1], a2 = bias[o + 2], a3 = bias[o + 3];
          let b0 = a0, b1 = a1, b2 = a2, b3 = a3;
          let w = o * window * length;
          for (let line = 0; line < window; line++) {
            // The values of one row of a window lie side by side, and so do their weights.
            let a = (y + line) * row + x * channels, b = a + channels;
            for (const end = w + 4 * length; w < end; w += 4, a++, b++) {
              const w0 = weights[w], w1 = weights[w + 1], w2 = weights[w + 2], w3 = weights[w + 3];
              const p = values[a], q = values[b];
              a0 += p * w0, a1 += p * w1, a2 += p * w2, a3 += p * w3;
              b0 += q * w0, b1 += q * w1, b2 += q * w2, b3 += q * w3;
            }
          }
          const a = ((y + output.border) * output.width + x + output.border) * filled + o, b = a + filled;
          to[a] = Math.max(a0, low), to[a + 1] = Math.max(a1, low);
          to[a + 2] = Math.max(a2, low), to[a + 3] = Math.max(a3, low);
          to[b] = Math.max(b0, low), to[b + 1] = Math.max(b1, low);
          to[b + 2] = Math.max(b2, low), to[b + 3] = Math.max(b3, low);
        }
      }
    }
  };

  // The largest of 3×3 values, at every other pixel from the corner of the border on: values, none of them negative
  // where there is a border, so that its zeros are never larger.
  const pool = (input, output, size) => {
    const {data, width, channels} = input;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const to = ((y + output.border) * output.width + x + output.border) * channels;
        for (let c = 0; c < channels; c++) {
          let most = -Infinity;
          for (let dy = 0; dy < 3; dy++) {
            const at = ((2 * y + dy) * width + 2 * x) * channels + c;
            most = Math.max(most, data[at], data[at + channels], data[at + 2 * channels]);
          }
          output.data[to + c] = most;
        }
      }
    }
  };

  // 28×28 grey values from 0 to 255 to the 57×57 values half a pixel apart, from 0 to 1: nin.stem.nodes.
  const nodes = (pixels) => {
    const to = plane(57, 1, 0);
    const inside = (i) => Math.min(27, Math.max(0, i));
    for (let y = 0; y < 57; y++) {
      const above = 28 * inside(Math.floor((y - 1) / 2)), below = 28 * inside(Math.ceil((y - 1) / 2));
      for (let x = 0; x < 57; x++) {
        const left = inside(Math.floor((x - 1) / 2)), right = inside(Math.ceil((x - 1) / 2));
        const upper = pixels[above + left] + pixels[above + right];
        to.data[57 * y + x] = (upper + pixels[below + left] + pixels[below + right]) / (4 * 255);
      }
    }
    return to;
  };

  // 28×28 grey values from 0 to 255 to values from 0 to 1 inside a border.
  const picture = (pixels, border) => {
    const to = plane(28, 1, border);
    for (let i = 0; i < 28 * 28; i++) {
      to.data[(Math.floor(i / 28) + border) * to.width + i % 28 + border] = pixels[i] / 255;
    }
    return to;
  };

  // Class maps, class after class, row after row. Windows of 4×4 are those of the folded enlargement.
  const classMaps = (pixels) => {
    const enlarged = layers[0].window === 4;
    let at = enlarged ? nodes(pixels) : picture(pixels, layers[0].padding), size = enlarged ? 57 : 28;
    layers.forEach((layer, i) => {
      size = size + 2 * layer.padding - layer.window + 1;
      const border = layers[i + 1]?.padding ?? 0;
      layer.output ??= plane(size, layer.filled, layer.pool ? layer.border ?? 0 : border);
      convolve(at, layer, layer.output, size);
      at = layer.output;
      if (layer.pool) {
        size = Math.floor((size + 2 * layer.output.border - 3) / 2) + 1;
        layer.pooled ??= plane(size, layer.filled, border);
        pool(at, layer.pooled, size);
        at = layer.pooled;
      }
    });
    const {outputs, filled} = layers.at(-1);
    return Float32Array.from({length: outputs * size * size}, (_, i) =>
      at.data[(i % (size * size)) * filled + Math.floor(i / (size * size))]);
  };

  // Whole numbers times their output's step, then the biases: the same order as of weights that were not rounded.
  const unrounded = (shapes, whole, steps) => {
    const values = [];
    let from = 0, after = 0;
    for (const {outputs, inputs, window} of shapes) {
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i < inputs * window * window; i++) values.push(Math.fround(whole[from++] * steps[after + o]));
      }
      values.push(...steps.subarray(after + outputs, after += 2 * outputs));
    }
    return values;
  };

  // First the network, as networkMessage gives it; then pictures: {pixels}, each answered with {maps, milliseconds}.
  self.onmessage = ({data}) => {
    if (data.layers) {
      const values = data.steps ? unrounded(data.layers, data.weights, data.steps) : data.weights;
      let end = 0;
      layers = data.layers.map((shape, i) => {
        const layer = pack(shape, values, end, i);
        end = layer.end;
        return layer;
      });
      return;
    }
    const start = performance.now();
    const maps = classMaps(data.pixels);
    self.postMessage({maps, milliseconds: performance.now() - start});
  };
};
