"""In headless Chromium the pages of a run and of a sweep are as wide as a phone's or a desktop's window, never wider, and its script
shows values under the pointer; charts are drawn with labels of a readable size."""

import itertools
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import invented_run
import invented_sweep
from support.program import require, run, skip

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

#: Measures the page in a frame, since a headless window has a least width of its own.
FRAME = """<!doctype html><body style="margin:0">
<iframe style="border:0;width:{width}px;height:900px" src="{page}"></iframe><script>
document.querySelector("iframe").onload = event => {{
  const inside = event.target.contentDocument, view = event.target.contentWindow;
  const charts = [...inside.querySelectorAll("svg[data-plot], svg.map, svg.bars")].filter(c => c.clientWidth > 0);
  const sizes = charts.flatMap(c => [...c.querySelectorAll("text")].filter(t => t.getBoundingClientRect().width > 0)
    .map(t => parseFloat(view.getComputedStyle(t).fontSize) * c.clientWidth / c.viewBox.baseVal.width));
  const chart = charts.find(c => c.dataset.plot), box = chart.getBoundingClientRect();
  chart.dispatchEvent(new view.PointerEvent("pointermove", {{ clientX: box.left + box.width / 2, clientY: box.top }}));
  document.title = JSON.stringify({{ wide: inside.documentElement.scrollWidth,
    window: inside.documentElement.clientWidth, charts: charts.length, least: Math.min(...sizes),
    hover: inside.querySelector("#hover").textContent }});
}};
</script>"""


def measure(page, width, scratch):
    frame = scratch / f"frame-{width}.html"
    frame.write_text(FRAME.format(width=width, page=page.as_uri()))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
         f"--user-data-dir={scratch / 'profile'}", "--enable-logging=stderr", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    if not found:
        skip(f"Chromium does not run here: {done.stderr[-300:]}")
    require("CONSOLE" not in done.stderr, f"the page's script runs without errors: {done.stderr[-600:]}")
    return json.loads(found.group(1).replace("&amp;", "&"))


def main():
    if not CHROMIUM:
        skip("Chromium is missing (Debian package chromium)")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        invented_run.write(scratch / "run")
        invented_sweep.write(scratch / "points.jsonl")
        pages = {pathlib.Path(run("report", scratch / "run").strip()): r"training, step \d+: ",
                 pathlib.Path(run("report", scratch / "points.jsonl").strip()): r"tp 1, ranks \d+: "}
        for page, width in itertools.product(pages, (360, 1280)):
            told = measure(page, width, scratch)
            require(told["window"] <= width and told["wide"] <= told["window"],
                    f"at {width} pixels nothing is wider than the window: {told}")
            require(told["least"] >= 9, f"at {width} pixels every label is readable: {told}")
            require(re.search(pages[page], told["hover"]), f"values appear under the pointer: {told}")


if __name__ == "__main__":
    main()
