"""train.precision = bf16 trains both models: near the losses of float32, the same bits in two runs, after a resume and with
activation checkpointing, and float32 checkpoints that validation, kNN and evaluation take."""

import json
import pathlib
import tempfile

from support.program import SMALL_MODELS, checkpoint_tensors, curve, invented_corpus, metrics, newest_checkpoint, require, run

STEPS = 20
RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--train.steps", str(STEPS),
          "--train.warmup_steps", "4", "--train.lr", "1e-3", "--train.validation_tiles", "8", "--checkpoint.every", "0",
          "--train.knn_every", "20", "--train.knn_tiles", "12"]
# A product of bfloat16 numbers is off by 2^-8 at most, and losses are means of many; DINO's compares what a teacher's
# temperature of 0.04 has magnified.
TOLERANCE = {"mpmae": 0.01, "terrafm": 0.05}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=60)

        def pretrain(name, *more, code=0):
            run("pretrain", "--corpus", corpus, "--output", scratch / name, *RECIPE, *more, code=code)
            return checkpoint_tensors(newest_checkpoint(scratch / name)), curve(scratch / name)

        for family, model in SMALL_MODELS.items():
            what = [*model, "--train.precision", "bf16"]
            _, wide = pretrain(f"{family}-float32", *model)
            narrow = pretrain(family, *what)
            far = [abs(a["loss"] - b["loss"]) / abs(b["loss"]) for a, b in zip(narrow[1], wide)]
            print(f"{family}: losses of {STEPS} steps within {max(far):.1e} of float32's")
            require(len(far) == STEPS and 0 < max(far) < TOLERANCE[family], f"{family}: the losses stay near float32's, not {max(far)}")
            validation = [metrics(scratch / name, "validation")[-1]["loss"] for name in (family, f"{family}-float32")]
            require(0 < abs(validation[0] - validation[1]) < TOLERANCE[family] * abs(validation[1]), "so does the validation loss")
            require(len(metrics(scratch / family, "knn")) == 1, "kNN takes the features")
            index = json.loads((newest_checkpoint(scratch / family) / "index.json").read_text())
            require({entry["dtype"] for entry in index["tensors"]} <= {"F32", "I64"}, "checkpoints hold float32")

            require(pretrain(f"{family}-again", *what, "--train.activation_checkpointing", "true") == narrow,
                    f"{family}: another run, with activation checkpointing, gives the same bits")
            pretrain(f"{family}-stopped", *what, "--train.stop_after", "9", code=85)
            require(pretrain(f"{family}-stopped", *what, "--resume") == narrow, f"{family}: a resumed run gives the same bits")
            run("embed", "--checkpoint", scratch / family, "--corpus", corpus, "--output", scratch / f"{family}.h5",
                "--split", "validation")


if __name__ == "__main__":
    main()
