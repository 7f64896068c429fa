"""kill -9 of a drawn rank at a drawn moment of a pretraining run, then the same command with --resume, until it ends:
the same losses and final weights, bit for bit, as a run that nothing disturbed."""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from support.program import (BINARY, SMALL_MODELS, checkpoint_tensors, command, curve, invented_corpus,
                             newest_checkpoint, require, run)

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "4", "--train.steps", "40",
          "--train.warmup_steps", "4", "--train.lr", "2e-3", "--checkpoint.every", "3", "--checkpoint.keep", "2"]


def ranks_of(parent):
    """Process ids of the program's ranks below `parent`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == parent and os.readlink(entry / "exe") == str(BINARY.resolve()):
                found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    return found


def killed_run(words, moment, chooser):
    """Starts `words`; after `moment` seconds kills one rank. True when the run was killed before its end."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(timeout=moment)
            return False
        except subprocess.TimeoutExpired:
            ranks = ranks_of(process.pid)
            if ranks:
                try:
                    os.kill(chooser.choice(sorted(ranks)), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return process.wait() != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", choices=SMALL_MODELS, default="mpmae")
    options = parser.parse_args()
    chooser = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=120)

        def arguments(name):
            return ["pretrain", "--corpus", corpus, "--output", scratch / name, *SMALL_MODELS[options.family], *RECIPE,
                    "--resume"]

        start = time.monotonic()
        run(*arguments("undisturbed"), ranks=2)
        length = time.monotonic() - start
        weights = checkpoint_tensors(newest_checkpoint(scratch / "undisturbed"))
        losses = curve(scratch / "undisturbed")

        killed = rounds = 0
        while killed < options.kills:
            name = f"killed-{rounds}"
            rounds += 1
            # A run is killed up to three times, then left to end.
            for _ in range(min(3, options.kills - killed)):
                ranks = chooser.choice((2, 3))
                killed += killed_run(command(arguments(name), ranks), chooser.uniform(0.2, 1.0) * length, chooser)
            run(*arguments(name), ranks=2)
            require(curve(scratch / name) == losses, f"{name} logs the losses of the undisturbed run")
            require(checkpoint_tensors(newest_checkpoint(scratch / name)) == weights,
                    f"{name} ends with the weights of the undisturbed run")
            print(f"after {killed} kills: losses and weights are those of the undisturbed run", flush=True)


if __name__ == "__main__":
    main()
