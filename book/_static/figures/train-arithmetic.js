// The arithmetic of a small NiN that is trained in the page: forward and backward pass, SGD with momentum.
// train-lane.js runs this function's text in a Worker, so it uses no other function.
"use strict";

// kernel: the bytes of train-kernel.wat, which does the inner loops faster; without it they are done here.
figures.trainingArithmetic = (kernel) => {
  const CLASSES = 10, SIDE = 28, BATCH = 32;

  // The inner loops. `places` holds triples of bytes: a place in the patches of an image, one in the image, a length.
  const plain = {
    // to += A·B: `to` is rows × columns, B is inner × columns, row by row; an element of A stands at
    // row * rowStep + k * innerStep, so A may be transposed.
    multiply(to, a, b, rows, inner, columns, rowStep, innerStep) {
      let r = 0;
      for (; r + 3 < rows; r += 4) {
        for (let c = 0; c < columns; c += 2) {
          let p0 = 0, p1 = 0, q0 = 0, q1 = 0, s0 = 0, s1 = 0, t0 = 0, t1 = 0;
          for (let k = 0, i = r * rowStep, j = c; k < inner; k++, i += innerStep, j += columns) {
            const b0 = b[j], b1 = b[j + 1];
            const a0 = a[i], a1 = a[i + rowStep], a2 = a[i + 2 * rowStep], a3 = a[i + 3 * rowStep];
            p0 += a0 * b0, p1 += a0 * b1, q0 += a1 * b0, q1 += a1 * b1;
            s0 += a2 * b0, s1 += a2 * b1, t0 += a3 * b0, t1 += a3 * b1;
          }
          const o = r * columns + c, o1 = o + columns, o2 = o1 + columns, o3 = o2 + columns;
          to[o] += p0, to[o + 1] += p1, to[o1] += q0, to[o1 + 1] += q1;
          to[o2] += s0, to[o2 + 1] += s1, to[o3] += t0, to[o3 + 1] += t1;
        }
      }
      for (; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          let sum = 0;
          for (let k = 0; k < inner; k++) sum += a[r * rowStep + k * innerStep] * b[k * columns + c];
          to[r * columns + c] += sum;
        }
      }
    },
    // patches = what the windows hold of each image; and the way back, image += patches.
    gather(patches, image, places, images, patchStep, imageStep) {
      for (let k = 0, to = 0, from = 0; k < images; k++, to += patchStep, from += imageStep) {
        for (let p = 0; p < places.length; p += 3) {
          const target = to + (places[p] >> 2), source = from + (places[p + 1] >> 2), length = places[p + 2] >> 2;
          for (let i = 0; i < length; i++) patches[target + i] = image[source + i];
        }
      }
    },
    scatter(patches, image, places, images, patchStep, imageStep) {
      for (let k = 0, from = 0, to = 0; k < images; k++, from += patchStep, to += imageStep) {
        for (let p = 0; p < places.length; p += 3) {
          const source = from + (places[p] >> 2), target = to + (places[p + 1] >> 2), length = places[p + 2] >> 2;
          for (let i = 0; i < length; i++) image[target + i] += patches[source + i];
        }
      }
    },
    // A ReLU in place; and the way back.
    clip(values, length) {
      for (let i = 0; i < length; i++) values[i] = Math.max(values[i], 0);
    },
    unclip(gradient, values, length) {
      for (let i = 0; i < length; i++) if (!(values[i] > 0)) gradient[i] = 0;
    },
  };

  // All numbers lie in one piece of memory, where the kernel reaches them. A new network overwrites the one before.
  const memory = kernel ? new WebAssembly.Memory({initial: 256}) : {buffer: new ArrayBuffer(256 * 65536)};
  let end = 0;
  const room = (Kind, length) => {
    const found = new Kind(memory.buffer, end, length).fill(0);
    end += Math.ceil(length / 4) * 16;
    return found;
  };
  const floats = (length) => room(Float32Array, length);

  const fast = kernel && (({exports}, at = ({byteOffset}) => byteOffset) => ({
    multiply: (to, a, b, rows, inner, columns, rowStep, innerStep) =>
      exports.multiply(at(to), at(a), at(b), rows, inner, columns, 4 * rowStep, 4 * innerStep),
    gather: (patches, image, places, images, patchStep, imageStep) => exports.gather(
      at(patches), at(image), at(places), at(places) + places.byteLength, images, 4 * patchStep, 4 * imageStep),
    scatter: (patches, image, places, images, patchStep, imageStep) => exports.scatter(
      at(patches), at(image), at(places), at(places) + places.byteLength, images, 4 * patchStep, 4 * imageStep),
    clip: (values, length) => exports.clip(at(values), 4 * length),
    unclip: (gradient, values, length) => exports.unclip(at(gradient), at(values), 4 * length),
  }))(new WebAssembly.Instance(new WebAssembly.Module(kernel), {page: {memory}}));
  const {multiply, gather, scatter, clip, unclip} = fast || plain;

  // What a seed decides: numbers from 0 to 1 (mulberry32), normal ones, and an order of n things.
  const random = (seed) => {
    let state = seed | 0;
    const uniform = () => {
      state = state + 0x6d2b79f5 | 0;
      let mixed = Math.imul(state ^ state >>> 15, 1 | state);
      mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
      return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
    };
    const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    const order = (n) => {
      const places = Uint32Array.from({length: n}, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor(uniform() * (i + 1));
        [places[i], places[j]] = [places[j], places[i]];
      }
      return places;
    };
    return {uniform, normal, order};
  };

  const parameter = (name, length) =>
    ({name, value: floats(length), gradient: floats(length), velocity: floats(length)});

  // A layer has size (rows of its output), channels, output, gradient (of its output), and does forward(n, training)
  // and backward(n) for n images. Values lie image by image, row by row, pixel by pixel, channel by channel; after
  // the image, channels are filled up with zeros to a multiple of eight, which stay zeros, and `wide` counts them.
  const layerOf = (size, channels, wide, actions) => {
    const length = BATCH * size * size * wide;
    return {size, channels, wide, parameters: [], output: floats(length), gradient: floats(length), ...actions};
  };

  // The values over and over, up to a length that they fit into.
  const repeat = (values, to, length) => {
    to.set(values);
    for (let done = values.length; done < length; done *= 2) {
      to.copyWithin(done, 0, Math.min(done, length - done));
    }
  };

  const picture = () => layerOf(SIDE, 1, 1, {forward() {}, backward() {}});

  const convolution = (from, name, channels, window, stride) => {
    const padding = window >> 1, size = Math.floor((from.size + 2 * padding - window) / stride) + 1;
    const wide = Math.ceil(channels / 8) * 8, pixels = size * size, inner = window * window * from.wide;
    const weight = parameter(`${name}.weight`, inner * wide), bias = parameter(`${name}.bias`, wide);
    const turned = floats(inner * wide); // the weights, transposed
    // The product takes each window of the input as a row: a 1×1 the input as it is.
    const direct = window === 1, image = from.size * from.size * from.wide;
    const patches = direct ? from.output : floats(BATCH * pixels * inner);
    const spread = direct ? from.gradient : floats(BATCH * pixels * inner);
    const found = [];
    for (let place = 0; !direct && place < pixels * window; place++) { // a row of a window
      const pixel = Math.floor(place / window), left = pixel % size * stride - padding;
      const line = Math.floor(pixel / size) * stride + place % window - padding;
      if (line < 0 || line >= from.size) continue;
      const first = Math.max(0, left), last = Math.min(from.size, left + window);
      found.push((place * window + first - left) * from.wide, (line * from.size + first) * from.wide,
        (last - first) * from.wide);
    }
    const places = room(Int32Array, found.length);
    places.set(found.map((number) => 4 * number));
    const layer = layerOf(size, channels, wide, {
      weight, bias, window, inputs: from.channels, parameters: [weight, bias],
      forward(n) {
        if (!direct) gather(patches, from.output, places, n, pixels * inner, image);
        repeat(bias.value, layer.output, n * pixels * wide);
        multiply(layer.output, patches, weight.value, n * pixels, inner, wide, inner, 1);
      },
      backward(n) {
        weight.gradient.fill(0);
        multiply(weight.gradient, patches, layer.gradient, inner, n * pixels, wide, 1, inner);
        bias.gradient.fill(0);
        for (let i = 0; i < n * pixels * wide; i += wide) {
          for (let c = 0; c < wide; c++) bias.gradient[c] += layer.gradient[i + c];
        }
        if (from.wide === 1) return; // nothing learns from the gradient of the picture
        for (let k = 0; k < inner; k++) {
          for (let c = 0; c < wide; c++) turned[c * inner + k] = weight.value[k * wide + c];
        }
        spread.fill(0, 0, n * pixels * inner);
        multiply(spread, layer.gradient, turned, n * pixels, wide, inner, wide, 1);
        if (direct) return;
        from.gradient.fill(0, 0, n * image);
        scatter(spread, from.gradient, places, n, pixels * inner, image);
      }});
    return layer;
  };

  // Changes its input's values in place: the layer before it does not need them again.
  const relu = (from) => {
    const length = from.size * from.size * from.wide;
    return {...from, parameters: [],
      forward: (n) => clip(from.output, n * length),
      backward: (n) => unclip(from.gradient, from.output, n * length)};
  };

  // The largest of 3×3 values at every other pixel, or of fewer at the border.
  const pool = (from) => {
    const size = (from.size + 1) >> 1, {channels, wide, size: side} = from;
    const layer = layerOf(size, channels, wide, {
      forward(n) {
        for (let pixel = 0; pixel < n * size * size; pixel++) {
          const image = Math.floor(pixel / size / size), y = Math.floor(pixel / size) % size, x = pixel % size;
          const top = Math.max(0, 2 * y - 1), bottom = Math.min(side, 2 * y + 2);
          const left = Math.max(0, 2 * x - 1), right = Math.min(side, 2 * x + 2);
          for (let c = 0; c < wide; c++) {
            let most = -Infinity, place = 0;
            for (let v = top; v < bottom; v++) {
              for (let u = left, i = ((image * side + v) * side + u) * wide + c; u < right; u++, i += wide) {
                if (from.output[i] > most) most = from.output[place = i];
              }
            }
            layer.output[pixel * wide + c] = most;
            chosen[pixel * wide + c] = place;
          }
        }
      },
      backward(n) {
        from.gradient.fill(0, 0, n * side * side * wide);
        for (let i = 0; i < n * size * size * wide; i++) from.gradient[chosen[i]] += layer.gradient[i];
      }});
    const chosen = room(Int32Array, layer.output.length);
    return layer;
  };

  // Batch norm over images and pixels, channel by channel, in place; as in torch, with its momentum of 0.1.
  const norm = (from, name) => {
    const {wide, size, output, gradient} = from, kept = floats(output.length);
    const weight = parameter(`${name}.weight`, wide), bias = parameter(`${name}.bias`, wide);
    // Sums over so many values need 64 bits.
    const sums = Array.from({length: 7}, () => new Float64Array(wide));
    const [mean, variance, ownMean, ownVariance, scale, slope, offset] = sums;
    weight.value.fill(1), variance.fill(1);
    return {...from, parameters: [weight, bias], running: {mean, variance},
      forward(n, training) {
        const count = n * size * size, length = count * wide;
        const [centre, spread] = training ? [ownMean.fill(0), ownVariance.fill(0)] : [mean, variance];
        for (let i = 0; training && i < length; i++) centre[i % wide] += output[i] / count;
        for (let i = 0; training && i < length; i++) spread[i % wide] += (output[i] - centre[i % wide]) ** 2 / count;
        for (let c = 0; c < wide; c++) {
          scale[c] = 1 / Math.sqrt(spread[c] + 1e-5);
          if (!training) continue;
          mean[c] += 0.1 * (centre[c] - mean[c]);
          variance[c] += 0.1 * (spread[c] * count / (count - 1) - variance[c]);
        }
        for (let i = 0; i < length; i++) {
          const c = i % wide;
          kept[i] = (output[i] - centre[c]) * scale[c];
          output[i] = kept[i] * weight.value[c] + bias.value[c];
        }
      },
      backward(n) {
        const count = n * size * size, length = count * wide;
        slope.fill(0), offset.fill(0);
        for (let i = 0; i < length; i++) {
          slope[i % wide] += gradient[i] * kept[i];
          offset[i % wide] += gradient[i];
        }
        for (let i = 0; i < length; i++) {
          const c = i % wide, common = (offset[c] + kept[i] * slope[c]) / count;
          gradient[i] = weight.value[c] * scale[c] * (gradient[i] - common);
        }
        weight.gradient.set(slope), bias.gradient.set(offset);
      }};
  };

  // Xavier's uniform weights with torch's own biases, as in the section; or Kaiming's normal ones with none.
  const initialise = ({weight, bias, channels, wide, inputs, window}, init, {uniform, normal}) => {
    const area = window * window, into = area * inputs, range = Math.sqrt(6 / (into + area * channels));
    const filled = weight.value.length / area / wide; // inputs, filled up
    for (let i = 0; i < area * inputs * channels; i++) {
      const output = i % channels, input = Math.floor(i / channels) % inputs, place = Math.floor(i / channels / inputs);
      weight.value[(place * filled + input) * wide + output] =
        init === "kaiming" ? normal() * Math.sqrt(2 / into) : (2 * uniform() - 1) * range;
    }
    for (let c = 0; c < channels; c++) bias.value[c] = init === "kaiming" ? 0 : (2 * uniform() - 1) / Math.sqrt(into);
  };

  // A network from its choices: init, "xavier" or "kaiming"; linear, whether the last ReLU is left out; ones, the 1×1s
  // of a block; head, "block" or "3x3"; norm, whether there is batch norm before the class maps; channels of 3 blocks.
  // A layer's first weights depend on the seed and its own place alone.
  const build = ({init, linear, ones, head, norm: normed, channels}, seed) => {
    end = 0;
    const layers = [picture()];
    const block = (number, outputs, window, stride, many) => {
      for (let i = 0; i <= many; i++) {
        const conv = convolution(layers.at(-1), `${number}.${i}`, outputs, i ? 1 : window, i ? 1 : stride);
        initialise(conv, init, random(1000 * seed + 10 * number + i));
        layers.push(conv);
        if (normed && number < 4) layers.push(norm(conv, `${number}.${i}.norm`));
        if (number < 4 || i < many || !linear) layers.push(relu(conv));
      }
    };
    block(1, channels[0], 5, 2, ones);
    layers.push(pool(layers.at(-1)));
    block(2, channels[1], 3, 1, ones);
    layers.push(pool(layers.at(-1)));
    block(3, channels[2], 3, 1, ones);
    block(4, CLASSES, 3, 1, head === "block" ? ones : 0);
    return {layers, maps: layers.at(-1), parameters: layers.flatMap(({parameters}) => parameters)};
  };

  // The pass forward for the n images in the output of the first layer; returns their logits (n × 10): the means of
  // the class maps.
  const forward = ({layers, maps}, n, training = false) => {
    for (const layer of layers) layer.forward(n, training);
    const cells = maps.size * maps.size, logits = new Float32Array(n * CLASSES);
    for (let i = 0; i < n * cells; i++) {
      const first = Math.floor(i / cells) * CLASSES;
      for (let k = 0; k < CLASSES; k++) logits[first + k] += maps.output[i * maps.wide + k] / cells;
    }
    return logits;
  };

  // Forward and backward pass for the images with these labels; returns the mean cross-entropy.
  const backward = (net, labels) => {
    const n = labels.length, {gradient, size, wide} = net.maps, cells = size * size;
    const logits = forward(net, n, true), powers = new Float64Array(CLASSES);
    let loss = 0;
    for (let image = 0; image < n; image++) {
      const own = logits.subarray(image * CLASSES, (image + 1) * CLASSES), most = Math.max(...own);
      let sum = 0;
      for (let k = 0; k < CLASSES; k++) sum += powers[k] = Math.exp(own[k] - most);
      loss += (Math.log(sum) + most - own[labels[image]]) / n;
      for (let k = 0; k < CLASSES; k++) {
        const share = (powers[k] / sum - (k === labels[image])) / n / cells;
        for (let cell = 0; cell < cells; cell++) gradient[(image * cells + cell) * wide + k] = share;
      }
    }
    for (let i = net.layers.length - 1; i >= 0; i--) net.layers[i].backward(n);
    return loss;
  };

  const update = (net, lr, momentum) => {
    for (const {value, gradient, velocity} of net.parameters) {
      for (let i = 0; i < value.length; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i];
        value[i] -= lr * velocity[i];
      }
    }
  };

  return {BATCH, CLASSES, build, forward, backward, update, random};
};
