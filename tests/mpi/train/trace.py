"""A traced run of two ranks: every rank and thread is in trace.json, spans lie in their steps, collectives of both
ranks at the same time; the weights and losses are those of the run without a trace. Metrics tell rates and phases."""

import json
import pathlib
import tempfile

from support.program import (SMALL_MODELS, checkpoint_tensors, curve, invented_corpus, metrics, newest_checkpoint, require,
                             run)

RANKS, BEGIN, STEPS = 2, 1, 3
RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "4", "--train.steps", "5", "--train.warmup_steps",
          "1", "--train.lr", "1e-3", "--train.validation_tiles", "8", "--train.validate_every", "2",
          "--checkpoint.every", "2", "--train.reduction", "fast"]
TRACE = ["--trace", "--trace.begin", BEGIN, "--trace.steps", STEPS, "--train.peak", "measure"]
SLACK = 0.002  # microseconds: times are written to the nanosecond


def end(span):
    return span["ts"] + span["dur"]


def inside(span, outer):
    return outer["ts"] - SLACK <= span["ts"] and end(span) <= end(outer) + SLACK


def overlap(a, b, error):
    return a["ts"] < end(b) + error and b["ts"] < end(a) + error


def check_rank(events, names):
    """The spans of one rank. Returns its collectives within steps, in order."""
    spans = [event for event in events if event["ph"] == "X"]
    require(all(span["dur"] >= 0 for span in spans), "every span is closed")
    by_name = {}
    for span in sorted(spans, key=lambda span: span["ts"]):
        by_name.setdefault(span["name"], []).append(span)
    for name in ("step", "micro-batch", "forward", "backward", "optimiser", "wait for data", "read", "decode", "validation",
                 "checkpoint copy", "checkpoint write", "all-reduce"):
        require(name in by_name, f"the trace has spans of {name}, not only of {sorted(by_name)}")
    steps = by_name["step"]
    require([span["args"]["step"] for span in steps] == [BEGIN + 1 + i for i in range(STEPS)], "the steps asked for are traced")
    require(all(end(a) <= b["ts"] + SLACK for a, b in zip(steps, steps[1:])), "steps follow each other")
    for name in ("micro-batch", "optimiser"):
        require(all(any(inside(span, step) for step in steps) for span in by_name[name]), f"{name} lies in a step")
    for name in ("forward", "backward"):
        require(len(by_name[name]) == 2 * STEPS, f"{name} is there once per micro-batch")
        require(all(any(inside(span, part) for part in by_name["micro-batch"]) for span in by_name[name]),
                f"{name} lies in a micro-batch")
    main = steps[0]["tid"]
    require(names[main] == "main", "steps are on the main thread")
    require(by_name["forward"][0]["tid"] == main, "so is the forward pass")
    require({names[span["tid"]] for span in by_name["read"]} <= {"loader-0"}, "tiles are read by the loader's thread")
    collectives = [span for span in by_name["all-reduce"] if names[span["tid"]] == "communication dp"]
    require(len(collectives) == len(by_name["all-reduce"]), "collectives run on the communication thread")
    for span in collectives:
        require(any(inside(span, step) for step in steps), "a collective lies inside its step")
        require(span["args"]["bytes"] > 0 and span["args"]["group"] == "dp", "a collective tells its size and group")
    return collectives


def check_family(scratch, corpus, family):
    def pretrain(name, *more):
        run("pretrain", "--corpus", corpus, "--output", scratch / name, *SMALL_MODELS[family], *RECIPE, *more, ranks=RANKS)
        return scratch / name

    traced, plain = pretrain(f"{family}-traced", *TRACE), pretrain(f"{family}-plain")
    require(checkpoint_tensors(newest_checkpoint(traced)) == checkpoint_tensors(newest_checkpoint(plain)) and
            curve(traced) == curve(plain), "a trace changes no bit")
    require(not (plain / "trace").exists(), "without --trace there is none")

    events = json.loads((traced / "trace" / "trace.json").read_text())
    parts = [json.loads((traced / "trace" / f"rank-{rank:05d}.json").read_text()) for rank in range(RANKS)]
    require(events == sum(parts, []), "trace.json holds what the ranks wrote")
    require({event["pid"] for event in events} == set(range(RANKS)), "every rank is there")
    round_trip = max(event["args"]["value"] for event in events if event["name"] == "clock_round_trip_us")
    collectives = []
    for rank in range(RANKS):
        own = [event for event in events if event["pid"] == rank]
        names = {event["tid"]: event["args"]["name"] for event in own if event["name"] == "thread_name"}
        collectives.append(check_rank(own, names))
        dropped = [event["args"]["value"] for event in own if event["name"] == "dropped_events"]
        require(dropped == [0], "no event was dropped")
        if family == "terrafm":
            require(any(event["name"] == "teacher update" for event in own), "the teacher's update is there")
    require(len(collectives[0]) == len(collectives[1]), "both ranks ran the same collectives")
    for a, b in zip(*collectives):
        require(a["args"]["bytes"] == b["args"]["bytes"], "in the same order")
        require(overlap(a, b, round_trip / 2), "an all-reduce of one rank overlaps that of the other: the clocks agree")

    for line in metrics(traced):
        require(line["images_per_second"] > 0 and line["tflops_per_second"] > 0 and line["mfu"] > 0, "rates are there")
        sum_of_shares = line["compute_share"] + line["data_wait_share"] + line["communication_share"]
        require(abs(sum_of_shares - 1) < 1e-9, "compute, data wait and exposed communication are the step")
        require(line["communication_hidden_share"] >= 0, "hidden communication is not negative")
        require((line["checkpoint_share"] > 0) == (line["step"] in (1, 3, 5)), "saving counts for the step after it")
    require("mfu" not in metrics(plain)[0], "the MFU of a CPU is known only where its peak is measured")
    require(json.loads(run("status", traced, "--json"))["straggler"] is None, "two equal ranks have no straggler in 5 steps")
    finding = {"kind": "straggler", "step": 5, "rank": 1, "phase": "compute", "text": "rank 1 on node07 is slow"}
    with open(traced / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(finding) + "\n")
    require("rank 1 on node07 is slow" in run("status", traced), "status shows the last finding")
    require(json.loads(run("status", traced, "--json"))["straggler"] == finding, "and gives it as JSON")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=60)
        for family in SMALL_MODELS:
            check_family(scratch, corpus, family)
            print(f"{family}: the trace holds every rank and thread, on one clock")


if __name__ == "__main__":
    main()
