/* Keys: the palette (Ctrl or ⌘ K), the sheet (?), g and a letter to a page, / into the search box. Single keys do nothing
   while somebody types, in a dialog, with a modifier, or where they are turned off. */
(() => {
  "use strict";
  const root = document.documentElement;
  const palette = document.getElementById("palette");
  const sheet = document.getElementById("keys-sheet");
  if (!palette) return;
  const field = palette.querySelector("[role=combobox]");
  const list = palette.querySelector("[role=listbox]");
  const act = document.getElementById("palette-act");
  const words = JSON.parse(root.dataset.words || "{}");

  // --- the palette: the field keeps the focus, the list is moved through by aria-activedescendant
  const options = () => [...list.querySelectorAll("[role=option][data-url]")];
  const chosen = () => list.querySelector("[role=option][aria-selected=true]");
  function choose(option) {
    for (const other of list.children) other.setAttribute("aria-selected", String(other === option));
    if (option) field.setAttribute("aria-activedescendant", option.id); else field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }
  function move(by) {
    const all = options();
    if (all.length) choose(all[(all.indexOf(chosen()) + by + all.length) % all.length]);
  }
  function open() {
    if (palette.open) return;
    sheet.close();
    palette.showModal();
    field.select();
    htmx.trigger(field, "look");
  }
  function go(option) {
    if (!option?.dataset.url) return;
    if (!option.dataset.fields) { location.href = option.dataset.url; return; }
    const fields = JSON.parse(option.dataset.fields);
    act.action = option.dataset.url;
    for (const [name, value] of Object.entries({ back: location.pathname + location.search, ...fields })) {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name, value });
      act.append(input);
    }
    act.submit();
  }
  document.addEventListener("htmx:after:swap", (event) => {
    if (!palette.open || !list.isConnected) return;
    choose(chosen() ?? options()[0]);
    const count = options().length;
    const told = count ? words.found.replace("%(count)s", count) : words.nothing_found;
    if (event.detail?.ctx?.sourceElement === field) document.dispatchEvent(new CustomEvent("toril:say", { detail: told }));
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); move(step); }
    if (event.key === "Home" && !field.value) choose(options()[0]);
    if (event.key === "Enter") { event.preventDefault(); go(chosen()); }
  });
  list.addEventListener("pointermove", (event) => { const at = event.target.closest("[data-url]"); if (at && at !== chosen()) choose(at); });
  list.addEventListener("click", (event) => go(event.target.closest("[data-url]")));
  palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
  sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-palette]") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    open();
  });

  // --- single keys
  const WAIT_MS = 1500;
  let wentAt = 0;
  const isTyping = (at) => !!at.closest?.("input, textarea, select, [contenteditable], dialog[open]");
  function single(event) {
    if (event.key === "?") { sheet.showModal(); return true; }
    if (event.key === "/") {
      const box = document.getElementById("seek");
      box?.focus();
      box?.select();
      return !!box;
    }
    if (Date.now() - wentAt < WAIT_MS) {
      wentAt = 0;
      const link = document.querySelector(`#side [data-key="${CSS.escape(event.key)}"]`);
      if (link) location.href = link.href;
      return !!link;
    }
    if (event.key === "g") wentAt = Date.now();
    return event.key === "g";
  }
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    } else if (root.dataset.keys === "on" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target) && single(event)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);
})();
