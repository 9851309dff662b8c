/* The box on every page: what may be meant while one types. Enter searches for what is typed; an arrow chooses first. */
(() => {
  "use strict";
  const box = document.getElementById("seek");
  const list = document.getElementById("seek-list");
  if (!box || !list) return;
  const words = JSON.parse(document.documentElement.dataset.words || "{}");
  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  let isClosed = false; // by Escape: what was asked for before must not open it again
  function show(is) {
    const open = is && options().length > 0;
    list.hidden = !open;
    box.setAttribute("aria-expanded", String(open));
    if (!open) choose(null);
  }
  function choose(option) {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (option) box.setAttribute("aria-activedescendant", option.id); else box.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }
  function move(by) { // the field itself stands between the last and the first
    const all = options();
    const places = all.length + 1;
    const at = all.indexOf(chosen()) + 1;
    choose(all[(at + by + places) % places - 1] ?? null);
  }
  function take(option) {
    if (option.dataset.url) { location.href = option.dataset.url; return; }
    isClosed = false;
    box.value = option.dataset.fill;
    box.setSelectionRange(box.value.length, box.value.length);
    box.focus();
    htmx.trigger(box, "look");
  }
  // In the middle of a query the last word is not what is meant.
  const isAtEnd = () => box.selectionStart === box.value.length;

  box.addEventListener("focus", () => { isClosed = false; htmx.trigger(box, "look"); });
  box.addEventListener("input", () => { isClosed = false; });
  box.addEventListener("blur", () => show(false));
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail?.ctx?.sourceElement !== box) return;
    choose(chosen());
    show(!isClosed && document.activeElement === box && isAtEnd());
    const told = words.suggestions?.replace("%(count)s", options().length);
    if (!list.hidden && box.value) document.dispatchEvent(new CustomEvent("toril:say", { detail: told }));
  });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      isClosed = false;
      if (list.hidden) show(true); else move(step);
    } else if (event.key === "Enter" && chosen()) {
      event.preventDefault();
      take(chosen());
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (list.hidden && isClosed) box.blur();
      isClosed = true;
      show(false);
    }
  });
  document.addEventListener("click", (event) => { // a download leaves the page, and the menu, where they are
    const menu = event.target.closest("details.menu a[download]")?.closest("details");
    if (menu) menu.open = false;
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
})();
