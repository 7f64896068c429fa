"""What a run does about NaN, loss spikes and corrupted state: it rolls back and replays, skips a batch only when it
fails again, and ends with the bits that the contract promises."""

import argparse
import json
import pathlib
import tempfile

from support.program import (SMALL_MODELS, checkpoint_tensors, curve, error_of, invented_corpus, metrics,
                             newest_checkpoint, require, run)

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "4", "--train.steps", "8",
          "--train.warmup_steps", "2", "--train.lr", "2e-3", "--checkpoint.every", "3"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", default="mpmae", choices=list(SMALL_MODELS))
    family = parser.parse_args().family
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=120)

        def train(name, *options, ranks=2, code=0):
            return error_of("pretrain", "--corpus", corpus, "--output", scratch / name, *SMALL_MODELS[family],
                            *RECIPE, *options, ranks=ranks, code=code)

        def tensors(name):
            return checkpoint_tensors(newest_checkpoint(scratch / name))

        def index_meta(name):
            return json.loads((newest_checkpoint(scratch / name) / "index.json").read_text())["meta"]

        train("plain")
        plain = tensors("plain")

        train("nan", "--inject", "nan@1:5")
        require(tensors("nan") == plain, "a NaN that came once costs no bit")
        require(curve(scratch / "nan") == curve(scratch / "plain"), "nor a number of the metrics")
        events = metrics(scratch / "nan", "rollback")
        require([(line["step"], line["fault_step"]) for line in events] == [(3, 5)], "the metrics tell the rollback")
        require(not metrics(scratch / "nan", "skip"), "nothing is skipped")

        train("always", "--inject", "nan@1:5*")
        train("clean", "--fault.skip_batches", "5")
        require(tensors("always") == tensors("clean"), "a NaN at every replay ends as a clean run without that batch")
        require(tensors("always") != plain, "the batch made a difference")
        require(index_meta("always")["skipped"] == [5], "the checkpoint tells what was skipped")
        require([line["step"] for line in metrics(scratch / "always", "skip")] == [5], "and so do the metrics")
        require(curve(scratch / "always") == curve(scratch / "clean"), "the same losses")
        text = train("unstable", "--inject", "nan@0:2*,nan@1:4*", "--fault.max_skips", "1", code=87)
        require("fault.max_skips" in text, f"the limit of skips is named:\n{text}")
        text = train("off", "--inject", "nan@0:2", "--fault.guard", "false", code=1)
        require("step 2 must not count" in text, f"without the guard a NaN ends the run:\n{text}")

        train("resumed", "--inject", "nan@1:5*", "--train.stop_after", "5", code=85)
        train("resumed", "--resume")
        require(tensors("resumed") == tensors("clean"), "what was skipped stays skipped after a resume")

        # So sensitive that steps of a sound run count as spikes.
        spiky = ["--fault.norm_z", "1", "--fault.spike_z", "2", "--fault.window", "20", "--fault.max_skips", "12",
                 "--train.steps", "32"]
        train("spikes", *spiky)
        skips = [line["step"] for line in metrics(scratch / "spikes", "skip")]
        require(skips, "spikes were found")
        require(len(metrics(scratch / "spikes", "rollback")) >= len(skips), "each was tried again before it was skipped")
        train("without", "--train.steps", "32", "--fault.skip_batches", ",".join(map(str, skips)))
        require(tensors("spikes") == tensors("without"), "a run with spikes ends as a clean run without their batches")
        train("parted", *spiky, "--train.stop_after", "25", code=85)
        train("parted", *spiky, "--resume", ranks=3)
        require([line["step"] for line in metrics(scratch / "parted", "skip")] == skips and
                tensors("parted") == tensors("spikes"), "the steps that spikes are measured by are part of a checkpoint")

        text = train("two", "--inject", "bitflip@1:4", "--fault.compare_every", "1")
        require(tensors("two") == plain, "two replicas: a flipped bit costs nothing")
        require("no majority" in text, f"two replicas cannot name the odd one:\n{text}")
        text = train("owner", "--inject", "bitflip@1:4", "--fault.hash_every", "1")
        require(tensors("owner") == plain, "found by its owner, a flipped bit costs nothing")
        require("rank 1 on" in text, f"the owner is named:\n{text}")
        text = train("again", "--inject", "bitflip@1:4*", "--fault.hash_every", "1", code=88)
        require("rank 1 on" in text and "again" in text, f"a flip in the replay ends the run:\n{text}")
        named = json.loads((scratch / "again/faults/corrupt.json").read_text())
        require(named["ranks"] == [1] and len(named["hosts"]) == 1, "the host is left for the supervisor")

        text = train("three", "--inject", "bitflip@2:4", "--fault.compare_every", "2", ranks=3)
        require(tensors("three") == plain, "three replicas: a flipped bit costs nothing")
        require("on rank 2 on" in text, f"three replicas name the odd one:\n{text}")
        text = train("thrice", "--inject", "bitflip@2:4*", "--fault.compare_every", "2", ranks=3, code=88)
        require("rank 2 on" in text, f"and when it recurs the run ends and names it:\n{text}")

        logs = scratch / "samples"
        train("logged", "--inject", "nan@0:5", "--fault.sample_log", logs)
        seen = {}
        for file in logs.glob("replica-*.jsonl"):
            for line in map(json.loads, file.read_text().splitlines()):
                place = (line["step"], line["micro_batch"])
                require(seen.setdefault(place, line["tiles"]) == line["tiles"], "a replay takes the same tiles")
        require(set(seen) == {(s, m) for s in range(1, 9) for m in range(4)}, "every micro-batch was consumed")
        tiles = [tile for place in seen for tile in seen[place] if place[0] <= 6]
        require(len(tiles) == len(set(tiles)), "no tile twice in the epoch")


if __name__ == "__main__":
    main()
