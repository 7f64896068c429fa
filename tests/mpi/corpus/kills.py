"""kill -9 of a drawn rank at a drawn moment of a build, then the same command again on other ranks: the bytes of an
undisturbed build. Usage: kills.py [--kills N] [--seed S]"""

import argparse
import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

from support import program

RAW = program.SHARED / "data/mmearth/raw/data_tiny_v001_64"


def tree(folder):
    """Every file below a folder with its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(pathlib.Path(folder).rglob("*"))
    }


def build_words(output, threads):
    return ["corpus", "build", "--source", "mmearth-tiles", "--input", RAW, "--output", output, "--shard-tiles", "8",
            "--threads", threads]


def ranks_of(job):
    """Process identifiers of the ranks that mpirun started; of the program itself where there is no mpirun."""
    try:
        text = pathlib.Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def disturbed(output, draw):
    """Starts a build, kills one rank once a drawn number of files is there; returns what happened."""
    ranks, threads, files = draw.randint(2, 4), draw.randint(1, 2), draw.randint(0, 19)
    words = program.command(build_words(output, threads), ranks)
    job = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    there = lambda: sum(1 for path in pathlib.Path(output).rglob("*.*") if path.suffix in (".idx", ".h5", ".part"))
    while job.poll() is None and (there() < files or len(ranks_of(job)) < ranks):
        time.sleep(0.001)
    # The file count alone would always stop between the same calls.
    time.sleep(draw.uniform(0, 0.03))
    victims = ranks_of(job)
    rank = draw.randrange(ranks)
    killed = job.poll() is None and rank < len(victims)
    if killed:
        try:
            os.kill(victims[rank], signal.SIGKILL)
        except ProcessLookupError:
            killed = False
    job.wait()
    return f"{ranks} ranks x {threads} threads, rank {rank} {'killed' if killed else 'not met'} at {files} files"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("TERRAMILL_KILLS", "5")))
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    if not RAW.is_dir():
        program.skip(f"the shared data is not at {RAW}")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="terramill-kills-"))
    try:
        program.run(*build_words(scratch / "undisturbed", 1))
        expected = tree(scratch / "undisturbed")
        for number in range(arguments.kills):
            draw = random.Random(1000 * arguments.seed + number)
            output = scratch / f"corpus-{number}"
            story = disturbed(output, draw)
            if draw.random() < 0.3:
                story += "; then " + disturbed(output, draw)
            program.run(*build_words(output, draw.randint(1, 2)), ranks=draw.randint(1, 3))
            print(f"{number}: {story}", flush=True)
            program.require(tree(output) == expected, f"the corpus differs after: {story}")
            shutil.rmtree(output)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


main()
