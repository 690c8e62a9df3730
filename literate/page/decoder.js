"use strict";

// Chapter 14, to be touched: the codes of test images laid out in a plane, and the digit that the
// trained decoder makes of a code in between.

const NEIGHBOURS = 5; // a code is the mean of those of so many images

// The bytes that chapter 14 packed: compressed, and written in base64.
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const whole = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

// Numbers of 16 bits: of all of them the lower byte comes first, then of all the upper one. A bit
// is the sign, five are the exponent, ten the fraction.
async function halves(text) {
  const bytes = await unpack(text);
  const count = bytes.length / 2;
  return Float32Array.from({ length: count }, (_, i) => {
    const bits = bytes[i] | (bytes[count + i] << 8);
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
}

// The layers of the decoder, the points, and each image's code and label.
async function readDecoder({ layers, points, codes, lowest, step, labels }) {
  const [flat, bytes] = [await halves(points), await unpack(codes)];
  const width = lowest.length;
  return {
    layers: await Promise.all(layers.map((layer) => Promise.all(layer.map(halves)))),
    images: [...labels].map((label, i) => ({
      label,
      point: [flat[2 * i], flat[2 * i + 1]],
      code: lowest.map((low, k) => low + step[k] * bytes[width * i + k]),
    })),
  };
}

// The 784 pixels that the layers make of a code, each from 0 to 1.
function decode(layers, code) {
  return layers.reduce((input, [weights, biases], number) => {
    const last = number === layers.length - 1;
    return Float32Array.from(biases, (bias, row) => {
      let sum = bias;
      for (let i = 0; i < input.length; i += 1) sum += weights[row * input.length + i] * input[i];
      return last ? 1 / (1 + Math.exp(-sum)) : Math.max(0, sum);
    });
  }, code);
}

// The nearest images of a point, with their shares in its code. A share goes as (1/d - 1/D)², where
// d is an image's distance and D that of the first image which has none: so no share ever jumps.
// On an image itself that image has all.
function sharesAt(images, [x, y]) {
  const away = images.map(({ point }) => Math.hypot(point[0] - x, point[1] - y));
  const order = [...images.keys()].sort((i, j) => away[i] - away[j]).slice(0, NEIGHBOURS + 1);
  const edge = 1 / away[order.pop()];
  const pulls = order.map((i) => (1 / Math.max(away[i], 1e-6) - edge) ** 2);
  const total = pulls.reduce((sum, pull) => sum + pull, 0);
  return order.map((i, k) => ({ image: images[i], share: total ? pulls[k] / total : 1 / NEIGHBOURS }));
}

function codeOfShares(shares) {
  return shares[0].image.code.map((_, k) =>
    shares.reduce((sum, { image, share }) => sum + share * image.code[k], 0),
  );
}

// What a code is made of, in words.
function mixture(shares) {
  const parts = {};
  for (const { image, share } of shares) parts[image.label] = (parts[image.label] ?? 0) + share;
  const words = Object.entries(parts)
    .filter(([, share]) => share >= 0.005)
    .sort((one, other) => other[1] - one[1])
    .map(([label, share]) => `${label}s (${Math.round(share * 100)}%)`);
  const nearest = shares[0].image.label;
  return `Its code comes from ${words.join(", ")}. The nearest image shows a ${nearest}.`;
}

touchable("decoder", async (box, data) => {
  const part = (selector) => box.querySelector(selector);
  const [map, digit, handle] = [part(".map"), part(".digit"), part(".handle")];
  const { layers, images } = await readDecoder(data);
  const tell = teller(box);

  // The plane is as wide as the points need, with a margin; a unit is as long across as down.
  const [WIDTH, HEIGHT] = [640, 544];
  const [lows, highs] = [Math.min, Math.max].map((most) =>
    [0, 1].map((axis) => most(...images.map(({ point }) => point[axis]))),
  );
  const unit = Math.min(...[WIDTH, HEIGHT].map((size, k) => (0.94 * size) / (highs[k] - lows[k])));
  const middle = [0, 1].map((axis) => (lows[axis] + highs[axis]) / 2);
  const inPlane = ([x, y]) => [
    0.5 + ((x - middle[0]) * unit) / WIDTH,
    0.5 - ((y - middle[1]) * unit) / HEIGHT,
  ];
  const inMap = (x, y) => [
    middle[0] + ((x - 0.5) * WIDTH) / unit,
    middle[1] - ((y - 0.5) * HEIGHT) / unit,
  ];

  function drawMap() {
    const [width, height] = [map.clientWidth, map.clientHeight];
    const dense = devicePixelRatio;
    [map.width, map.height] = [width * dense, height * dense];
    const pen = map.getContext("2d");
    pen.scale(dense, dense);
    [pen.textAlign, pen.textBaseline] = ["center", "middle"];
    pen.font = `${Math.max(7, width / 62)}px sans-serif`;
    for (const { label, point } of images) {
      const [x, y] = inPlane(point);
      map.style.color = `var(--digit-${label})`; // CSS knows day and night; a canvas does not
      pen.fillStyle = getComputedStyle(map).color;
      pen.fillText(label, x * width, y * height);
    }
  }

  function drawDigit(pixels) {
    const pen = digit.getContext("2d");
    const picture = pen.createImageData(28, 28);
    picture.data.set([...pixels].flatMap((grey) => [255 * grey, 255 * grey, 255 * grey, 255]));
    pen.putImageData(picture, 0, 0);
  }

  function moved(x, y) {
    const shares = sharesAt(images, inMap(x, y));
    drawDigit(decode(layers, codeOfShares(shares)));
    handle.setAttribute("aria-valuenow", Math.round(x * 100));
    handle.setAttribute(
      "aria-valuetext",
      `${Math.round(x * 100)} across, ${Math.round(y * 100)} down: near a ${shares[0].image.label}`,
    );
    tell(mixture(shares));
  }

  const put = movable(handle, moved);
  const first = inPlane(images[0].point);
  put(...first);
  moved(...first);
  new ResizeObserver(drawMap).observe(map);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
});
