"""Kills a job that saves checkpoints, again and again, at drawn moments: what it reported as saved is never lost."""

import os
import random
import signal
import subprocess
import tempfile

saver = os.path.join(os.environ["TERRAMILL_BIN_DIR"], "checkpoint_saver")
rounds = 6
draw = random.Random(5)


def job(ranks, verb, run):
    command = [saver, verb, run]
    return command if ranks == 1 else ["mpirun", "--oversubscribe", "-n", str(ranks)] + command


with tempfile.TemporaryDirectory(prefix="terramill-killed-") as run:
    reported = 0
    for round in range(rounds):
        ranks = 1 + round % 2
        process = subprocess.Popen(job(ranks, "save", run), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        victim = int(draw.choice(process.stdout.readline().split()))
        # A few saves, then some of the writes of the next.
        for _ in range(draw.randint(1, 6)):
            line = process.stdout.readline()
            assert line, "the saver ended by itself"
            reported = int(line)
        for _ in range(draw.randint(0, 300000)):
            pass
        os.kill(victim, signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        reported = max([reported] + [int(word) for word in rest if word.isdigit()])
        newest = int(subprocess.run(job(1, "newest", run), check=True, capture_output=True, text=True).stdout)
        assert newest >= reported, f"round {round}: step {reported} was saved, {newest} is found"
        print(f"round {round}: {ranks} rank(s), {reported} reported, {newest} found")
