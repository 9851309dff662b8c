/* A job's log: follows while the job runs and somebody looks, keeps its end in sight, loads what was before on demand. */
(() => {
  "use strict";
  const MOST = 5000; // lines kept on the page; the rest is a click away
  const EVERY_MS = 2000;
  let isFollowing = true, isAsking = false, waiting = 0;
  const section = () => document.getElementById("logs");
  const list = () => document.querySelector("#log-lines .log");
  const isFiltered = () => !!document.getElementById("log-lines")?.dataset.find;
  const lines = () => list()?.children || [];
  const last = () => Number(lines()[lines().length - 1]?.dataset.n || 0);

  async function part(query) {
    const answer = await fetch(section().dataset.log + (section().dataset.log.includes("?") ? "&" : "?") + query, {
      headers: { "HX-Request": "true" }, credentials: "same-origin",
    });
    if (!answer.ok) return [];
    const held = new DOMParser().parseFromString(await answer.text(), "text/html");
    return Object.assign([...held.querySelectorAll(".log > li")], { earlier: held.querySelector("[data-earlier]") });
  }
  const isAtEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40;

  async function catchUp() {
    const here = section();
    if (!here || isAsking || isFiltered() || document.hidden) return;
    const total = Number(here.dataset.lines), isTrimmed = last() > total;
    // A job that keeps only its last lines numbers them anew: there the end itself must be looked at.
    if (!isTrimmed && total <= last() && !("kept" in here.dataset)) return;
    if (!isFollowing) return say(total - last());
    isAsking = true;
    try {
      const log = list(), stick = isAtEnd(log);
      if (isTrimmed || "kept" in here.dataset) replace(log, await part("end=1"));
      else append(log, await part(`after=${last()}`));
      while (log.children.length > MOST && stick) log.firstElementChild.remove();
      if (stick) log.scrollTop = log.scrollHeight;
    } finally { isAsking = false; }
  }
  function append(log, fresh) {
    if (fresh.length && last() && Number(fresh[0].dataset.n) > last() + 1) log.append(gap());
    log.append(...fresh);
  }
  function gap() {
    const line = document.createElement("li");
    line.className = "gap";
    line.textContent = "…";
    return line;
  }
  function replace(log, fresh) {
    const old = lines()[lines().length - 1]?.textContent;
    if (fresh.length && (fresh.at(-1).textContent !== old || fresh.length !== log.children.length)) log.replaceChildren(...fresh);
  }
  function say(count) {
    waiting = Math.max(count, 0);
    const button = document.querySelector("[data-follow]");
    if (button) button.dataset.waiting = waiting ? `${waiting.toLocaleString()} ${button.dataset.new}` : "";
  }
  async function earlier(link) {
    const first = list().firstElementChild, log = list(), height = log.scrollHeight;
    if (isAsking || !first) return;
    isAsking = true;
    try {
      const found = await part(`before=${first.dataset.n}`);
      first.before(...found);
      log.scrollTop += log.scrollHeight - height;
      found.earlier ? link.replaceWith(found.earlier) : link.remove();
    } finally { isAsking = false; }
  }
  document.addEventListener("click", async (event) => {
    const at = event.target.closest?.("[data-earlier], [data-follow], [data-copy-log]");
    if (!at) return;
    if (at.matches("[data-earlier]")) { event.preventDefault(); await earlier(at); }
    if (at.matches("[data-follow]")) {
      isFollowing = !isFollowing;
      at.setAttribute("aria-pressed", String(isFollowing));
      if (isFollowing) { say(0); list().scrollTop = list().scrollHeight; await catchUp(); }
    }
    if (at.matches("[data-copy-log]")) {
      const was = at.textContent;
      try {
        await navigator.clipboard.writeText([...lines()].map((line) => line.querySelector("span")?.textContent ?? "").join("\n"));
        at.textContent = at.dataset.copied;
        setTimeout(() => { at.textContent = was; }, 1500);
      } catch { getSelection().selectAllChildren(list()); }
    }
  });
  let drawn = list();
  document.addEventListener("htmx:after:swap", () => {
    const log = list();
    if (log && log !== drawn) log.scrollTop = log.scrollHeight; // filtered, or no longer so
    drawn = log;
    keepPressed();
    catchUp();
  });
  document.addEventListener("visibilitychange", catchUp);
  function keepPressed() { document.querySelector("[data-follow]")?.setAttribute("aria-pressed", String(isFollowing)); }
  setInterval(() => { if (section() && "kept" in section().dataset && section().hasAttribute("data-active")) catchUp(); }, EVERY_MS);
  if (list()) list().scrollTop = list().scrollHeight;
  catchUp();
})();
