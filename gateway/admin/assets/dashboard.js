// The live parts of the dashboard: when htmx asks again, what is said about it, and the plots.
// Without this file the page is whole; it only does not move.
"use strict";

const REFRESH_MS = 2000;
const TRAFFIC_MS = 10000;

const live = document.getElementById("live");
const updated = document.getElementById("updated");
const pause = document.getElementById("pause");
let paused = false;
let asking = false;
let lostSince = null;

const timeOfDay = (date) => date.toISOString().slice(11, 19);

function tell() {
  updated.parentElement.classList.toggle("lost", lostSince !== null);
  if (lostSince !== null) updated.textContent = `No answer since ${timeOfDay(lostSince)} UTC`;
  else updated.textContent = `${paused ? "Paused at" : "Live,"} ${timeOfDay(new Date())} UTC`;
}

function lost(event) {
  if (lostSince === null) {
    lostSince = new Date();
    const status = event.detail.ctx?.response?.status;
    const what = status ? `The gateway answers with ${status}` : "The gateway does not answer";
    document.getElementById("said").textContent = `${what}: what is shown is old.`;
  }
  tell();
}

function found() {
  if (lostSince !== null) document.getElementById("said").textContent = "The gateway answers again.";
  lostSince = null;
  tell();
}

// Nothing is asked while nobody looks, while somebody chose to read in peace, or before the last answer came.
setInterval(() => {
  if (!paused && !asking && !document.hidden) htmx.trigger(live, "refresh");
}, REFRESH_MS);

document.addEventListener("htmx:before:request", () => { asking = true; });
document.addEventListener("htmx:finally:request", () => { asking = false; });
document.addEventListener("htmx:error", lost);
document.addEventListener("htmx:response:error", lost);
document.addEventListener("htmx:after:request", (event) => {
  if (event.detail.ctx.response.status < 400) found();
});

// Seen in the tab, too.
function count() {
  const problems = document.querySelectorAll(".attention .problem").length;
  document.title = problems ? `(${problems}) slowgate` : "slowgate";
}
document.addEventListener("htmx:after:swap", count);
count();

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  tell();
});
updated.hidden = pause.hidden = false;
tell();

// Plots. The table below them says the same.
const rate = (value) => value == null ? "–" : value < 10 ? String(+value.toFixed(1)) : Math.round(value).toString();
const span = (value) =>
  value == null ? "–" : value < 1000 ? `${value < 10 ? +value.toFixed(1) : Math.round(value)} ms` : `${+(value / 1000).toFixed(2)} s`;

const PLOTS = [
  {
    label: "Exchanges: ended and failed per second, and open",
    axes: { y: rate, other: rate },
    series: [
      { label: "Ended/s", key: "ended_per_second", colour: "--plot-1", value: rate, fill: true },
      { label: "Failed/s", key: "failed_per_second", colour: "--plot-2", value: rate },
      { label: "Open", key: "open", colour: "--plot-3", value: rate, scale: "other", dash: [5, 3] },
    ],
  },
  {
    label: "Time to first byte: p50 and p95",
    axes: { y: span },
    logarithmic: true,
    series: [
      { label: "First byte p50", key: "first_byte_p50_ms", colour: "--plot-1", value: span, points: true },
      { label: "p95", key: "first_byte_p95_ms", colour: "--plot-4", value: span, points: true, dash: [5, 3] },
    ],
  },
];

const STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [10 ** power, 3 * 10 ** power]);
const LEAST_POINTS = 60;

const plots = [];
let traffic = null;

function options(plot, width) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const axes = [
    { ...axis, size: 28, incrs: [60, 120, 300, 600, 900, 1800], values: (_, splits) => splits.map((at) => new Date(at * 1000).toISOString().slice(11, 16)) },
    { ...axis, size: 58, values: (_, splits) => splits.map(plot.axes.y) },
  ];
  if (plot.logarithmic) {
    axes[1].splits = (_, __, low, high) => STEPS.filter((at) => low <= at && at <= high);
    axes[1].filter = (_, splits) => splits;
  }
  if (plot.axes.other) {
    axes.push({ ...axis, scale: "other", side: 1, size: 44, grid: { show: false }, values: (_, splits) => splits.map(plot.axes.other) });
  }
  const round = { distr: 3, range: (_, low, high) => low == null ? [10, 1000] : [low / 2, high * 2] };
  const fromNought = { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] };
  return {
    width,
    height: 190,
    padding: [10, plot.axes.other ? 0 : 22, 0, 0],
    scales: { x: { time: false }, y: plot.logarithmic ? round : fromNought, other: fromNought },
    axes,
    // Where nobody points, the legend has the newest values.
    hooks: { setLegend: [(self) => { if (self.legend.idx == null) self.setLegend({ idx: self.data[0].length - 1 }, false); }] },
    cursor: { drag: { x: false, y: false } },
    series: [
      { label: "UTC", value: (_, at) => (at == null ? "–" : timeOfDay(new Date(at * 1000))) },
      ...plot.series.map((each) => ({
        label: each.label,
        scale: each.scale ?? "y",
        stroke: colour(each.colour),
        fill: each.fill ? colour(each.colour) + "22" : undefined,
        width: 1.5,
        dash: each.dash,
        spanGaps: false,
        points: each.points ? { show: true, size: 4 } : { show: false },
        value: (_, value) => each.value(value),
      })),
    ],
  };
}

// What was before the oldest worker began is left out, but for ten minutes at least.
function columns(plot) {
  const began = traffic.open.findIndex((number) => number !== null);
  const from = Math.max(0, Math.min(began < 0 ? Infinity : began, traffic.time.length - LEAST_POINTS));
  return [traffic.time, ...plot.series.map((each) => traffic[each.key])].map((column) => column.slice(from));
}

function draw() {
  const place = document.getElementById("plot");
  if (!place || traffic === null) return;
  place.replaceChildren();
  plots.length = 0;
  const grid = place.appendChild(document.createElement("div"));
  grid.className = "plots";
  for (const plot of PLOTS) {
    const box = grid.appendChild(document.createElement("div"));
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `Plot of the last hour. ${plot.label}. The table below has the numbers.`);
  }
  PLOTS.forEach((plot, number) => {
    const box = grid.children[number];
    const drawn = new uPlot(options(plot, box.clientWidth), columns(plot), box);
    drawn.setLegend({ idx: drawn.data[0].length - 1 }, false);
    plots.push(drawn);
  });
}

async function ask() {
  if (document.hidden || paused) return;
  try {
    const answer = await fetch("/-/traffic");
    if (!answer.ok) return;
    const first = traffic === null;
    traffic = await answer.json();
    if (first) draw();
    else plots.forEach((each, number) => each.setData(columns(PLOTS[number])));
    plots.forEach((each) => { if (each.cursor.idx == null) each.setLegend({ idx: each.data[0].length - 1 }, false); });
  } catch {
    // The refresh of the page says it.
  }
}

let resizing = null;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(draw, 150);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
document.addEventListener("visibilitychange", ask);
setInterval(ask, TRAFFIC_MS);
ask();
