/* Draws each chart from the table below it, to be hovered and zoomed; the numbers are the table's own. */
(() => {
  "use strict";
  const page = document.getElementById("metrics");
  if (!page || !window.uPlot) return;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const zone = page.dataset.zone;
  const drawn = new Map();
  let zoom = null;

  // --- what stands in the tables
  function read(figure) {
    const table = document.querySelector(`#numbers-${figure.dataset.chart} table`);
    const lines = all("th[data-line]", table).map((head) => ({
      label: head.textContent.trim(),
      dash: head.dataset.dash ? head.dataset.dash.split(" ").map(Number) : [],
      scale: head.dataset.scale || "y",
      colour: getComputedStyle(head.querySelector(".swatch")).color,
    }));
    const rows = all("tbody tr", table).reverse();
    const columns = lines.map((_, at) => rows.map((row) => {
      const value = row.children[at + 1].dataset.v;
      return value === "" ? null : Number(value);
    }));
    return { lines, data: [rows.map((row) => Number(row.dataset.at) / 1000), ...columns] };
  }
  const deploys = () => all("[data-deploy]").map((mark) => ({ at: Number(mark.dataset.deploy), label: mark.querySelector("b").textContent }));

  // --- words
  const three = (value) => (value >= 99.95 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3))));
  function time(value) { // the twin of charts.text_of
    for (const [most, size, unit] of [[1e3, 1, "ms"], [6e4, 1e3, "s"], [3.6e6, 6e4, "min"]]) if (value < most) return `${three(value / size)} ${unit}`;
    return `${three(value / 3.6e6)} h`;
  }
  const number = (value) => (value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en-US") : three(value));
  const words = (scale, unit) => (scale === "age" || unit === "ms" ? time : number);
  const { lang, dataset: { timeFormat = "H:i:s" } } = document.documentElement;
  const isHalved = /[gh]/.test(timeFormat); // Django's letters for twelve hours
  const hours = { hour: isHalved ? "numeric" : "2-digit", minute: "2-digit", hourCycle: isHalved ? "h12" : "h23" };
  const told = (how) => new Intl.DateTimeFormat(lang === "en" && !isHalved ? "en-GB" : lang, { ...how, ...(zone ? { timeZone: zone } : {}) });
  const [clock, day] = [told(hours), told({ day: "numeric", month: "short" })];
  const moment = told({ day: "numeric", month: "short", ...hours });

  // --- drawing
  const ink = (name) => {
    const probe = document.createElement("i");
    page.append(probe);
    probe.className = name;
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  };
  function marks(chart) {
    const { ctx, bbox } = chart;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 14 * ratio, bbox.width, bbox.height + 14 * ratio);
    ctx.clip();
    ctx.strokeStyle = ctx.fillStyle = ink("quiet");
    ctx.lineWidth = ratio;
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    let free = bbox.left;
    for (const deploy of deploys()) {
      const x = Math.round(chart.valToPos(deploy.at, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const label = deploy.label.length > 18 ? `${deploy.label.slice(0, 17)}…` : deploy.label;
      const wide = ctx.measureText(label).width;
      const from = Math.min(x + 3 * ratio, bbox.left + bbox.width - wide);
      if (from < free) continue; // it would lie over the one before; the list below has both
      ctx.fillText(label, from, bbox.top - 3 * ratio);
      free = from + wide + 4 * ratio;
    }
    ctx.restore();
  }
  function options(figure, lines) {
    const unit = figure.dataset.unit;
    const [quiet, faint] = [ink("quiet"), ink("hairline")];
    const axis = (scale, side) => ({
      scale, side, stroke: quiet, size: 62, font: "11px system-ui, sans-serif",
      grid: { show: side === 3, stroke: faint, width: 1 }, ticks: { show: false },
      values: (_, splits) => splits.map((value) => (value === null ? "" : words(scale, unit)(value))),
    });
    const scales = [...new Set(lines.map((line) => line.scale))];
    return {
      width: figure.clientWidth - 16,
      height: 210,
      ...(zone ? { tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), zone) } : {}),
      padding: [16, scales.length > 1 ? 0 : 18, 0, 0],
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 6 }, sync: { key: "metrics", setSeries: false } },
      scales: { x: { time: true }, ...Object.fromEntries(scales.map((scale) => [scale, { range: (_, low, high) => [0, Math.max(high || 0, unit === "n" && scale === "y" ? 1 : 0.1) * 1.08] }])) },
      axes: [
        {
          stroke: quiet, font: "11px system-ui, sans-serif", grid: { show: false }, ticks: { stroke: faint, size: 4 }, size: 34,
          values: (_, splits, __, ___, step) => splits.map((at) => (step < 86400 ? clock : day).format(new Date(at * 1e3))),
        },
        ...scales.map((scale, at) => axis(scale, at ? 1 : 3)),
      ],
      legend: { markers: { width: 2, dash: (_, at) => ({ "": "solid", "1,3": "dotted" })[String(lines[at - 1]?.dash ?? "")] || "dashed" } },
      series: [
        { label: document.querySelector(".numbers th").textContent, value: (_, at) => (at == null ? "" : moment.format(new Date(at * 1e3))) },
        ...lines.map((line) => ({
          label: line.label, scale: line.scale, stroke: line.colour, width: 1.5, dash: line.dash, spanGaps: false,
          points: { show: (chart, at, from, to) => to - from < 3, size: 4 },
          value: (_, value) => (value == null ? "–" : words(line.scale, unit)(value)),
        })),
      ],
      hooks: { draw: [marks], setSelect: [zoomed] },
    };
  }
  function draw(figure) {
    const { lines, data } = read(figure);
    drawn.get(figure)?.destroy();
    drawn.delete(figure);
    const isEmpty = data.slice(1).every((column) => column.every((value) => value === null));
    figure.classList.toggle("is-drawn", !isEmpty);
    if (isEmpty) return;
    drawn.set(figure, new uPlot(options(figure, lines), data, figure.querySelector(".drawn")));
    if (zoom) drawn.get(figure).setScale("x", zoom);
  }
  const redraw = () => all("[data-chart]").forEach(draw);

  // --- zoom: by dragging, all charts together; back by the button or a double click
  function zoomed(chart) {
    if (chart.select.width < 4) return;
    zoom = { min: chart.posToVal(chart.select.left, "x"), max: chart.posToVal(chart.select.left + chart.select.width, "x") };
    for (const other of drawn.values()) other.setScale("x", zoom);
    tell();
  }
  function reset() {
    zoom = null;
    for (const chart of drawn.values()) chart.setScale("x", { min: chart.data[0][0], max: chart.data[0].at(-1) });
    tell();
  }
  function tell() {
    for (const element of all("[data-zoomed]")) element.hidden = !zoom;
  }
  document.addEventListener("click", (event) => { if (event.target.closest("[data-reset-zoom]")) reset(); });
  page.addEventListener("dblclick", (event) => { if (event.target.closest(".u-over")) reset(); });

  // --- new numbers, another width, another theme
  let waiting = 0;
  const soon = (work, ms) => { clearTimeout(waiting); waiting = setTimeout(work, ms); };
  document.addEventListener("htmx:after:swap", () => soon(() => {
    for (const [figure, chart] of drawn) {
      chart.setData(read(figure).data, !zoom);
      if (zoom) chart.setScale("x", zoom);
    }
    for (const figure of all("[data-chart]")) if (!drawn.has(figure)) draw(figure);
  }, 50));
  let wide = page.clientWidth;
  addEventListener("resize", () => { if (page.clientWidth !== wide) soon(() => { wide = page.clientWidth; redraw(); }, 120); });
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  redraw();
})();
