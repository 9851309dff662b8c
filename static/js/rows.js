/* The lines of a list: ticks with ranges, keys, unfolding, columns, and how many are new. The server draws and decides. */
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const lines = () => all("[data-rows] tbody tr[data-row]");
  const lineAt = (element) => element.closest?.("tr[data-row]");
  const boxOf = (line) => line?.querySelector("[data-pick]");

  // --- ticks
  let anchor = null; // the line ticked last: a range begins there
  function count() {
    const boxes = all("[data-pick]");
    const picked = boxes.filter((box) => box.checked).length;
    for (const button of all("[data-needs-pick]")) button.disabled = picked === 0;
    for (const place of all("[data-picked]")) {
      const text = picked ? place.dataset.some.replace("%s", picked.toLocaleString()) : place.dataset.none;
      if (place.textContent !== text) place.textContent = text;
    }
    for (const box of all("[data-pick-page]")) {
      box.hidden = boxes.length === 0;
      box.checked = picked > 0 && picked === boxes.length;
      box.indeterminate = picked > 0 && picked < boxes.length;
    }
  }
  function range(line, checked) { // by the places on the page: numbers, never their names
    const shown = lines();
    const from = shown.indexOf(anchor), to = shown.indexOf(line);
    if (from < 0 || to < 0) return;
    for (const each of shown.slice(Math.min(from, to), Math.max(from, to) + 1)) {
      const box = boxOf(each);
      if (box) box.checked = checked;
    }
  }
  function picked(line, box, isRange) {
    if (isRange && anchor && anchor.isConnected) range(line, box.checked);
    anchor = line;
    count();
  }
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[data-pick]");
    if (box) picked(lineAt(box), box, event.shiftKey);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-page]")) {
      for (const box of all("[data-pick]")) box.checked = event.target.checked;
      count();
    }
  });

  // --- unfolding: the first click fetches (htmx), the next folds
  const isUnfolded = (line) => line.nextElementSibling?.matches("tr.more");
  function fold(line) {
    line.nextElementSibling.remove();
    line.querySelector("[data-expand]")?.setAttribute("aria-expanded", "false");
  }
  document.addEventListener("click", (event) => {
    const chevron = event.target.closest("[data-expand]");
    const line = chevron && lineAt(chevron);
    if (!line || event.ctrlKey || event.metaKey) return;
    if (isUnfolded(line)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      fold(line);
    } else chevron.setAttribute("aria-expanded", "true");
  }, true);

  // --- keys on lines
  function go(step) {
    const shown = lines();
    const here = shown.indexOf(lineAt(document.activeElement));
    const next = shown[here < 0 ? (step > 0 ? 0 : shown.length - 1) : here + step];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
  function tick(line, isRange) {
    const box = boxOf(line);
    if (!box) return;
    box.checked = !box.checked;
    picked(line, box, isRange);
  }
  const KEYS = {
    j: () => go(1),
    k: () => go(-1),
    x: (line) => tick(line, false),
    X: (line) => tick(line, true),
    o: (line) => line?.querySelector("td.id a:not([data-expand])")?.click(),
    r: (line) => {
      const ticked = all("[data-pick]:checked").length > 0;
      const button = ticked ? one("#selection [value=retry]") : line?.querySelector('form[action*="action=retry"] button');
      button?.click();
    },
  };
  document.addEventListener("keydown", (event) => {
    if (document.documentElement.dataset.keys === "off" || event.defaultPrevented) return;
    if (event.ctrlKey || event.metaKey || event.altKey || !one("[data-rows]") || one("dialog[open]")) return;
    const at = event.target;
    if (at.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    if (event.key === "Enter" && at.matches?.("tr[data-row]")) {
      event.preventDefault();
      at.querySelector("[data-expand]")?.click();
    } else if (event.key === "Escape" && lineAt(at) && isUnfolded(lineAt(at))) fold(lineAt(at));
    else if (KEYS[event.key]) {
      const line = lineAt(at);
      if (!line && !"jkr".includes(event.key)) return;
      event.preventDefault();
      KEYS[event.key](line);
    }
  });

  // --- a list stays as it was drawn; what came since waits behind a link, announced at most every few seconds
  const REST_MS = 5000;
  let saidAt = 0, later = 0;
  function since() {
    const link = one("[data-since]");
    if (!link) return;
    const shown = one(`#tabs [data-n="${link.dataset.state}"]`);
    if (!shown) return;
    const wait = saidAt + REST_MS - Date.now();
    if (wait > 0) {
      if (!later) later = setTimeout(() => { later = 0; since(); }, wait);
      return;
    }
    const moved = all("#list tr.moved").length; // what this page moved itself is no news
    const more = Number(shown.dataset.value) - (Number(link.dataset.since) - moved);
    const text = more > 0 ? link.dataset.more.replace("%s", more.toLocaleString()) : link.dataset.fewer;
    if (link.hidden !== (more === 0) || (more !== 0 && link.textContent !== text)) {
      link.textContent = text;
      link.hidden = more === 0;
      saidAt = Date.now();
    }
  }

  // --- columns: kept in a cookie that the server reads, so that no page flashes
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-columns]");
    if (!form) return;
    event.preventDefault();
    const tab = form.dataset.columns;
    const names = all("input[type=checkbox]:checked", form).map((box) => box.value);
    const kept = document.cookie.split("; ").find((part) => part.startsWith("toril_columns="))?.slice(14) || "";
    const others = kept.split("~").filter((part) => part && part.split(".")[0] !== tab);
    const value = [...others, [tab, ...names].join(".")].join("~");
    document.cookie = `toril_columns=${value}; path=/; max-age=31536000; samesite=lax`;
    const to = new URL(location.href);
    to.searchParams.delete("columns");
    location.href = to.href;
  });

  function refresh() { count(); since(); }
  document.addEventListener("htmx:after:swap", refresh);
  refresh();
})();
