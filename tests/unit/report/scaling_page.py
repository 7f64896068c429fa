"""`report` of files of measured points: one self-contained page and its numbers; clear refusals."""

import json
import pathlib
import re
import tempfile

import invented_sweep
from support.program import error_of, require, run


def check_page(scratch):
    points = scratch / "points.jsonl"
    invented_sweep.write(points)
    page = pathlib.Path(run("report", points).strip())
    require(page == scratch / "points.html", f"the page lies beside the points: {page}")
    html = page.read_text()
    for part in ("efficiency", "shares", "mfu", "model", "points"):
        require(f'<section id="{part}">' in html, f"the page has a section {part}")
    require(not re.search(r'(?:src|href)="(?!#|data:)', html) and "@import" not in html,
            "the page fetches nothing")
    ids = re.findall(r' id="([^"]+)"', html)
    require(len(ids) == len(set(ids)), "no id stands twice")
    require([p.name for p in scratch.iterdir()].count("points.html") == 1 and not list(scratch.glob("*.svg")),
            "nothing lies beside a page of one file")
    run("report", points, "--output", scratch / "folder")
    require((scratch / "folder/index.html").exists() and list((scratch / "folder").glob("*.svg")),
            "a folder gets the charts as files, too")


def check_numbers(scratch):
    first, second = scratch / "a.jsonl", scratch / "b.jsonl"
    all_points = invented_sweep.points()
    invented_sweep.write(first, all_points[:60])
    invented_sweep.write(second, all_points[60:])
    with second.open("a") as file:
        file.write('{"format": "terramill-be')
    told = json.loads(run("report", first, second, "--json"))
    require(len(told["layouts"]) == len(all_points) / 3, "repetitions are put together")
    require(all(layout["repetitions"] == 3 for layout in told["layouts"]), "three repetitions each")
    require(any("torn" in remark for remark in told["remarks"]), f"the torn line is told: {told['remarks']}")
    for layout in told["layouts"]:
        require(layout["efficiency_least"] <= layout["efficiency"] <= layout["efficiency_most"], layout)
        require(0 < layout["mfu"] < 1, f"utilisation from the device's published peak: {layout}")
    fit = told["fit"]
    require(fit["mean_error"] < 0.1 and fit["mean_left_out_error"] < 0.15, f"the model fits: {fit['mean_error']}")
    require(len(fit["workloads"]) == 2, "each configuration has its costs")
    link = fit["links"][0]
    require(link["between_nodes"]["bandwidth_bytes_per_second"] < link["within_node"]["bandwidth_bytes_per_second"],
            f"the link between nodes is found to be the slow one: {link}")


def check_refusals(scratch):
    few = scratch / "few.jsonl"
    invented_sweep.write(few, invented_sweep.points()[:3])
    told = json.loads(run("report", few, "--json"))
    require(told["fit"] is None and "3 layouts" in told["remarks"][0], f"one layout has no model: {told['remarks']}")
    bad = scratch / "bad.jsonl"
    invented_sweep.write(bad, [{**invented_sweep.point(), "dp": "many"}])
    message = error_of("report", bad, code=1)
    require("bad.jsonl, line 1" in message and '"dp"' in message, message)
    error_of("report", few, scratch, code=2)
    require("POINTS.jsonl" in run("report", "--help"), "the help tells of points")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        for number, check in enumerate((check_page, check_numbers, check_refusals)):
            folder = pathlib.Path(scratch) / str(number)
            folder.mkdir()
            check(folder)


if __name__ == "__main__":
    main()
