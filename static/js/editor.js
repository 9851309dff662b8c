/* The editor of a JSON value: a textarea that grows, indents, leads to a mistake, and is not lost by accident. Checking
   and formatting are the server's: no number of a payload ever becomes one of JavaScript's. */
(() => {
  "use strict";
  const editors = () => document.querySelectorAll("textarea[data-editor]");
  const isChanged = (area) => area.value !== area.defaultValue;

  function fit(area) {
    const lines = area.value.split("\n").length;
    area.rows = Math.min(Math.max(lines + 1, 6), 28);
  }
  function ready() {
    for (const area of editors()) fit(area);
    for (const hint of document.querySelectorAll("[data-zone-hint]")) {
      hint.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    }
  }

  function insert(area, text) { // through the browser, so that its own undo knows of it
    if (!document.execCommand("insertText", false, text)) area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
  document.addEventListener("keydown", (event) => {
    const area = event.target.closest?.("textarea[data-editor]");
    if (!area) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      area.form.requestSubmit(area.form.querySelector("button.first"));
    } else if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      const before = area.value.slice(0, area.selectionStart);
      const indent = /[^\n]*$/.exec(before)[0].match(/^ */)[0];
      event.preventDefault();
      insert(area, `\n${indent}${/[[{]\s*$/.test(before) ? "  " : ""}`);
    }
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches?.("textarea[data-editor]")) fit(event.target);
    if (event.target.matches?.('input[type="datetime-local"]')) {
      for (const twin of document.querySelectorAll(`[data-utc-of="${event.target.id}"]`)) {
        const at = new Date(event.target.value);
        twin.value = Number.isNaN(at.getTime()) ? "" : at.toISOString();
      }
    }
  });

  document.addEventListener("click", (event) => {
    const to = event.target.closest?.("[data-goto]");
    const area = to && to.form?.querySelector("textarea[data-editor]");
    if (area) {
      const [line, column] = to.dataset.goto.split(":").map(Number);
      const at = area.value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1;
      area.focus();
      area.setSelectionRange(at, at + 1);
      area.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(area).lineHeight));
    }
    if (event.target.closest?.(".menu-list a, .menu-list button")) event.target.closest("details").open = false;
  });

  // What was typed is not lost by a click on a link. A form that is sent is not held up.
  let isSent = false;
  document.addEventListener("submit", () => { isSent = true; });
  document.addEventListener("htmx:after:swap", () => { isSent = false; ready(); });
  window.addEventListener("beforeunload", (event) => {
    if (!isSent && [...editors()].some(isChanged)) event.preventDefault();
  });
  ready();
})();
