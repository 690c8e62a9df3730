
// --- what only the site has: the search, which is fetched when somebody first asks for it

function fetched(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "assets/" + name;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
}

let asked = null;

async function search() {
  asked ??= fetched("search.js");
  await asked;
  openSearch();
}

document.querySelectorAll("button.search").forEach((b) => b.addEventListener("click", search));
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable], dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  search();
});
