"""Tiles that cannot be read are replaced, alike for any number of replicas and restarts; and so is the moment from which
they are too many: `loader.max_bad_rate` is of the whole epoch, on all replicas."""

import json
import pathlib
import tempfile

from support.program import (SMALL_MODEL, checkpoint_tensors, curve, error_of, invented_corpus, newest_checkpoint, require)

STEPS = 10  # an epoch and a bit
RECIPE = ["--train.micro_batch_size", "2", "--train.micro_batches", "6", "--train.steps", STEPS, "--train.warmup_steps", "2",
          "--train.lr", "2e-3", "--checkpoint.every", "1", "--checkpoint.keep", "20"]


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=130, shard_tiles=10)
        # Two shards have lost their second halves.
        for shard in sorted((corpus / "shards").glob("*.h5"))[3:9:5]:
            with open(shard, "r+b") as file:
                file.truncate(shard.stat().st_size // 2)

        def train(name, *options, ranks=1, rate=1.0, code=0):
            return error_of("pretrain", "--corpus", corpus, "--output", scratch / name, *SMALL_MODEL, *RECIPE,
                            "--loader.max_bad_rate", rate, *options, ranks=ranks, code=code)

        def end_of(name):
            return checkpoint_tensors(newest_checkpoint(scratch / name)), curve(scratch / name)

        def replaced(name, step):
            index = json.loads((scratch / name / f"checkpoints/step-{step:08d}/index.json").read_text())
            return len(index["meta"]["replaced"])

        train("all", "--train.stop_after", "1", code=85)
        epoch = json.loads((scratch / "all/run.json").read_text())["steps_per_epoch"]
        require(1 < epoch < STEPS, f"the run is longer than an epoch of {epoch} steps")
        train("all", "--resume")
        bad = replaced("all", epoch)
        last = max(step for step in range(1, epoch) if replaced("all", step) < bad)  # more come after it
        require(bad > 2 and last > 1, f"{bad} tiles are bad, some of them after step {last}")

        positions = 12 * epoch
        enough, too_few = bad / positions - 1e-6, (bad - 1) / positions - 1e-6  # rounded up
        for ranks in (1, 3):
            train(f"enough-{ranks}", ranks=ranks, rate=enough)
            require(end_of(f"enough-{ranks}") == end_of("all"), f"{ranks} replicas replace the same tiles by the same")
            text = train(f"few-{ranks}", ranks=ranks, rate=too_few, code=1)
            require(f"{bad} of {positions} positions had unreadable tiles" in text, f"{ranks} replicas stop:\n{text}")
            require(text.count("\n  position ") == min(bad, 20), f"{ranks} replicas list what all had to replace:\n{text}")
            require(sorted((scratch / f"few-{ranks}/checkpoints").glob("step-*"))[-1].name == f"step-{last:08d}",
                    f"{ranks} replicas stop in the step after {last}")
        train("parted", "--train.stop_after", last, ranks=3, rate=enough, code=85)
        train("parted", "--resume", ranks=2, rate=enough)
        require(end_of("parted") == end_of("all"), "what was replaced before a restart does not use up what is left after it")
        train("parted-few", "--train.stop_after", last, ranks=2, rate=too_few, code=85)
        text = train("parted-few", "--resume", ranks=3, rate=too_few, code=1)
        require(f"{bad} of {positions} positions" in text, f"nor does a restart forget it:\n{text}")


if __name__ == "__main__":
    main()
