/* Arrow keys along a flow's tree. Everything works without them: each line has its link, each parent its disclosure. */
(() => {
  "use strict";
  const lines = () => [...document.querySelectorAll("[data-flow] [data-line]")].filter((line) => line.checkVisibility());
  const MOVES = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    const at = event.target.closest?.("[data-flow] [data-line], [data-flow] .node a");
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = lines(), node = at.closest(".node"), mine = node.querySelector(":scope > .twist > summary, :scope > .line [data-line]") || at;
    const twist = node.querySelector(":scope > details.twist");
    if (event.key in MOVES) {
      const to = Math.min(Math.max(all.indexOf(mine) + MOVES[event.key], 0), all.length - 1);
      all[to]?.focus();
    } else if (event.key === "ArrowRight" && twist) {
      if (twist.open) all[all.indexOf(mine) + 1]?.focus(); else twist.querySelector("summary").click();
    } else if (event.key === "ArrowLeft") {
      if (twist?.open) twist.querySelector("summary").click();
      else node.parentElement.closest(".node")?.querySelector("[data-line]")?.focus();
    } else return;
    event.preventDefault();
  });
})();
