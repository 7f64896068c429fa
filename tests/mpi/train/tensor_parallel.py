"""dp x tp layouts, ZeRO on and off, over 4 micro-batches and 20 steps: within the design's contract of 1 x 1; with `exact`
bit-identical over dp and ZeRO at each tp, and between two runs of one layout. A checkpoint of one layout continues on
any other with the same curve. On GPUs (--device cuda) bits are demanded of two runs of one layout alone."""

import argparse
import os
import pathlib
import tempfile

from mpi.train.layouts import RECIPE, STEPS, difference
from support.program import (SMALL_MODELS, checkpoint_tensors, curve, invented_corpus, newest_checkpoint, require, run,
                             skip)

LIMITS = {"float64": (1e-9, "d"), "float32": (2e-5, "f")}
LAYOUTS = [(2, 1), (3, 1), (4, 1), (1, 2), (2, 2), (1, 3), (1, 4)]
#: What a run that moves goes through: dp, tp, ZeRO.
MOVES = [(2, 2, True), (1, 3, False), (4, 1, True), (1, 4, False), (3, 1, False)]
HEADS = ["--terrafm.embed_dim", "24", "--terrafm.heads", "6", "--terrafm.fusion_heads", "4"]


def furthest(curve_a, curve_b):
    """The largest relative difference between the losses of two curves."""
    require([line["step"] for line in curve_a] == [line["step"] for line in curve_b], "the curves have the same steps")
    return max(abs(a["loss"] - b["loss"]) / max(1.0, abs(a["loss"])) for a, b in zip(curve_a, curve_b))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=SMALL_MODELS, default="mpmae")
    parser.add_argument("--precision", choices=LIMITS, default="float64")
    parser.add_argument("--few", action="store_true", help="1 x 2 and 2 x 2 alone")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--ranks", type=int, default=4, help="no more than these at once: GPUs")
    options = parser.parse_args()
    if options.ranks < 2:
        skip("layouts need two ranks at least")
    on_cpu = options.device == "cpu"
    where = ["--train.device", options.device]
    if not on_cpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        where += ["--train.deterministic", "true"]
    limit, kind = LIMITS[options.precision]
    model = [*SMALL_MODELS[options.family], *(HEADS if options.family == "terrafm" else [])]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=150)

        def pretrain(name, dp, tp, *more, zero=False, code=0):
            run("pretrain", "--corpus", corpus, "--output", scratch / name, *model, *RECIPE, *where, "--train.knn_every", 0,
                "--train.precision", options.precision, "--train.tp", tp, "--train.zero", str(zero).lower(), *more,
                ranks=dp * tp, code=code)
            return scratch / name

        def weights_of(folder):
            return checkpoint_tensors(newest_checkpoint(folder))

        reference = pretrain("one", 1, 1)
        expected, losses = weights_of(reference), curve(reference)

        def require_near(folder, what):
            weights = difference(expected, weights_of(folder), kind)
            values = furthest(losses, curve(folder))
            print(f"{what}: weights within {weights:.1e}, losses within {values:.1e} of 1 x 1")
            require(weights <= limit, f"{what} ends within {limit} of 1 x 1, not {weights:.1e}")
            require(values <= limit, f"{what} logs losses within {limit} of 1 x 1, not {values:.1e}")

        of_tp = {1: expected}
        for dp, tp in [(1, 2), (2, 2)] if options.few else LAYOUTS:
            if dp * tp > options.ranks:
                continue
            for zero in (False, True):
                if zero and dp == 1:
                    continue
                what = f"{dp} x {tp}{', ZeRO' if zero else ''}"
                folder = pretrain(what, dp, tp, zero=zero)
                require_near(folder, what)
                if tp in of_tp and on_cpu:
                    require(weights_of(folder) == of_tp[tp], f"{what} ends with the bits of the other runs at tp {tp}")
                    print(f"{what}: bit-identical to the others at tp {tp}")
                of_tp.setdefault(tp, weights_of(folder))
        square = (2, 2) if options.ranks >= 4 else (2, 1)
        twice = [weights_of(pretrain(f"again {i}", *square, zero=True)) for i in range(1 if on_cpu else 2)]
        require(twice[-1] == (of_tp[square[1]] if on_cpu else twice[0]), "two runs of one layout end with the same bits")

        moves = [move for move in MOVES if move[0] * move[1] <= options.ranks]
        if len(moves) < 2:
            moves = [(2, 1, True), (1, 2, False), (1, 1, False)]
        for i, (dp, tp, zero) in enumerate(moves):
            resume = ["--resume"] if i > 0 else []
            stop = ["--train.stop_after", 5 + 4 * i - (i == 3)] if i + 1 < len(moves) else []
            pretrain("moves", dp, tp, *resume, *stop, zero=zero, code=85 if stop else 0)
        require(len(curve(scratch / "moves")) == STEPS, "the run that moved logged every step")
        require_near(scratch / "moves", ", then ".join(f"{dp} x {tp}{' with ZeRO' * zero}" for dp, tp, zero in moves))

        fast = pretrain("fast", *square, "--train.reduction", "fast", "--train.bucket", "auto", zero=True)
        require_near(fast, f"fast, {square[0]} x {square[1]}, ZeRO, buckets by measurement")
        narrow = pretrain("narrow", 2, 1, "--train.reduction", "fast", "--train.reduction_dtype", "bfloat16", zero=True)
        require(furthest(losses, curve(narrow)) < 0.1, "gradients sent in bfloat16 keep the curve near")


if __name__ == "__main__":
    main()
