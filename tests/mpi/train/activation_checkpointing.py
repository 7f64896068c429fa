"""train.activation_checkpointing changes no bit of losses and weights, for both models, in float32 and float64, on one and
two replicas; a run may be resumed with the other choice."""

import pathlib
import tempfile

from support.program import SMALL_MODELS, checkpoint_tensors, curve, invented_corpus, newest_checkpoint, require, run

RECIPE = ["--train.micro_batch_size", "3", "--train.micro_batches", "2", "--train.steps", "3", "--train.warmup_steps", "1",
          "--train.lr", "2e-3", "--train.validation_tiles", "6", "--checkpoint.every", "0"]


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=40)

        def pretrain(name, *more, ranks=1, code=0):
            run("pretrain", "--corpus", corpus, "--output", scratch / name, *RECIPE, *more, ranks=ranks, code=code)
            return checkpoint_tensors(newest_checkpoint(scratch / name)), curve(scratch / name)

        for family, model in SMALL_MODELS.items():
            for precision in ("float32", "float64"):
                what = [*model, "--train.precision", precision]
                name = f"{family}-{precision}"
                plain = pretrain(name, *what)
                for ranks in (1, 2):
                    again = pretrain(f"{name}-{ranks}", *what, "--train.activation_checkpointing", "true", ranks=ranks)
                    require(again == plain, f"{name}: activation checkpointing on {ranks} replicas keeps the bits")
                print(f"{name}: bit-identical with activation checkpointing, on 1 and 2 replicas")
        stop = ["--train.stop_after", "2", "--train.activation_checkpointing", "true"]
        pretrain("stopped", *SMALL_MODELS["terrafm"], *stop, code=85)
        resumed = pretrain("stopped", *SMALL_MODELS["terrafm"], "--resume")
        require(resumed[0] == checkpoint_tensors(newest_checkpoint(scratch / "terrafm-float32")),
                "a run goes on without activation checkpointing to the same bits")


if __name__ == "__main__":
    main()
