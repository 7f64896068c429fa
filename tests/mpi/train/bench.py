"""`bench` measures every point of a sweep once per repetition, interleaved, leaves out what cannot be with its reason, and
goes on where it was killed; `bench link` measures every collective."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from support.program import (SMALL_MODEL, SMALL_TERRAFM, SOURCE, command, error_of, invented_corpus, require, run)

SWEEP = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--bench.warmup", "1", "--bench.steps", "2",
         "--bench.repeat", "2"]
SHARES = ("compute", "communication_exposed", "data_wait", "checkpoint")


def points(file):
    """The measured points of a file, in order."""
    return [json.loads(line) for line in pathlib.Path(file).read_text().splitlines()]


def key(point):
    """What tells a point from the others of its sweep."""
    return tuple(point[name] for name in ("scaling", "tp", "zero", "micro_batch_size", "codec", "repetition"))


def require_sound(point, ranks):
    """What holds for every measured point."""
    require(point["format"] == "terramill-bench" and point["ranks"] == ranks and point["dp"] * point["tp"] == ranks,
            f"the point tells its layout: {point}")
    require(point["global_batch"] == point["micro_batch_size"] * point["micro_batches"], "the batch is consistent")
    require(len(point["step_seconds"]) == point["steps"] == 2 and min(point["step_seconds"]) > 0, "every step is timed")
    require(point["parameters"] > 0 and point["gradient_bytes"] >= 4 * point["parameters"] / point["tp"], "it tells the model's size")
    phases = sum(point["phases"][name] for name in SHARES)
    step = sum(point["step_seconds"]) / len(point["step_seconds"])
    require(0 < phases <= 1.001 * step, f"the parts make up the step: {phases} of {step} s")


def sweeps(corpus, other, file):
    """Both scalings, two sizes and two codecs on 1 and 2 ranks, in one file."""
    lists = ["--bench.scaling", "both", "--bench.micro_batch_size", "4,8,3", "--bench.corpora", other]
    for ranks in (1, 2):
        text = run("bench", "--corpus", corpus, "--output", file, *SMALL_MODEL, *SWEEP, *lists, ranks=ranks)
        require("no multiple" in text, f"the table tells why a size was left out:\n{text}")
    measured = points(file)
    for point in measured:
        require_sound(point, point["ranks"])
    # Strong: sizes 4 and 8 on one rank; on two, 8 leaves one micro-batch for two replicas. Weak: all three.
    for ranks, layouts in ((1, 5), (2, 4)):
        keys = [key(point) for point in measured if point["ranks"] == ranks]
        require(len(set(keys)) == len(keys) == 2 * 2 * layouts, f"{ranks} ranks measure each point twice: {keys}")
        half = len(keys) // 2
        require([k[:-1] for k in keys[:half]] == [k[:-1] for k in keys[half:]], "repetitions are interleaved")
    require({point["codec"] for point in measured} == {"deflate", "none"}, "codecs come from the manifests")
    require({point["micro_batches"] // point["dp"] for point in measured if point["scaling"] == "weak"} == {2},
            "weak scaling keeps a replica's micro-batches")
    require({point["global_batch"] for point in measured if point["scaling"] == "strong"} == {8},
            "strong scaling keeps the global batch")
    before = file.read_bytes()
    text = run("bench", "--corpus", corpus, "--output", file, *SMALL_MODEL, *SWEEP, *lists, ranks=2)
    require(file.read_bytes() == before and "0 measurements" in text, "a complete sweep measures nothing more")
    return lists


def goes_on_after_a_kill(corpus, scratch, model):
    """Killed after its first points and with a torn line, the sweep measures the rest and no point twice."""
    file = scratch / "killed.jsonl"
    words = ["bench", "--corpus", corpus, "--output", file, *model, *SWEEP, "--bench.repeat", "4"]
    with subprocess.Popen(command(words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sweep:
        end = time.monotonic() + 120
        while not (file.exists() and len(points(file)) >= 2):
            require(time.monotonic() < end and sweep.poll() is None, "the sweep writes its points as it goes")
            time.sleep(0.01)
        os.kill(sweep.pid, signal.SIGKILL)
    kept = file.read_text()
    require(2 <= len(points(file)), "what was measured is kept")
    file.write_text(kept + '{"format": "terramill-be')
    run(*words)
    require(file.read_text().startswith(kept), "points of before the kill stay as they are")
    require([point["repetition"] for point in points(file)] == [0, 1, 2, 3], "each repetition is there once")
    require(points(file)[0]["model"] == "terrafm", "the model's family is told")


def refusals(corpus, scratch):
    """What cannot be measured at all is refused, with the reason."""
    base = ["bench", "--corpus", corpus, "--output", scratch / "refused.jsonl", *SMALL_MODEL, *SWEEP]
    text = error_of(*base, "--train.micro_batches", "1", ranks=2, code=2)
    require("2 replicas cannot share 1" in text, f"too many replicas:\n{text}")
    text = error_of(*base, "--bench.tp", "1,x", code=2)
    require("bench.tp" in text and '"x"' in text, f"a word that is no number:\n{text}")
    text = error_of(*base, "--bench.stepz", "2", code=2)
    require("bench.steps" in text, f"the nearest option is named:\n{text}")
    require(not (scratch / "refused.jsonl").exists(), "a refused sweep leaves no file")
    text = error_of("bench", "link", code=2)
    require("two ranks" in text, f"a link has two ends:\n{text}")


def link(scratch):
    """Every collective at every size, beside MPI's own."""
    run("bench", "link", "--output", scratch / "link.jsonl", "--max-bytes", "4096", "--repeat", "3", ranks=2)
    lines = points(scratch / "link.jsonl")
    require([line["bytes"] for line in lines] == 3 * [8, 64, 512, 4096], f"three collectives of four sizes: {lines}")
    require(all(line["format"] == "terramill-link" and line["seconds"] > 0 and line["mpi_seconds"] > 0 for line in lines),
            "both ways are timed")


def script(corpus, scratch):
    """jobs/scaling.sh says what it would run, and refuses what cannot be with what to give instead."""
    (scratch / "tiny.ini").write_text("[model]\nfamily = mpmae\n")
    base = ["--config", scratch / "tiny.ini", "--corpus", corpus, "--output", scratch / "sweep"]

    def told(*arguments, code=0):
        words = ["bash", SOURCE / "jobs/scaling.sh", *arguments]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
        require(done.returncode == code, f"{words} ends with {code}, not {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    require("usage:" in told("--help"), "it has a help")
    plan = told(*base, "--local", "--ranks", "1,2", "--layouts", "tp1,tp2+zero", "--dry-run", "--", "--bench.repeat", "1")
    require(plan.count("mpirun -n 2 terramill bench --config") == 2 and plan.count("mpirun -n 1 terramill bench --config") == 1
            and "tp2+zero is left out on 1 ranks" in plan and "--bench.repeat 1" in plan and "terramill report" in plan,
            f"the plan has every layout that fits:\n{plan}")
    require(not (scratch / "sweep").exists(), "a dry run makes nothing")
    for arguments, word in ((base, "--nodes"), ([*base, "--nodes", "1,x"], "1,2,4"), ([*base, "--local", "--nodes", "1"], "--ranks"),
                            ([*base, "--nodes", "1", "--layouts", "dp2"], "tp1"), ([*base, "--bench.repeat", "1"], "--"),
                            (["--config", "none.ini"], "none.ini"), (base[:4], "--output")):
        require(word in told(*arguments, code=2), f"{arguments} is refused with advice that names {word}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=40)
        run("corpus", "build", "--source", "mmearth-tiles", "--input", scratch / "raw", "--output", scratch / "stored",
            "--codec", "none", "--validation-share", "0.2")
        sweeps(corpus, scratch / "stored", scratch / "points.jsonl")
        goes_on_after_a_kill(corpus, scratch, SMALL_TERRAFM)
        refusals(corpus, scratch)
        link(scratch)
        script(corpus, scratch)


if __name__ == "__main__":
    main()
