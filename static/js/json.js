/* Stored JSON on a job's page: a tree walked by keys, folded, searched, and copied value by value or path by path.
   The server draws every row; numbers are never parsed here, only strings and keys are (JSON.parse of their token). */
(() => {
  "use strict";
  document.documentElement.classList.add("scripted");
  const level = (row) => Number(row.dataset.d || row.getAttribute("aria-level"));
  const isItem = (row) => row?.getAttribute("role") === "treeitem";
  const visible = (tree) => [...tree.querySelectorAll('[role="treeitem"]:not([hidden])')];
  const treeOf = (row) => row.closest('[role="tree"]');

  // --- folding: the rows are flat; what lies under one follows it until its own level comes back
  function* under(row) {
    for (let next = row.nextElementSibling; next && level(next) > level(row); next = next.nextElementSibling) yield next;
  }
  function closing(row) {
    const rows = [...under(row)];
    const end = (rows.at(-1) || row).nextElementSibling;
    return end && !isItem(end) && level(end) === level(row) ? end : null;
  }
  function fold(row, isFolded) {
    if (!row.hasAttribute("aria-expanded")) return;
    row.setAttribute("aria-expanded", String(!isFolded));
    let skip = Infinity, count = 0;
    for (const each of under(row)) {
      if (level(each) <= skip) skip = Infinity;
      each.hidden = isFolded || skip < Infinity;
      count += isItem(each);
      // What was folded inside stays folded.
      if (!isFolded && skip === Infinity && each.getAttribute("aria-expanded") === "false") skip = level(each);
    }
    const end = closing(row);
    if (end) end.hidden = isFolded;
    if (isFolded) row.dataset.folded = ` … ${count.toLocaleString()} ${end ? end.textContent.trim() : ""}`; else delete row.dataset.folded;
    hideEnds(treeOf(row));
  }
  function hideEnds(tree) { // a closing bracket inside what is folded has no level of its own to be hidden by
    for (const row of tree.querySelectorAll('[aria-expanded="false"]:not([hidden])')) {
      const end = closing(row);
      if (end) end.hidden = true;
    }
  }
  function reveal(row) {
    for (let parent = above(row); parent; parent = above(parent)) if (parent.getAttribute("aria-expanded") === "false") fold(parent, false);
  }
  function above(row) {
    for (let before = row.previousElementSibling; before; before = before.previousElementSibling) {
      if (isItem(before) && level(before) < level(row)) return before;
    }
    return null;
  }

  // --- what a row is called, and what it holds
  const key = (row) => row.querySelector(".key")?.textContent;
  function step(row) {
    if (row.dataset.i !== undefined) return `[${row.dataset.i}]`;
    const stored = key(row);
    if (!stored) return "";
    let name = stored;
    try { name = JSON.parse(stored); } catch { return `[${stored}]`; }
    return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${stored}]`;
  }
  function path(row) {
    let told = "";
    for (let at = row; at; at = above(at)) told = step(at) + told;
    return row.closest("[data-root]").dataset.root + told;
  }
  function value(row) {
    const rows = [row, ...under(row), closing(row)].filter(Boolean);
    const body = row.cloneNode(true);
    for (const extra of body.querySelectorAll(".key, .tools, .left")) extra.remove();
    const first = body.textContent.replace(/^\s*(: )?/, "");
    const text = (first + rows.slice(1).map((each) => each.textContent).join("")).trimEnd().replace(/,$/, "");
    if (!text.startsWith('"')) return text;
    try { return JSON.parse(text); } catch { return text; }
  }

  // --- the row at hand: its path and two buttons stand in it
  const tools = document.createElement("span");
  tools.className = "tools";
  const [at, copyValue, copyPath] = ["code", "button", "button"].map((kind) => document.createElement(kind));
  for (const button of [copyValue, copyPath]) { button.type = "button"; button.className = "btn plain"; }
  tools.append(at, copyValue, copyPath);
  function choose(row, moveFocus) {
    const tree = treeOf(row);
    for (const old of tree.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
    row.tabIndex = 0;
    const words = document.getElementById("json-words").dataset;
    [copyValue.textContent, copyPath.textContent] = [words.value, words.path];
    at.textContent = path(row);
    row.append(tools);
    if (moveFocus) row.focus();
  }
  async function copy(text, button) {
    const was = button.textContent, words = document.getElementById("json-words").dataset;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = words.copied;
    } catch { // not a secure context: selected, so that one key copies
      getSelection().selectAllChildren(button === copyPath ? at : tools.parentElement);
      button.textContent = words.selected;
    }
    setTimeout(() => { button.textContent = was; }, 1500);
  }
  document.addEventListener("click", (event) => {
    if (event.target === copyValue) return copy(value(tools.parentElement), copyValue);
    if (event.target === copyPath) return copy(at.textContent, copyPath);
    const row = event.target.closest?.('[role="treeitem"]');
    if (!row || event.target.closest(".tail") || getSelection().toString()) return;
    choose(row, true);
    if (!event.target.closest(".tools")) fold(row, row.getAttribute("aria-expanded") === "true");
  });
  document.addEventListener("focusin", (event) => { if (isItem(event.target)) choose(event.target); });
  document.addEventListener("keydown", (event) => {
    const row = event.target;
    if (!isItem(row) || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = visible(treeOf(row)), here = rows.indexOf(row), open = row.getAttribute("aria-expanded");
    const go = {
      ArrowDown: () => rows[here + 1], ArrowUp: () => rows[here - 1], Home: () => rows[0], End: () => rows.at(-1),
      ArrowRight: () => (open === "false" ? (fold(row, false), row) : open === "true" ? rows[here + 1] : row),
      ArrowLeft: () => (open === "true" ? (fold(row, true), row) : above(row) || row),
      Enter: () => (open && fold(row, open === "true"), row), " ": () => (open && fold(row, open === "true"), row),
      c: () => (copy(value(row), copyValue), row), p: () => (copy(at.textContent, copyPath), row),
    }[event.key];
    if (!go) return;
    event.preventDefault();
    event.stopPropagation();
    const next = go();
    if (next) choose(next, true);
  }, true);

  // --- search within one field: plain text, over the rows that are here
  const found = new WeakMap();
  function search(form, by) {
    const card = form.closest(".payload"), tree = card.querySelector('[role="tree"]'), output = form.querySelector("output");
    const wanted = form.querySelector("input").value.toLowerCase();
    for (const old of tree.querySelectorAll(".hit, .here")) old.classList.remove("hit", "here");
    tools.remove();
    const hits = wanted ? [...tree.children].filter((row) => isItem(row) && row.textContent.toLowerCase().includes(wanted)) : [];
    for (const hit of hits) hit.classList.add("hit");
    const last = found.get(form) || { wanted: "", at: 0 };
    const now = wanted === last.wanted ? (last.at + by + hits.length) % (hits.length || 1) : 0;
    found.set(form, { wanted, at: now });
    output.textContent = !wanted ? "" : hits.length ? `${(now + 1).toLocaleString()} ${output.dataset.of} ${hits.length.toLocaleString()}` : output.dataset.none;
    if (!hits.length) return;
    reveal(hits[now]);
    hits[now].classList.add("here");
    hits[now].scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("input", (event) => { const form = event.target.closest(".payload .search"); if (form) search(form, 0); });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest(".payload .search");
    if (form) { event.preventDefault(); search(form, 1); }
  });
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.(".payload .search");
    if (form && event.key === "Enter" && event.shiftKey) { event.preventDefault(); search(form, -1); }
    if (form && event.key === "Escape") { event.stopPropagation(); toggle(form.closest(".payload").querySelector("[data-search]")); }
  }, true);
  function toggle(button) {
    const form = button.closest(".payload").querySelector(".search");
    form.hidden = !form.hidden;
    button.setAttribute("aria-expanded", String(!form.hidden));
    const field = form.querySelector("input");
    if (form.hidden) { field.value = ""; search(form, 0); button.focus(); } else field.focus();
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-search], .search [data-step='-1']");
    if (button) button.matches("[data-search]") ? toggle(button) : search(button.form, -1);
  });

  // --- told anew: what is drawn alike stays untouched, with its folds and what was loaded; the new state is said
  document.addEventListener("htmx:before:swap", (event) => {
    for (const task of event.detail.tasks || []) {
      for (const fresh of task.fragment?.querySelectorAll("[data-same]") || []) {
        const old = document.getElementById(fresh.id);
        if (old?.dataset.same) old.toggleAttribute("hx-morph-skip", old.dataset.same === fresh.dataset.same);
      }
      const job = task.fragment?.querySelector("#job"), before = document.getElementById("job");
      if (job && before && job.dataset.state !== before.dataset.state) document.getElementById("said").textContent = job.dataset.said;
    }
  });
})();
