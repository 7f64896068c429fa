"""A rank that is stopped, or hangs in a file: every other rank says what it was doing and ends with code 86, the
stopped one is named, and no process stays behind. Injected faults strike in every subcommand, once in a run."""

import os
import pathlib
import tempfile

from support.program import BINARY, SMALL_MODEL, error_of, invented_corpus, require, run

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "4", "--train.steps", "6",
          "--train.warmup_steps", "2", "--checkpoint.every", "2"]
LIMIT = 15  # seconds


def left_over():
    """Processes of the program, started by this test, that still live."""
    mark = f"TERRAMILL_TEST_OWNER={os.getpid()}"
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "exe") == str(BINARY.resolve()):
                if mark in (entry / "environ").read_text().split("\0"):
                    found.append(entry.name)
        except OSError:
            continue
    return found


def main():
    os.environ["TERRAMILL_TEST_OWNER"] = str(os.getpid())
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=120, shard_tiles=16)

        def train(name, *options):
            return ["pretrain", "--corpus", corpus, "--output", scratch / name, *SMALL_MODEL, *RECIPE, *options]

        text = error_of(*train("stopped", "--inject", "stop@1:3", "--fault.limit", LIMIT), ranks=3, code=86)
        require("no answer from rank 1 on" in text, f"the stopped rank is named:\n{text}")
        for rank in (0, 2):
            require(f"[rank {rank} on" in text, f"rank {rank} speaks:\n{text}")
            report = (scratch / f"stopped/faults/hung-{rank:05}.txt").read_text()
            require("step (step 3)" in report, f"the step is named:\n{report}")
            require("all-to-all" in report or "ranks" in report, f"the collective is named:\n{report}")
        require(not left_over(), "no process stays behind")
        run(*train("stopped", "--inject", "stop@1:3", "--fault.limit", "60", "--resume"), ranks=3)

        # A file that never comes: what reads it is named, with the file.
        pipe = scratch / "weights.safetensors"
        os.mkfifo(pipe)
        text = error_of(*train("piped", "--init-from", pipe, "--fault.limit", LIMIT), code=86)
        require("weights.safetensors" in text, f"the file is named:\n{text}")

        for kind, code in (("kill@1", 137), ("enospc@1", 1), ("eio@0", 1), ("throw@0", 1), ("stop@0", 86)):
            built = scratch / f"built-{kind}"
            build = ["corpus", "build", "--source", "mmearth-tiles", "--input", scratch / "raw", "--output", built,
                     "--shard-tiles", "16", "--validation-share", "0.2", "--inject", f"{kind}:1"]
            text = error_of(*build, "--fault.limit", LIMIT, ranks=2, code=code)
            require(code != 86 or "no answer from rank 0 on" in text, f"the stopped rank is named:\n{text}")
            run(*build, ranks=2)
            for path in corpus.rglob("*"):
                if path.suffix in (".h5", ".idx"):
                    same = (built / path.relative_to(corpus)).read_bytes() == path.read_bytes()
                    require(same, f"after {kind}, {path.name} is as undisturbed")

        error_of("sample", "--corpus", corpus, "--tiles", "20", "--inject", "throw@0:0", code=1)
        error_of("status", scratch / "stopped", "--inject", "throw@0:0", code=1)
        error_of("sample", "--corpus", corpus, "--inject", "nan@0:1", code=2)
        error_of("sample", "--corpus", corpus, "--inject", "kill@0", code=2)
        error_of("sample", "--corpus", corpus, "--fault.limit", "-1", code=2)
        require(not left_over(), "no process stays behind")


if __name__ == "__main__":
    main()
