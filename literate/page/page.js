"use strict";

// Named code that stands on other pages, by its name; where there is one page there is none.
const elsewhere = JSON.parse(document.getElementById("elsewhere")?.textContent ?? "{}");

// Code with each reference replaced by the code it stands for.
function expanded(code) {
  return code.replace(/^([ \t]*)[<]<(\S+)>>$/gm, (line, indent, name) => {
    const target = document.getElementById("code-" + name);
    const found = target ? codeOf(target) : name in elsewhere ? expanded(elsewhere[name]) : line;
    return found === line ? line : found.replace(/^/gm, indent);
  });
}

function codeOf(block) {
  return expanded(block.querySelector("code").textContent);
}

function addCopyButton(block) {
  const button = document.createElement("button");
  button.className = "copy";
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(codeOf(block) + "\n");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  block.querySelector("pre").before(button);
}

document.querySelectorAll(".block").forEach(addCopyButton);

// A link to a block whose code is folded shows the code.
function unfoldTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  target?.querySelectorAll(":scope > .set-up").forEach((details) => (details.open = true));
}

addEventListener("hashchange", unfoldTarget);
unfoldTarget();

const contents = document.querySelector(".contents > details");
const narrow = matchMedia("(max-width: 60rem)");
const headings = [...document.querySelectorAll("main :is(h1, h2, h3)[id]")];
let current = null;

// Mark in the contents the last heading that has reached the top of the window.
function showWhere() {
  const above = headings.filter((h) => h.getBoundingClientRect().top < 100);
  const heading = above.at(-1) ?? headings[0];
  if (heading === current) return;
  current = heading;
  contents.querySelectorAll(".here").forEach((item) => item.classList.remove("here"));
  contents.querySelector("[aria-current]")?.removeAttribute("aria-current");
  const link = contents.querySelector(`a[href="#${CSS.escape(heading.id)}"]`);
  link.setAttribute("aria-current", "true");
  const chapter = link.closest(".contents > details > ol > li");
  chapter.classList.add("here");
  const title = chapter.querySelector("a").textContent;
  contents.querySelector("summary").textContent = narrow.matches ? title : "Contents";
  const below = chapter.getBoundingClientRect().top - innerHeight / 3;
  if (!narrow.matches) contents.scrollTop += below;
}

function fold() {
  contents.open = !narrow.matches;
  current = null;
  showWhere();
}

if (contents) {
  narrow.addEventListener("change", fold);
  contents.addEventListener("click", (event) => {
    if (narrow.matches && event.target.closest("a")) contents.open = false;
  });
  addEventListener("scroll", () => requestAnimationFrame(showWhere), { passive: true });
  fold();
}

let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("main details:not([open])")];
  unfolded.forEach((details) => (details.open = true));
});
addEventListener("afterprint", () => unfolded.forEach((details) => (details.open = false)));
