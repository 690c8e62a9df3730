"use strict";

// The search. Its index is a list of pages: [file, [[key, title, [sentence, …], [line of code, …]], …]];
// the first section of a page is its chapter, with what stands before the first heading in it.

const MOST = 40; // results that are shown
const LETTER = "[\\p{L}\\p{N}]";

// What finds a word of the query: the beginning of a word, or of a part of one, with or without hyphens.
function termOf(word) {
  const letters = [...word.replace(/[-\u2010\u2011]/g, "")].map((one) =>
    one.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"),
  );
  const begins = /^[\p{L}\p{N}]/u.test(word) ? `(?<!${LETTER})` : "";
  const ends = /[\p{L}\p{N}]$/u.test(word) ? `(?![\\p{L}\\p{N}_])` : "";
  const body = letters.join("[-\u2010\u2011]?");
  const start = new RegExp(begins + body, "giu");
  return { start, whole: new RegExp(`(?<![\\p{L}\\p{N}_])${body}${ends}`, "giu") };
}

function termsOf(query) {
  const words = query.split(/\s+/).filter((word) => /[\p{L}\p{N}_]/u.test(word));
  return words.map(termOf);
}

const count = (text, pattern) => text.match(pattern)?.length ?? 0;

// How much a text says about a term: a whole word counts for more than the beginning of one.
function weight(text, term, whole, part) {
  if (text.search(term.start) < 0) return 0;
  return text.search(term.whole) < 0 ? part : whole;
}

// What a section is worth, and its best sentence; null where a term is missing in it.
function judged(chapter, section, terms) {
  const [key, title, sentences, code] = section;
  const isFirst = section === chapter[0];
  const prose = sentences.join("\n");
  const lines = code.join("\n");
  let score = 0;
  let isHere = false;
  for (const term of terms) {
    const above = isFirst ? 0 : weight(chapter[0][1], term, 12, 6);
    const own = weight(title, term, isFirst ? 45 : 40, 15);
    const said = 4 * Math.min(count(prose, term.whole), 5) + Math.min(count(prose, term.start), 5);
    const coded = Math.min(count(lines, term.whole), 4) + (count(lines, term.start) > 0 ? 1 : 0);
    if (above + own + said + coded === 0) return null;
    isHere ||= own + said + coded > 0;
    score += above + own + said + coded;
  }
  if (!isHere) return null;
  const worth = (text) => terms.reduce((sum, term) => sum + weight(text, term, 3, 1), 0);
  let best = sentences[0] ?? "";
  let most = 0;
  let isCode = false;
  for (const [texts, areCode] of [[sentences, false], [code, true]]) {
    for (const text of texts) {
      if (worth(text) > most) [best, most, isCode] = [text, worth(text), areCode];
    }
  }
  return { key, title, chapter: isFirst ? "" : chapter[0][1], score, best, isCode };
}

function found(query) {
  const terms = termsOf(query);
  if (!terms.length) return [];
  const results = [];
  for (const [file, sections] of window.searchIndex) {
    for (const section of sections) {
      const result = judged(sections, section, terms);
      if (result) results.push({ file, ...result });
    }
  }
  return results.sort((one, other) => other.score - one.score);
}

// A text with the terms marked; a long one is cut to what stands around the first of them.
function marked(parent, text, terms) {
  const places = terms.flatMap(({ start }) =>
    [...text.matchAll(start)].map((match) => [match.index, match.index + match[0].length]),
  );
  places.sort((one, other) => one[0] - other[0]);
  const first = text.length > 240 ? Math.max(0, (places[0]?.[0] ?? 0) - 90) : 0;
  const last = text.length > 240 ? first + 240 : text.length;
  let at = first;
  if (first > 0) parent.append("… ");
  for (const [from, to] of places) {
    if (from < at || to > last) continue;
    const mark = document.createElement("mark");
    mark.textContent = text.slice(from, to);
    parent.append(text.slice(at, from), mark);
    at = to;
  }
  parent.append(text.slice(at, last), last < text.length ? " …" : "");
}

const dialog = document.createElement("dialog");
dialog.className = "results-of-search";
dialog.setAttribute("aria-label", "Search");
dialog.innerHTML = `<form method="dialog"><label>Search all chapters
<input type="search" autocomplete="off" autocapitalize="off" spellcheck="false" autofocus></label>
<button type="submit" formnovalidate>Close</button></form>
<p class="found" role="status"></p>
<ol></ol>`;
document.body.append(dialog);
const input = dialog.querySelector("input");
const status = dialog.querySelector(".found");
const list = dialog.querySelector("ol");

function shownResult({ file, key, title, chapter, best, isCode }, terms) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `${file}#${key}`;
  link.append(chapter ? `${chapter} › ${title}` : title);
  const sentence = document.createElement("p");
  const inside = isCode ? sentence.appendChild(document.createElement("code")) : sentence;
  marked(inside, best, terms);
  link.append(sentence);
  item.append(link);
  return item;
}

function show() {
  if (!window.searchIndex) return;
  const terms = termsOf(input.value);
  const results = found(input.value);
  const few = results.slice(0, MOST);
  list.replaceChildren(...few.map((result) => shownResult(result, terms)));
  list.scrollTop = 0;
  const places = results.length === 1 ? "1 section" : `${results.length} sections`;
  const most = results.length > MOST ? `, the first ${MOST} are shown` : "";
  status.textContent = terms.length ? (results.length ? places + most : "Nothing found") : "";
}

input.addEventListener("input", show);
list.addEventListener("click", (event) => event.target.closest("a") && dialog.close());

// Enter goes to the first result, the arrows from one to the next; Escape, which would empty the field
// first, closes.
dialog.addEventListener("keydown", (event) => {
  const stops = [input, ...list.querySelectorAll("a")];
  const at = stops.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    event.preventDefault();
    dialog.close();
  } else if (event.key === "Enter" && at === 0) {
    event.preventDefault();
    stops[1]?.click();
  } else if (step && at >= 0) {
    event.preventDefault();
    stops[Math.min(Math.max(at + step, 0), stops.length - 1)].focus();
  }
});

let index = null;

async function openSearch() {
  if (dialog.open) return;
  dialog.showModal();
  input.select();
  index ??= fetched("search-index.js");
  try {
    await index;
    show();
  } catch {
    status.textContent = "The index could not be loaded: reload the page and try again";
  }
}
