#include "page.hpp"

namespace terramill::report {

std::string page_style() {
  return R"(:root { color-scheme: light dark; --paper: #ffffff; --card: #ffffff; --line: #d8dde3; --accent: #0067a8; --set: #eef5fb; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181c; --card: #1a1f24; --line: #343b43; --accent: #5cb8f0; --set: #1d2b38; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
a { color: var(--accent); }
a:focus-visible, .scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
h1 { font-size: clamp(1.6rem, 1.2rem + 1.6vw, 2.2rem); line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: 0 0 .75rem; max-width: 46rem; }
.over { color: var(--muted); margin: 0 0 .25rem; font-size: .9rem; }
.lede { font-size: 1.05rem; margin: .5rem 0 1.25rem; }
section { margin-top: 2.75rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; list-style: none; margin: 1.25rem 0 0; padding: 0; font-size: .95rem; }
nav a { display: inline-block; padding: .25rem 0; }
.key { display: flex; flex-wrap: wrap; gap: 1px; margin: 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.key div { flex: 1 1 min(10rem, 45%); background: var(--card); padding: .7rem .9rem; }
.key dt { color: var(--muted); font-size: .85rem; }
.key dd { margin: 0; font-variant-numeric: tabular-nums; }
.key dd.number { font-size: clamp(1.2rem, 1rem + 1vw, 1.45rem); font-weight: 600; line-height: 1.3; white-space: nowrap; }
.key dd.number small { font-size: .9rem; font-weight: 400; }
.key dd.note { color: var(--muted); font-size: .85rem; }
.charts { display: grid; grid-template-columns: minmax(0, 30rem); gap: 1rem; align-items: start; }
.small { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .75rem; }
figure { margin: 0; min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { padding: .1rem .7rem .6rem; color: var(--muted); font-size: .875rem; line-height: 1.45; }
.small .chart text { font-size: 14px; } .small .chart .title { font-size: 15.5px; }
.wide { display: none; }
.chart.map text { font-size: 24px; } .chart.map .title, .chart.map .minor { display: none; }
@media (min-width: 46rem) {
  .small { grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); }
  .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .span { grid-column: span 2; } .wide { display: block; } .span .narrow { display: none; }
  .chart.map text { font-size: 13px; } .chart.map .minor { display: inline; }
  .dense th, .dense td { padding-right: .9rem; font-size: .875rem; }
}
@media (min-width: 68rem) { .charts { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
.scroll { overflow-x: auto; overflow-wrap: normal; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .925rem; }
caption { text-align: left; color: var(--muted); font-size: .875rem; padding-bottom: .35rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.1rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 400; color: var(--muted); } thead th { font-weight: 600; color: var(--ink); }
.dense th, .dense td { padding: .18rem .6rem .18rem 0; font-size: .85rem; }
.facts th { white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; }
code { font: .92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(11rem, 44%), 1fr)); gap: .75rem; }
.tiles figure { border: 0; background: none; border-radius: 0; }
.tiles .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
.tiles img { display: block; width: 100%; height: auto; image-rendering: pixelated; background: var(--line); }
.tiles figcaption { padding: .2rem 0 0; font-size: .8rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr)); gap: 1rem; }
.pictures img { display: block; width: 100%; height: auto; image-rendering: pixelated; }
.classes { display: flex; flex-wrap: wrap; gap: .15rem 1rem; list-style: none; margin: 0 0 .75rem; padding: 0; font-size: .85rem; color: var(--muted); }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border: 1px solid var(--outline); vertical-align: -.05em; }
.settings { display: grid; gap: 0 2rem; }
.settings table { width: 100%; margin-bottom: 1.25rem; }
.settings .default td, .settings .default th { color: var(--muted); }
.settings .set th, .settings .set td { background: var(--set); color: var(--ink); }
.settings .set th { box-shadow: inset 3px 0 var(--accent); } .settings th { padding-left: .5rem; } .settings td, .settings th { font-size: .8rem; padding-right: .5rem; overflow-wrap: break-word; }
.settings caption { font-weight: 600; color: var(--ink); }
.settings .set td:nth-child(2) { font-weight: 600; }
@media (min-width: 46rem) { .settings td, .settings th { font-size: .9rem; width: 33%; } }
@media (min-width: 62rem) { .settings { columns: 2; column-gap: 2rem; display: block; } .settings > .scroll { break-inside: avoid; } }
#hover { position: absolute; pointer-events: none; z-index: 1; background: var(--card); color: var(--ink); border: 1px solid var(--axis);
  border-radius: 4px; padding: .25rem .5rem; font-size: .8rem; line-height: 1.4; font-variant-numeric: tabular-nums; max-width: 16rem; }
@media print { nav, #hover { display: none; } figure, tr { break-inside: avoid; } }
)";
}

std::string page_script() {
  // Reads the curves back from their paths: nothing but the charts themselves is needed.
  return R"(
"use strict";
const hover = document.createElement("div");
hover.id = "hover"; hover.hidden = true;
document.body.append(hover);
const numbers = text => text.trim().split(/\s+/).map(Number);
const points = path => (path.getAttribute("d").match(/-?[\d.]+ -?[\d.]+/g) || []).map(numbers);
for (const chart of document.querySelectorAll("svg[data-plot]")) {
  const [left, right, bottom, top] = numbers(chart.dataset.plot);
  const [x0, x1] = numbers(chart.dataset.x), [y0, y1] = numbers(chart.dataset.y);
  const lines = [...chart.querySelectorAll("path.line")];
  if (!lines.length) continue;
  const curves = lines.map(line => [line.dataset.name, points(line)]);
  const value = y => {
    const share = (bottom - y) / (bottom - top);
    if (chart.dataset.log) return (y0 * Math.pow(y1 / y0, share)).toPrecision(4);
    const v = y0 + share * (y1 - y0);
    const decimals = Math.min(12, Math.max(0, 3 - Math.floor(Math.log10(y1 - y0))));
    return chart.dataset.percent ? (100 * v).toFixed(1) + " %" : v.toFixed(decimals);
  };
  chart.addEventListener("pointerleave", () => { hover.hidden = true; });
  chart.addEventListener("pointermove", event => {
    const box = chart.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
    const near = curves.filter(c => c[1].length).map(([name, all]) =>
      [name, all.reduce((best, p) => Math.abs(p[0] - at) < Math.abs(best[0] - at) ? p : best)]);
    if (!near.length) return;
    const share = p => (p[0] - left) / (right - left);
    const place = p => chart.dataset.logX ? x0 * Math.pow(x1 / x0, share(p)) : x0 + share(p) * (x1 - x0);
    const step = p => {
      const at = place(p), whole = Math.round(at);
      return x1 - x0 > 20 || Math.abs(at - whole) < 0.03 ? whole : at.toPrecision(3);
    };
    hover.replaceChildren(...near.map(([name, p]) => {
      const line = document.createElement("div");
      line.textContent = `${name ? name + ", " : ""}${chart.dataset.at || "step"} ${step(p)}: ${value(p[1])}`;
      return line;
    }));
    hover.hidden = false;
    const wanted = event.pageX + 14, most = document.documentElement.clientWidth - hover.offsetWidth - 8;
    hover.style.left = Math.max(0, Math.min(wanted, most)) + "px";
    hover.style.top = event.pageY + 14 + "px";
  });
}
)";
}

}  // namespace terramill::report
