"""`simulate`: predictions as text, JSON and a page, with the origin of every constant; calibrated by points."""

import json
import pathlib
import re
import tempfile

import invented_sweep
from support.program import SOURCE, error_of, require, run

MACHINES = SOURCE / "configs/machines"
SMALL = ["--config", SOURCE / "configs/terrafm-small-majortom-p16.ini"]


def check_scenario(scratch):
    arguments = ["simulate", *SMALL, "--machine", MACHINES / "h100-8x-ndr400.ini", "--precision", "bfloat16",
                 "--gpus", "1,8,64"]
    told = json.loads(run(*arguments, "--json"))
    require([p["gpus"] for p in told["predictions"]] == [1, 8, 64], "one prediction per count")
    for prediction in told["predictions"]:
        best = prediction["best"]
        require(best["kind"] == "scenario", "nothing is measured")
        require(best["dp"] * best["tp"] == prediction["gpus"], f"all GPUs work: {best}")
        require(best["memory_bytes"]["total"] < 80e9, "the best layout fits the memory")
    require(told["predictions"][0]["best"]["phases"]["communication_exposed"] == 0, "one GPU talks to nobody")
    require(all(constant["origin"] for constant in told["constants"]), "every constant has an origin")
    text = run(*arguments, "--output", scratch / "page.html")
    require("scenario" in text and "data sheet" in text and "links.network_bandwidth" in text, text)
    html = (scratch / "page.html").read_text()
    require("scenario" in html and "data sheet" in html, "the page says what is a scenario, and the origins")
    require(not re.search(r'(?:src|href)="(?!#|data:)', html), "the page fetches nothing")


def check_points(scratch):
    points = scratch / "points.jsonl"
    invented_sweep.write(points)
    arguments = ["simulate", *SMALL, "--machine", MACHINES / "a100-8x-hdr200.ini", "--points", points, "--gpus", "1,8,16",
                 "--checkpoint.every", "0"]
    told = json.loads(run(*arguments, "--json"))
    kinds = [p["best"]["kind"] for p in told["predictions"]]
    require(kinds == ["measured", "measured", "scenario"], f"what lies beyond the points is a scenario: {kinds}")
    require(told["fit"]["mean_error"] < 0.1, "measured against predicted")
    require(any("fit of" in constant["origin"] for constant in told["constants"]), "the fit is an origin")
    text = run(*arguments)
    require("measured s" in text and "mean error" in text, text)


def check_refusals(scratch):
    machine = scratch / "machine.ini"
    text = (MACHINES / "h100-8x-ndr400.ini").read_text()
    for change, word in ((("gpu_latency", "gpu_lateness"), "did you mean links.gpu_latency"),
                         (("overlap = 0.8", "overlap = 8"), "share"), (("memory = 80e9", "memory = 80 GB"), "number")):
        machine.write_text(text.replace(*change))
        message = error_of("simulate", *SMALL, "--machine", machine, code=2)
        require(word in message and "machine.ini" in message, message)
    message = error_of("simulate", *SMALL, "--machine", MACHINES / "h100-8x-ndr400.ini", "--gpus", "4096", code=2)
    require("1024" in message, message)
    require("--machine" in run("simulate", "--help"), "the help tells of machines")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        for number, check in enumerate((check_scenario, check_points, check_refusals)):
            folder = pathlib.Path(scratch) / str(number)
            folder.mkdir()
            check(folder)


if __name__ == "__main__":
    main()
