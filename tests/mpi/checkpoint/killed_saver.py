"""Kills a job that saves checkpoints, again and again, at drawn moments: what it reported as saved is never lost, on the
nodes' disks (save-local) not even with the disk of one node."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

saver = os.path.join(os.environ["TERRAMILL_BIN_DIR"], "checkpoint_saver")
verb = sys.argv[1] if len(sys.argv) > 1 else "save"
local = verb == "save-local"
rounds = 6
draw = random.Random(5)


def job(ranks, verb, run):
    command = [saver, verb, run]
    return command if ranks == 1 else ["mpirun", "--oversubscribe", "-n", str(ranks)] + command


with tempfile.TemporaryDirectory(prefix="terramill-killed-") as run:
    reported = 0
    for round in range(rounds):
        ranks = 3 if local else 1 + round % 2
        process = subprocess.Popen(job(ranks, verb, run), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
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
        if local and round % 2 == 0:
            shutil.rmtree(os.path.join(run, "disks", "saver", f"node{draw.randrange(ranks)}"), ignore_errors=True)
        look = job(3, "newest-local", run) if local else job(1, "newest", run)
        newest = int(subprocess.run(look, check=True, capture_output=True, text=True).stdout)
        assert newest >= reported, f"round {round}: step {reported} was saved, {newest} is found"
        print(f"round {round}: {ranks} rank(s), {reported} reported, {newest} found")
