"""Each configuration or checkpoint that cannot be right is refused, with its own message and exit code."""

import os
import pathlib
import shutil
import tempfile

from support.program import SMALL_MODEL, error_of, invented_corpus, newest_checkpoint, require, run

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--train.steps", "6",
          "--train.warmup_steps", "2", "--checkpoint.every", "2", "--checkpoint.keep", "3"]


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1
    path.write_bytes(data)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=60)

        def refused(expected, *options, code=2, ranks=1, output="run", base=tuple(SMALL_MODEL + RECIPE)):
            text = error_of("pretrain", "--corpus", corpus, "--output", scratch / output, *base, *options,
                            ranks=ranks, code=code)
            for word in expected:
                require(word in text, f"the error names {word!r}:\n{text}")

        run("pretrain", "--corpus", corpus, "--output", scratch / "run", *SMALL_MODEL, *RECIPE)
        refused(["train.micro_batch_siz", "train.micro_batch_size"], "--train.micro_batch_siz", "3", output="new")
        refused(["train.lr"], "--train.lr", "fast", output="new")
        refused(["--resume", "already holds checkpoints"])
        refused(["train.weight_decay", "0.05", "0.1", "model.mask_ratio"], "--resume", "--train.weight_decay", "0.1",
                "--model.mask_ratio", "0.5")
        refused(["3", "micro"], ranks=3, output="new")
        refused(["no tile of the corpus", "s1_rtc"], "--target.s1_rtc", "all", output="new")
        refused(["no band of sentinel2", "B8A"], "--input.sentinel2", "B2,B8a", output="new")
        refused(["crop"], "--model.image_size", "128", output="new")
        refused(["global batch"], "--train.micro_batch_size", "400", output="new")
        refused(["manifest.json"], "--corpus", scratch / "nowhere", code=1, output="new",
                base=tuple(SMALL_MODEL + RECIPE))
        os.environ["SLURM_MEM_PER_NODE"] = "64"  # MiB
        refused(["SLURM_MEM_PER_NODE 64.0 MiB", "activations", "train.activation_checkpointing", "train.micro_batch_size"],
                output="new")
        run("pretrain", "--corpus", corpus, "--output", scratch / "dared", *SMALL_MODEL, *RECIPE, "--train.steps", "2",
            "--train.ignore_memory_estimate", "true")
        del os.environ["SLURM_MEM_PER_NODE"]
        refused(["cannot", "/proc/nothing"], "--output", "/proc/nothing/run", code=1)

        checkpoint = newest_checkpoint(scratch / "run")
        shutil.copytree(scratch / "run", scratch / "flipped")
        flip(scratch / "flipped/checkpoints" / checkpoint.name / "rank-00000.safetensors", 5000)
        text = error_of("pretrain", "--corpus", corpus, "--output", scratch / "flipped", *SMALL_MODEL, *RECIPE,
                        "--resume", code=0)
        require("step-00000006" in text and "step-00000004" in text,
                f"a flipped byte in the newest checkpoint is named, and the one before it is used:\n{text}")
        for damaged in (scratch / "flipped/checkpoints").glob("step-*"):
            flip(damaged / "index.json", 200)
        refused(["every checkpoint", "damaged"], "--resume", output="flipped", code=1)
        refused(["index.json"], "--init-from", newest_checkpoint(scratch / "flipped"), code=1, output="new")


if __name__ == "__main__":
    main()
