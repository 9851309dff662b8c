/* How live a page is: paused or slower by choice, silent while nobody looks, calm under the pointer; and what is said
   aloud of it, in one polite place, never in a stream. */
(() => {
  "use strict";
  const root = document.documentElement;
  const words = JSON.parse(root.dataset.words || "{}");
  const isPaused = () => root.dataset.refresh === "paused";

  // --- what changes by itself is said to who cannot see it: the latest alone, and not more often than this
  const SAY_EVERY_MS = 4000;
  let unsaid = "", isResting = false;
  function say(text) {
    unsaid = text;
    if (!isResting) speak();
  }
  function speak() {
    const place = document.getElementById("said");
    if (place && unsaid) place.textContent = unsaid;
    isResting = !!unsaid;
    unsaid = "";
    if (isResting) setTimeout(speak, SAY_EVERY_MS);
  }
  document.addEventListener("toril:say", (event) => say(event.detail));

  // --- paused: no socket and no asking; what was missed comes with the socket's address when it goes on
  document.addEventListener("htmx:ws:before:connection", (event) => { if (isPaused()) event.preventDefault(); });
  function reconnect() {
    const old = document.getElementById("socket");
    if (!old) return;
    // A socket whose element has left the page is not opened again; the new element's is, unless it is paused.
    const fresh = old.cloneNode(false);
    const open = old._htmx?.ws?.connection?.socket;
    old.replaceWith(fresh);
    open?.close(1000);
    htmx.process(fresh);
  }
  function pace(chosen) {
    root.dataset.refresh = chosen;
    const isOff = chosen === "paused";
    for (const form of document.querySelectorAll("[data-pace]")) {
      form.elements.refresh.value = isOff ? "live" : "paused";
      form.querySelector("button").firstChild.textContent = isOff ? words.go_on : words.pause;
    }
    reconnect();
    if (!isOff) for (const element of document.querySelectorAll("[data-poll]")) htmx.trigger(element, "every");
    say(isOff ? words.paused : words.live);
  }
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-pace]");
    if (!form) return;
    event.preventDefault();
    const chosen = form.elements.refresh.value;
    fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
    pace(chosen);
  }, true);

  // --- parts that ask for themselves anew: not while nobody sees them, nor oftener than was chosen
  const every = Number(root.dataset.every || 0) * 1000;
  const asked = new WeakMap();
  document.addEventListener("every", (event) => {
    const isOver = !event.target.matches("[data-poll]"); // drawn anew without it; htmx's timer goes on
    const isEarly = Date.now() - (asked.get(event.target) ?? 0) < every;
    if (isOver || document.hidden || isPaused() || isEarly) event.stopImmediatePropagation();
    else asked.set(event.target, Date.now());
  }, true);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !isPaused()) for (const element of document.querySelectorAll("[data-poll]")) htmx.trigger(element, "every");
  });

  // --- rows that come, go or change places wait until the pointer and the focus are elsewhere; figures do not
  const order = (within) => [...within.querySelectorAll("[data-row]")].map((row) => row.id).join(" ");
  const held = (target) => target.querySelector("tbody:hover, tbody:focus-within");
  document.addEventListener("htmx:before:swap", (event) => {
    for (const task of event.detail.tasks || []) {
      const target = typeof task.target === "string" ? document.querySelector(task.target) : task.target;
      const isOwn = event.detail.ctx?.sourceElement === target;
      if (!isOwn || !target?.matches?.("[data-poll]") || !task.fragment || !held(target)) continue;
      if (order(target) !== order(task.fragment)) event.preventDefault();
    }
  });

  // --- lost and found again
  document.addEventListener("htmx:ws:close", () => { if (!document.hidden && !isPaused()) say(words.lost); });
  document.addEventListener("htmx:ws:after:connection", () => say(words.live));
})();
