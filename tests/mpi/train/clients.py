"""TensorBoard's own reader reads the events, the PyPI package `safetensors` a checkpoint, `status` the run."""

import json
import pathlib
import tempfile

from support.program import (SMALL_MODEL, checkpoint_tensors, invented_corpus, metrics, newest_checkpoint, require, run,
                             skip)

try:
    import safetensors
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as missing:
    skip(f"a Python package is missing ({missing}); jobs/setup.sh installs it")

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--train.steps", "5",
          "--train.warmup_steps", "2"]


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=60)
        folder = scratch / "run"
        run("pretrain", "--corpus", corpus, "--output", folder, *SMALL_MODEL, *RECIPE, "--train.stop_after", "3",
            code=85)
        run("pretrain", "--corpus", corpus, "--output", folder, *SMALL_MODEL, *RECIPE, "--resume", ranks=2)

        events = EventAccumulator(str(folder / "events"))
        events.Reload()
        lines = metrics(folder)
        require({"train/loss", "train/lr", "train/gradient_norm", "train/images_per_second", "train/data_wait_share",
                 "train/communication_share", "validation/loss"} <= set(events.Tags()["scalars"]),
                f"TensorBoard finds the scalars, not only {events.Tags()['scalars']}")
        scalars = events.Scalars("train/loss")
        require([e.step for e in scalars] == [line["step"] for line in lines] == [1, 2, 3, 4, 5],
                "TensorBoard reads every step once")
        require(all(abs(e.value - line["loss"]) <= 1e-6 * abs(line["loss"]) for e, line in zip(scalars, lines)),
                "TensorBoard reads the values of metrics.jsonl")

        checkpoint = newest_checkpoint(folder)
        names = set()
        for file in sorted(checkpoint.glob("rank-*.safetensors")):
            with safetensors.safe_open(file, framework="numpy") as opened:
                for name in opened.keys():
                    names.add(name)
                    require(opened.get_tensor(name).size >= 0, f"{file.name}: {name} is readable")
        wanted = set(checkpoint_tensors(checkpoint))
        require(wanted == {name.split("#")[0].split("@")[0] for name in names} or wanted <= names,
                f"safetensors finds every tensor of the index; it lacks {sorted(wanted - names)[:3]}")

        state = json.loads(run("status", folder, "--json"))
        require(state["step"] == 5 and state["steps"] == 5 and state["finished"]
                and state["checkpoint"] == checkpoint.name, f"status tells where the run stands: {state}")
        require("step         5 of 5" in run("status", folder), "status speaks to people too")


if __name__ == "__main__":
    main()
