/* The overview's own: groups that fold, favourites, and sums over the rows that the page has. */
(() => {
  "use strict";
  const table = document.getElementById("queues");
  if (!table) return;
  const all = (selector, within = table) => within.querySelectorAll(selector);
  const YEAR = 31536000;

  // --- what this browser remembers: names, percent-encoded, with commas between; the server reads the same cookie
  const kept = (name) => {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
    return new Set((found ? found.slice(name.length + 1) : "").split(",").filter(Boolean).map(decodeURIComponent));
  };
  function keep(name, values) {
    const told = [...values].map(encodeURIComponent).join(",");
    if (told.length > 3800) return false;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `${name}=${told}; path=/; max-age=${told ? YEAR : 0}; samesite=lax${secure}`;
    return true;
  }
  const connection = new URLSearchParams(location.search).get("connection");
  const starredAs = (name) => (connection && connection !== "default" ? `${connection}:${name}` : name);

  // --- groups
  const bodies = () => [...all("tbody[data-group]")];
  const depth = (body) => Number(body.className.match(/depth-(\d)/)?.[1] || 0);
  function below(body) { // the bodies of the groups in this one
    const found = [];
    for (let next = body.nextElementSibling; next && depth(next) > depth(body); next = next.nextElementSibling) found.push(next);
    return found;
  }
  function fold(link) {
    const body = link.closest("tbody");
    const isClosed = body.classList.toggle("closed");
    link.setAttribute("aria-expanded", String(!isClosed));
    for (const other of bodies()) other.classList.remove("under");
    for (const closed of all("tbody.closed")) for (const inner of below(closed)) inner.classList.add("under");
    keep("toril_closed", bodies().filter((each) => each.classList.contains("closed")).map((each) => each.dataset.group));
  }

  // --- favourites: a row moves to the top; back to its place only by drawing the page anew
  function star(link) {
    const row = link.closest("tr");
    const names = kept("toril_starred");
    const name = starredAs(row.dataset.name);
    const isKept = names.delete(name);
    if (!isKept) names.add(name);
    if (!keep("toril_starred", names)) return;
    if (isKept) { location.reload(); return; }
    document.getElementById("starred").append(row);
    link.focus();
    sum();
  }

  // --- sums of groups, and which columns are worth their room
  const RARE = ["prioritized", "delayed", "waiting-children"];
  function sum() {
    const own = new Map();
    const board = {};
    for (const body of all("tbody")) {
      const counts = {};
      for (const cell of all("[data-n]", body)) counts[cell.dataset.n] = (counts[cell.dataset.n] || 0) + Number(cell.dataset.value);
      own.set(body, counts);
      for (const state in counts) board[state] = (board[state] || 0) + counts[state];
    }
    for (const body of bodies()) {
      const parts = [body, ...below(body)];
      for (const cell of all("[data-sum]", body)) {
        const value = parts.reduce((total, part) => total + (own.get(part)?.[cell.dataset.sum] || 0), 0);
        const text = value.toLocaleString("en-US");
        if (cell.textContent !== text) { cell.textContent = text; cell.className = value ? "n" : "zero"; }
      }
    }
    for (const state of RARE) table.classList.toggle(`has-${state}`, (board[state] || 0) > 0);
    for (const link of all("[data-total-of]", document)) {
      const value = board[link.dataset.totalOf] || 0;
      link.hidden = !value && !("always" in link.dataset);
      link.firstElementChild.classList.toggle("state", value > 0);
    }
  }

  // --- a group whose rows are all found elsewhere leaves while something is sought
  function sought() {
    const wanted = document.querySelector("input[data-find]")?.value.trim();
    table.classList.toggle("finding", !!wanted);
    for (const body of bodies()) {
      const parts = wanted ? [body, ...below(body)] : [];
      body.hidden = parts.length > 0 && !parts.some((part) => part.querySelector("tr[data-name]:not([hidden])"));
    }
  }

  // Many frames come at once where many queues moved: the sums are taken once for all of them.
  let due = 0;
  document.addEventListener("htmx:after:swap", () => {
    due ||= requestAnimationFrame(() => { due = 0; sum(); sought(); });
  });
  document.addEventListener("input", (event) => { if (event.target.matches("input[data-find]")) sought(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") setTimeout(sought); });
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("[data-fold], [data-star], [data-view]");
    if (!link) return;
    if (link.matches("[data-view]")) { keep("toril_view", [link.dataset.view]); return; }
    event.preventDefault();
    if (link.matches("[data-fold]")) fold(link); else star(link);
  });
  sought();
})();
