"use strict";

// What the figures to touch have in common. Such a figure is a box in the page that CSS shows where
// scripts run. All that it needs stands in it as HTML, so nothing moves when it comes to life.

const touchData = {}; // a page whose data lie in files of their own: they put it here

// The data of a figure: in the page itself, or in a script that the page names.
function dataOf(name) {
  const place = document.getElementById("data-" + name);
  if (!place.dataset.source) return JSON.parse(place.textContent);
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = place.dataset.source;
    script.addEventListener("load", () => resolve(touchData[name]));
    script.addEventListener("error", () => reject(new Error("no data at " + script.src)));
    document.head.append(script);
  });
}

// Bring a figure to life once it is near the window. Where that fails the box goes, and the
// picture above it is left.
function touchable(name, start) {
  const box = document.getElementById("touch-" + name);
  if (!box) return;
  const observer = new IntersectionObserver(
    async (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      try {
        await start(box, await dataOf(name));
        box.classList.add("alive");
      } catch (error) {
        box.hidden = true;
        throw error;
      }
    },
    { rootMargin: "1000px" },
  );
  observer.observe(box);
}

// Let a handle be moved about in its plane by mouse, finger and keys; a click in the plane brings
// it there. 'moved' is told where it is: x from 0 at the left to 1, y from 0 at the top to 1.
// Returned is a function that puts it somewhere and tells nobody.
function movable(handle, moved) {
  const plane = handle.parentElement;
  let at = [0, 0];
  let grip = null; // from the finger to the handle, while it is dragged

  function put(...to) {
    at = to.map((part) => Math.min(1, Math.max(0, part)));
    handle.style.setProperty("--x", at[0]);
    handle.style.setProperty("--y", at[1]);
  }

  function move(x, y) {
    put(x, y);
    moved(...at);
  }

  function under(event) {
    const { left, top, width, height } = plane.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  handle.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    const [x, y] = under(event);
    grip = [at[0] - x, at[1] - y];
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (!grip || !event.isPrimary) return;
    const [x, y] = under(event);
    move(x + grip[0], y + grip[1]);
  });
  handle.addEventListener("lostpointercapture", () => (grip = null));
  plane.addEventListener("click", (event) => {
    if (event.target !== handle) move(...under(event));
  });
  handle.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const length = event.shiftKey ? 0.1 : 0.01;
    move(at[0] + length * way[0], at[1] + length * way[1]);
  });
  return put;
}

// Write a text under a figure at once, and read it out when it has not changed for a while.
function teller(box) {
  let waiting = 0;
  return (text) => {
    box.querySelector(".said").textContent = text;
    clearTimeout(waiting);
    waiting = setTimeout(() => (box.querySelector("[role=status]").textContent = text), 800);
  };
}
