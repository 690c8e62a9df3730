"use strict";

// Chapter 3, to be touched: the loss of the line y = a + b x over its 80 points, seen from above,
// and the path of gradient descent on it.

const STEPS = 300;

// The points of a path that descends the mean squared error, one for each step, from [a, b] on.
// In each epoch it takes the rows of the data in the next order, a batch of 'size' at a time; after
// the last order comes the first again.
function descend({ x, y, orders }, [a, b], rate, size, steps = STEPS) {
  const path = [[a, b]];
  for (let epoch = 0; ; epoch += 1) {
    const order = orders[epoch % orders.length];
    for (let first = 0; first < order.length; first += size) {
      if (path.length > steps) return path;
      const batch = order.slice(first, first + size);
      let byA = 0;
      let byB = 0;
      for (const row of batch) {
        const error = y[row] - (a + b * x[row]);
        byA -= (2 * error) / batch.length;
        byB -= (2 * error * x[row]) / batch.length;
      }
      a -= rate * byA;
      b -= rate * byB;
      path.push([a, b]);
    }
  }
}

function mse({ x, y }, [a, b]) {
  return x.reduce((sum, _, row) => sum + (y[row] - (a + b * x[row])) ** 2, 0) / x.length;
}

// The loss is a bowl: its minimum, the eigenvalues of its Hessian [[2, p], [p, q]], and the
// direction in (a, b) of the flat one, in which the valley runs.
function bowlOf({ x, y }) {
  const mean = (of) => x.reduce((sum, _, row) => sum + of(row), 0) / x.length;
  const [meanX, meanY] = [mean((row) => x[row]), mean((row) => y[row])];
  const b =
    mean((row) => (x[row] - meanX) * (y[row] - meanY)) / mean((row) => (x[row] - meanX) ** 2);
  const [p, q] = [2 * meanX, 2 * mean((row) => x[row] ** 2)];
  const apart = Math.hypot((2 - q) / 2, p);
  const [flat, steep] = [(2 + q) / 2 - apart, (2 + q) / 2 + apart];
  const minimum = [meanY - b * meanX, b];
  return { minimum, lowest: mse({ x, y }, minimum), flat, steep, valley: [p, flat - 2] };
}

// What became of a path, in words.
function verdict(data, bowl, path, rate, size) {
  const losses = [path[0], path.at(-1)].map((point) => mse(data, point));
  const [first, last] = losses.map((loss) => (loss < 1000 ? loss.toFixed(4) : "over 1000"));
  const pace = Math.ceil(data.x.length / size);
  const way = `In ${path.length - 1} steps, ${pace} in an epoch, the loss goes from ${first} to ${last}`;
  if (last === "over 1000") return way + ": it diverges.";
  if (size === data.x.length && rate * bowl.steep > 2) return way + ": it diverges, slowly.";
  return way + `. The lowest is ${bowl.lowest.toFixed(4)}.`;
}

touchable("descent", (box, data) => {
  const [LEFT, TOP, UNIT] = [-1, 2.8, 160]; // the corner of the drawing, and how long a unit is
  const [WIDTH, HEIGHT] = [640, 544];
  const across = (a) => (a - LEFT) * UNIT;
  const down = (b) => (TOP - b) * UNIT;
  const part = (selector) => box.querySelector(selector);
  const [rate, size, handle] = [part("#descent-rate"), part("#descent-size"), part(".handle")];
  const bowl = bowlOf(data);
  const limit = 2 / bowl.steep;
  const tell = teller(box);
  let start = data.start;
  let path = [];
  let frame = 0;

  function add(group, kind, attributes, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    part(group).append(made);
  }

  // A line of equal loss is an ellipse about the minimum; its axes are the eigenvectors.
  const [middleX, middleY] = [across(bowl.minimum[0]), down(bowl.minimum[1])];
  const turn = (Math.atan2(-bowl.valley[1], bowl.valley[0]) * 180) / Math.PI;
  for (let line = 0; line < 17; line += 1) {
    const above = 0.01 * 300 ** (line / 11) - bowl.lowest; // the levels of the picture, and more
    const radius = (curvature) => Math.sqrt((2 * above) / curvature) * UNIT;
    add(".contours", "ellipse", {
      rx: radius(bowl.flat),
      ry: radius(bowl.steep),
      transform: `translate(${middleX} ${middleY}) rotate(${turn})`,
    });
  }
  for (const a of [0, 1, 2]) add(".ticks", "text", { x: across(a), y: HEIGHT - 8 }, `a = ${a}`);
  for (const b of [0, 1, 2]) add(".ticks", "text", { x: 40, y: down(b) + 6 }, `b = ${b}`);
  const corners = [...Array(10).keys()].map((corner) => {
    const [length, angle] = [corner % 2 ? 5 : 13, (corner * Math.PI) / 5];
    return `${middleX + length * Math.sin(angle)} ${middleY - length * Math.cos(angle)}`;
  });
  part(".star").setAttribute("d", `M${corners.join("L")}Z`);
  part(".mark").textContent = `2/λ = ${limit.toFixed(4)}`;
  part(".mark").style.setProperty("--at", (limit - rate.min) / (rate.max - rate.min));

  // Draw the first steps of the path, as far as they are not far outside.
  function draw(steps) {
    const near = (x, y) => Math.abs(x) < 10 * WIDTH && Math.abs(y) < 10 * HEIGHT;
    const points = path.slice(0, steps + 1).map(([a, b]) => [across(a), down(b)]);
    const out = points.findIndex((point) => !near(...point));
    const drawn = (out < 0 ? points : points.slice(0, out)).map((point) => point.join(" "));
    part(".way").setAttribute("d", `M${drawn.join("L")}`);
    part(".steps").setAttribute("d", `M${drawn.join("h0M")}h0`); // a dot is a line of no length
    box.dataset.steps = steps;
  }

  // Descend again, and draw it at once.
  function update() {
    cancelAnimationFrame(frame);
    const [eta, batch] = [Number(rate.value), Number(size.value)];
    path = descend(data, start, eta, batch);
    const [a, b] = start.map((one) => one.toFixed(2).replace("-", "−"));
    handle.setAttribute("aria-valuenow", start[0].toFixed(2));
    handle.setAttribute("aria-valuetext", `a = ${a}, b = ${b}`);
    const beyond = eta > limit ? ", beyond 2/λ" : "";
    rate.setAttribute("aria-valuetext", eta.toFixed(3) + beyond);
    part("output[for=descent-rate]").textContent = eta.toFixed(3);
    part("output[for=descent-size]").textContent = batch;
    draw(STEPS);
    tell(verdict(data, bowl, path, eta, batch));
  }

  // Draw it step by step, in three seconds; at once for those who want no motion.
  function play() {
    cancelAnimationFrame(frame);
    const began = performance.now();
    const next = (now) => {
      const steps = Math.min(STEPS, Math.max(0, Math.floor((now - began) / 10)));
      draw(steps);
      if (steps < STEPS) frame = requestAnimationFrame(next);
    };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) draw(STEPS);
    else frame = requestAnimationFrame(next);
  }

  const put = movable(handle, (x, y) => {
    start = [LEFT + (x * WIDTH) / UNIT, TOP - (y * HEIGHT) / UNIT];
    update();
  });

  function reset() {
    start = data.start;
    put(across(start[0]) / WIDTH, down(start[1]) / HEIGHT);
    [rate.value, size.value] = [0.1, 80];
    update();
  }

  handle.setAttribute("aria-valuemin", LEFT);
  handle.setAttribute("aria-valuemax", LEFT + WIDTH / UNIT);
  rate.addEventListener("input", update);
  size.addEventListener("input", update);
  part(".reset").addEventListener("click", reset);
  part(".play").addEventListener("click", play);
  reset();
});
