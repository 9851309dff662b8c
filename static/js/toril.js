/* Behaviours attached through data-*: times, theme, socket, changed numbers, totals, find, copy, dismiss.
   The server draws everything; this only keeps what is drawn true and near at hand. */
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within = document) => within.querySelectorAll(selector);

  // --- times: rendered by the server in UTC; told here in the reader's zone and kept ticking by the server's clock
  const skew = Number(root.dataset.now || Date.now()) - Date.now();
  const serverNow = () => Date.now() + skew;
  const two = (number, width = 2) => String(number).padStart(width, "0");
  const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const today = (at, text) => (day(at) === day(new Date(serverNow())) ? text : `${day(at)} ${text}`);

  const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];
  function rough(ms) { // the twin of moments.rough
    for (const [size, unit] of UNITS) if (ms >= size) return `${Math.floor(ms / size).toLocaleString("en-US")} ${unit}`;
    return "0 s";
  }
  const told = {
    ago: (at, ms) => (Math.abs(ms) < 1000 ? "just now" : ms > 0 ? `${rough(ms)} ago` : `in ${rough(-ms)}`),
    age: (at, ms) => rough(ms),
    clock: (at) => today(at, clock(at)),
    exact: (at) => today(at, `${clock(at)}.${two(at.getMilliseconds(), 3)}`),
  };
  function tick(within = document) {
    for (const element of all("time[data-time]", within)) {
      const at = new Date(element.dateTime);
      const tell = told[element.dataset.time];
      if (!tell || Number.isNaN(at.getTime())) continue;
      const text = tell(at, serverNow() - at.getTime());
      if (element.textContent !== text) element.textContent = text;
    }
  }
  setInterval(() => { if (!document.hidden) tick(); }, 1000);

  // --- facts that change by themselves are asked for again, while somebody looks
  setInterval(() => {
    if (document.hidden || root.dataset.refresh === "paused") return;
    for (const element of all("[data-tick]")) htmx.trigger(element, "tick");
  }, 10000);

  // --- theme: the system's, or this browser's choice, which the server reads from the cookie
  const systemTheme = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const theme = () => root.dataset.theme || systemTheme();
  const otherTheme = () => (theme() === "dark" ? "light" : "dark");
  function nameTheme() {
    for (const button of all("[data-theme-toggle]")) {
      button.hidden = false;
      button.textContent = otherTheme() === "dark" ? "Dark" : "Light";
    }
  }
  function toggleTheme() {
    const wanted = otherTheme();
    const forget = wanted === systemTheme();
    if (forget) delete root.dataset.theme; else root.dataset.theme = wanted;
    document.cookie = `toril_theme=${forget ? "" : wanted}; path=/; max-age=${forget ? 0 : 31536000}; samesite=lax`;
    nameTheme();
  }

  // --- the socket: live, or lost and since when
  let lastNews = new Date(serverNow());
  function socket(state) {
    for (const element of all("[data-socket]")) {
      if (element.dataset.socket === "open" && state === "closed") lastNews = new Date(serverNow());
      element.dataset.socket = state;
      for (const time of all("[data-last-news]", element)) time.textContent = today(lastNews, clock(lastNews));
    }
  }
  document.addEventListener("htmx:ws:after:connection", () => socket("open"));
  document.addEventListener("htmx:ws:close", (event) => {
    socket("closed");
    // Signed out or no longer permitted: the whole page goes where the server sends it, though not at once where it
    // has only just been let in: it might come back here over and over.
    const rest = Math.max(0, 5000 - performance.now());
    if (event.detail.code === 4401 || event.detail.code === 4403) setTimeout(() => location.reload(), rest);
  });

  // --- changed numbers: tinted once; compared before the swap, for afterwards the old ones are gone
  const figure = (element, name) => (element.dataset?.n === name ? element : element.querySelector?.(`[data-n="${name}"]`));
  document.addEventListener("htmx:before:swap", (event) => {
    for (const task of event.detail.tasks || []) {
      const target = typeof task.target === "string" ? document.querySelector(task.target) : task.target;
      if (!target || !task.fragment) continue;
      // Morphing an equal element fires nothing in htmx, so the arrival itself is the event.
      if (target.id === "job-moved") htmx.trigger("#job", "moved");
      for (const fresh of all("[data-n]", task.fragment)) {
        const old = figure(target, fresh.dataset.n);
        if (old && old.dataset.value !== fresh.dataset.value) fresh.classList.add("changed");
      }
    }
  });
  document.addEventListener("animationend", (event) => event.target.classList.remove("changed"));

  // --- totals over the rows this page holds; pushed rows carry no sums
  function sum() {
    for (const total of all("[data-total]")) {
      let value = 0;
      for (const cell of all(`tr [data-n="${total.dataset.total}"]`)) value += Number(cell.dataset.value);
      const text = value.toLocaleString("en-US");
      if (total.textContent !== text) total.textContent = text;
    }
  }
  // --- a list stays as it was drawn; what changed since waits behind a link
  function sinceDrawn() {
    for (const hint of all("[data-drawn]")) {
      const count = document.querySelector(`#tabs [data-n="${hint.dataset.state}"]`);
      const left = Number(hint.dataset.drawn) - all("#list tr.moved").length; // what this page moved itself is no news
      const more = count ? Number(count.dataset.value) - left : 0;
      hint.hidden = more === 0;
      hint.textContent = more > 0 ? `${more.toLocaleString("en-US")} new` : "Changed since";
    }
  }

  // --- find: filters what is on the page; the form does the same without script
  function find() {
    const field = document.querySelector("[data-find]");
    const wanted = field ? field.value.trim().toLowerCase() : "";
    for (const element of all("[data-name]")) element.hidden = !element.dataset.name.toLowerCase().includes(wanted);
    for (const none of all("[data-none-found]")) none.hidden = !wanted || !!document.querySelector("tr[data-name]:not([hidden])");
  }
  function refresh() { tick(); find(); sum(); sinceDrawn(); nameTheme(); }
  document.addEventListener("htmx:after:swap", refresh);

  document.addEventListener("input", (event) => { if (event.target.matches("[data-find]")) find(); });
  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("[data-find]");
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && field && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === "Escape" && event.target === field) {
      field.value = "";
      find();
      field.blur();
    } else if (event.key === "Enter" && event.target === field && field.value.trim()) {
      const first = document.querySelector("#side [data-name]:not([hidden]) a");
      if (first) { event.preventDefault(); location.href = first.href; }
    } else if (event.key === "Escape") {
      for (const menu of all("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
    }
  });

  // --- clicks
  let opener = null;
  document.addEventListener("click", (event) => {
    const at = event.target.closest("[data-theme-toggle], [data-copy], [data-dismiss], [data-opens]");
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    if (!at) return;
    if (at.matches("[data-opens]")) opener = at;
    if (at.matches("[data-theme-toggle]")) toggleTheme();
    if (at.matches("[data-copy]")) copy(at);
    if (at.matches("[data-dismiss]")) {
      event.preventDefault();
      document.getElementById(at.dataset.dismiss)?.replaceChildren();
      opener?.isConnected && opener.focus();
    }
  });
  async function copy(button) {
    const source = button.closest("section")?.querySelector("pre");
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch { // no permission, or not a secure context: select it, so that one key copies
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  // --- no answer at all: said in one place, with what it means
  document.addEventListener("htmx:error", (event) => {
    const place = document.getElementById("notices");
    if (!place || !event.detail.ctx) return;
    const line = document.createElement("p");
    line.className = "notice bad";
    line.textContent = "The server did not answer, so what was asked may or may not have been done. Look again before repeating it.";
    place.replaceChildren(line);
  });

  document.addEventListener("change", (event) => { // a select that shows or hides what depends on it
    const field = event.target.closest("[data-shows]");
    if (field) document.getElementById(field.dataset.shows).hidden = field.value !== field.dataset.when;
  });
  refresh();
  document.querySelector("#queues-nav [aria-current]")?.scrollIntoView({ block: "nearest" });
})();
