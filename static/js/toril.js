/* Behaviours attached through data-*: times, theme, socket, changed numbers, totals, find, copy, dismiss.
   The server draws everything; this only keeps what is drawn true and near at hand. */
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within = document) => within.querySelectorAll(selector);

  const words = JSON.parse(root.dataset.words || "{}");
  const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);

  // --- times: rendered by the server in the chosen zone, or UTC; told here in the browser's where none was chosen, and
  // kept ticking by the server's clock. Formats are Django's letters.
  const skew = Number(root.dataset.now || Date.now()) - Date.now();
  const serverNow = () => Date.now() + skew;
  const zone = root.dataset.zone || undefined;
  const parts = new Intl.DateTimeFormat(root.lang, { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const named = (at, how) => at.toLocaleDateString(root.lang, { timeZone: zone, ...how });
  const two = (number, width = 2) => String(number).padStart(width, "0");
  function written(at, format) {
    const is = Object.fromEntries(parts.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const half = is.hour % 12 || 12;
    const letters = {
      Y: is.year, y: two(is.year % 100), m: two(is.month), n: is.month, d: two(is.day), j: is.day,
      H: two(is.hour), G: is.hour, h: two(half), g: half, i: two(is.minute), s: two(is.second), A: is.hour < 12 ? "AM" : "PM",
    };
    return format.replace(/[A-Za-z]/g, (letter) => letters[letter] ?? { M: named(at, { month: "short" }), D: named(at, { weekday: "short" }), N: named(at, { month: "short" }) }[letter] ?? letter);
  }
  const { dayFormat = "Y-m-d", timeFormat = "H:i:s" } = root.dataset;
  const day = (at) => written(at, dayFormat);
  const clock = (at) => written(at, timeFormat);
  const today = (at, text) => (day(at) === day(new Date(serverNow())) ? text : `${day(at)} ${text}`);
  const exact = (at) => clock(at).replace(/[\d:.]*\d(?=\D*$)/, (digits) => `${digits}.${two(at.getMilliseconds(), 3)}`);

  const SIZES = [86400000, 3600000, 60000, 1000];
  function rough(ms) { // the twin of moments.rough
    const at = SIZES.findIndex((size) => ms >= size);
    return at < 0 ? `0 ${words.units[3]}` : `${Math.floor(ms / SIZES[at]).toLocaleString("en-US")} ${words.units[at]}`;
  }
  const isAbsolute = root.dataset.dates === "absolute";
  const relative = (ms) => (Math.abs(ms) < 1000 ? words.now : fill(ms > 0 ? words.ago : words.in, { time: rough(Math.abs(ms)) }));
  const told = {
    ago: (at, ms) => (isAbsolute ? today(at, clock(at)) : relative(ms)),
    age: (at, ms) => rough(ms),
    clock: (at) => today(at, clock(at)),
    exact: (at) => today(at, exact(at)),
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

  // --- theme: the system's, or this browser's choice, which the server reads from the cookie
  const systemTheme = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const theme = () => root.dataset.theme || systemTheme();
  const otherTheme = () => (theme() === "dark" ? "light" : "dark");
  function nameTheme() {
    for (const button of all("[data-theme-toggle]")) {
      button.hidden = false;
      button.textContent = words[otherTheme()];
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

  // --- find: filters what is on the page; the form does the same without script
  function find() {
    const field = document.querySelector("input[data-find]");
    const wanted = field ? field.value.trim().toLowerCase() : "";
    for (const element of all("[data-name]")) element.hidden = !element.dataset.name.toLowerCase().includes(wanted);
    for (const none of all("[data-none-found]")) none.hidden = !wanted || !!document.querySelector("tr[data-name]:not([hidden])");
  }
  function refresh() { tick(); find(); sum(); nameTheme(); }
  document.addEventListener("htmx:after:swap", refresh);

  document.addEventListener("input", (event) => { if (event.target.matches("input[data-find]")) find(); });
  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("input[data-find]");
    if (event.key === "Escape" && event.target === field) {
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
  const dismissed = new WeakSet(); // an answer to what was in there comes too late
  document.addEventListener("htmx:before:swap", (event) => {
    if (dismissed.has(event.detail.ctx?.sourceElement?.getRootNode())) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const at = event.target.closest("[data-theme-toggle], [data-copy], [data-dismiss], [data-opens]");
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    if (!at) return;
    if (at.matches("[data-opens]")) opener = at;
    if (at.matches("[data-theme-toggle]")) toggleTheme();
    if (at.matches("[data-copy]")) copy(at);
    const panel = at.matches("[data-dismiss]") && document.getElementById(at.dataset.dismiss);
    if (panel) { // on a page of its own there is none, and the link leads back
      event.preventDefault();
      for (const form of panel.children) dismissed.add(form);
      panel.replaceChildren();
      opener?.isConnected && opener.focus();
    }
  });
  async function copy(button) {
    const source = button.closest("section")?.querySelector("pre");
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = words.copied;
    } catch { // no permission, or not a secure context: select it, so that one key copies
      getSelection().selectAllChildren(source);
      button.textContent = words.selected;
    }
    setTimeout(() => { button.textContent = words.copy; }, 2000);
  }

  // --- no answer at all: said in one place, with what it means
  document.addEventListener("htmx:error", (event) => {
    const place = document.getElementById("notices");
    if (!place || !event.detail.ctx) return;
    const line = document.createElement("p");
    line.className = "notice bad";
    line.textContent = words.silence;
    place.replaceChildren(line);
  });

  // --- what is shown once: a reload leads to where it is kept, and does not send the form again that made it; and such a
  // form is sent once, however often its button is pressed
  const once = document.querySelector("[data-once]");
  if (once) history.replaceState(null, "", once.dataset.once);
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || !event.target.matches("[data-single]")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => { for (const form of all("[data-sent]")) delete form.dataset.sent; });

  document.addEventListener("change", (event) => { // a select that shows or hides what depends on it
    const field = event.target.closest("[data-shows]");
    if (field) document.getElementById(field.dataset.shows).hidden = field.value !== field.dataset.when;
  });
  refresh();
  document.querySelector("#queues-nav [aria-current]")?.scrollIntoView({ block: "nearest" });
})();
