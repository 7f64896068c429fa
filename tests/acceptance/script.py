"""jobs/gpu-acceptance.sh runs to its end where no GPU is, says of each stage what became of it, and goes on after one that
fails."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from support.program import SOURCE, require


def accept(folder, *arguments, code, environment=None):
    """Runs the script; returns its report as {stage: entry}."""
    words = ["bash", str(SOURCE / "jobs/gpu-acceptance.sh"), "--output", str(folder), "--tiny", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})})
    if done.returncode != code:
        sys.exit(f"{' '.join(words)}\nended with {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
    if code == 2:
        return done.stderr
    report = json.loads((folder / "report.json").read_text())
    text = (folder / "report.txt").read_text()
    for stage in report["stages"]:
        require(stage["name"] in text and (folder / stage["log"]).exists(), f"text and log tell of {stage['name']}")
    require(report["verdict"] == {0: "passed", 1: "failed", 3: "incomplete"}[code], "the verdict goes with the exit code")
    return {stage["name"]: stage for stage in report["stages"]}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        stages = accept(scratch / "none", code=3, environment={"CUDA_VISIBLE_DEVICES": ""})
        require(stages.pop("environment")["verdict"] == "passed", "the environment is told without a GPU")
        require(len(stages) == 8, f"every stage is there: {list(stages)}")
        require(all(stage["verdict"] == "skipped" and stage["text"] == "no GPU answers" for stage in stages.values()),
                f"all others are skipped, and it says why: {stages}")

        some = ["--device", "cpu", "--ranks", 2, "--tiles", 80]
        names = "parity,groups,link,speed,determinism,restart,watch"
        stages = accept(scratch / "cpu", *some, "--stages", names, "--precisions", "float32", "--configs",
                        SOURCE / "configs/mpmae-quickstart.ini", SOURCE / "absent.ini", "--steps", 2, code=1)
        speeds = stages["speed"]["facts"]
        require(stages["speed"]["verdict"] == "failed" and "cannot open" in speeds["absent, float32"],
                f"a configuration that is not there fails its stage: {stages['speed']}")
        require(speeds["mpmae-quickstart, float32"]["images_per_second"] > 0, "the one that is there is measured")
        require(stages["parity"]["verdict"] in ("passed", "skipped"), f"parity passes where vectors are: {stages['parity']}")
        for name in ("environment", "groups", "link", "determinism", "restart", "watch"):
            require(stages[name]["verdict"] == "passed", f"{name} passes on the CPU: {stages[name]}")

        require("no stage magic" in accept(scratch / "new", "--stages", "magic", code=2), "an unknown stage is refused")
        require("exists already" in accept(scratch / "cpu", code=2), "a report is never overwritten")


if __name__ == "__main__":
    main()
