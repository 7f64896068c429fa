"""1, 2, 3 and 4 replicas over 4 micro-batches: with `exact` the same weights bit for bit after 20 steps and the same
losses; with `fast` weights within the design's contract. The same checkpoint, whatever wrote it, continues on any."""

import argparse
import pathlib
import tempfile

from support.program import (SMALL_MODELS, checkpoint_tensors, curve, invented_corpus, metrics, newest_checkpoint, require,
                             run)
from support.weights import difference

STEPS = 20
RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "4", "--train.steps", str(STEPS),
          "--train.warmup_steps", "4", "--train.lr", "2e-3", "--train.validation_tiles", "10",
          "--sampling.strategy", "landcover", "--checkpoint.every", "0", "--train.knn_every", "10",
          "--train.knn_tiles", "50"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=SMALL_MODELS, default="mpmae")
    options = parser.parse_args()
    model = SMALL_MODELS[options.family]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=150)

        def pretrain(name, ranks, *more, code=0):
            run("pretrain", "--corpus", corpus, "--output", scratch / name, *model, *RECIPE, *more,
                ranks=ranks, code=code)
            return scratch / name

        reference = pretrain("exact-1", 1)
        weights = checkpoint_tensors(newest_checkpoint(reference))
        losses, validation = curve(reference), curve(reference, "validation")
        neighbours = metrics(reference, "knn")
        require([line["step"] for line in neighbours] == [10, 20], "kNN was tested at its interval and at the end")
        require(len(losses) == STEPS and len(validation) == 1, "the run logged every step and the validation")
        if options.family == "mpmae":  # DINO's loss is a moving target: it need not fall in so few steps
            require(losses[-1]["loss"] < losses[0]["loss"], "the loss falls")
        for ranks in (2, 3, 4):
            other = pretrain(f"exact-{ranks}", ranks)
            require(checkpoint_tensors(newest_checkpoint(other)) == weights,
                    f"exact: {ranks} replicas end with the bits of one")
            require(curve(other) == losses, f"exact: {ranks} replicas log the losses of one")
            require(curve(other, "validation") == validation, f"the validation loss is the same on {ranks} replicas")
            require(metrics(other, "knn") == neighbours, f"kNN says the same on {ranks} replicas")
            print(f"exact, {ranks} replicas: bit-identical to 1")

        # The fusion's queries begin nearly equal, so in float32 the gradient of what pools them is rounding for the most
        # part, which Adam magnifies; float64 tells whether the sums are the same.
        precision, kind, limit = ("float64", "d", 1e-9) if options.family == "terrafm" else ("float32", "f", 2e-5)
        expected = weights
        if precision == "float64":
            wide = pretrain("exact-float64", 1, "--train.precision", precision)
            expected = checkpoint_tensors(newest_checkpoint(wide))
        for ranks in (1, 2, 3, 4):
            other = pretrain(f"fast-{ranks}", ranks, "--train.reduction", "fast", "--train.precision", precision)
            worst = difference(expected, checkpoint_tensors(newest_checkpoint(other)), kind)
            print(f"fast, {ranks} replicas, {precision}: weights within {worst:.1e} of exact on 1")
            require(worst <= limit, f"fast: {ranks} replicas stay within {limit} of the exact weights, not {worst:.1e}")

        shrunk = pretrain("shrinks", 4, "--train.stop_after", "7", code=85)
        pretrain("shrinks", 3, "--resume", "--train.stop_after", "12", code=85)
        pretrain("shrinks", 1, "--resume")
        require(checkpoint_tensors(newest_checkpoint(shrunk)) == weights and curve(shrunk) == losses,
                "a run that goes from 4 to 3 to 1 replicas ends with the bits of one that stayed")
        print("4, 3, then 1 replicas: bit-identical to 1")


if __name__ == "__main__":
    main()
