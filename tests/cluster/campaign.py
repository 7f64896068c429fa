"""What the fault campaigns share: small workloads whose end is compared bit by bit, and jobs that are watched while
faults hit them."""

import datetime
import hashlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import time

from support.program import (BINARY, SMALL_MODELS, SOURCE, checkpoint_tensors, curve, newest_checkpoint, require, run)

SEED = 4
TILES = 240
SHARD_TILES = 6
RECIPE = ["--train.micro_batch_size", "2", "--train.micro_batches", "4", "--train.reduction", "exact",
          "--train.warmup_steps", "4", "--train.lr", "2e-3", "--checkpoint.every", "4", "--checkpoint.keep", "3"]
SPEED_STEPS = 3
WORKLOADS = ("mpmae", "terrafm", "corpus")


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Workload:
    """A run or a build that is small enough to be hit hundreds of times. `folder` keeps its input and the end of an
    undisturbed one from session to session."""

    def __init__(self, name, folder, steps=40):
        self.name, self.folder, self.steps = name, pathlib.Path(folder), steps
        self.trains = name != "corpus"
        self.script = "pretrain" if self.trains else "corpus"
        self.subcommand = ["pretrain"] if self.trains else ["corpus", "build"]
        self.folder.mkdir(parents=True, exist_ok=True)

    def words(self, output, extra=()):
        """Options of the subcommand."""
        if self.trains:
            return ["--corpus", self.folder / "corpus", "--output", output, *SMALL_MODELS[self.name], *RECIPE,
                    "--train.steps", self.steps, *extra]
        return [*self.build(output), *extra]

    def build(self, output):
        return ["--source", "mmearth-tiles", "--input", self.folder / "raw", "--output", output, "--shard-tiles",
                SHARD_TILES, "--validation-share", "0.2", "--threads", 1]

    def prepare(self):
        """Makes what is not there yet: raw tiles and a corpus."""
        if not (self.folder / "corpus/manifest.json").exists():
            run("corpus", "synth", "--output", self.folder / "raw", "--tiles", TILES, "--seed", SEED)
            run("corpus", "build", *self.build(self.folder / "corpus"))

    def undisturbed_run(self, extra=(), ranks=1):
        """The folder of a run, or a build, that nothing disturbs; made once."""
        if not self.trains:
            return self.folder / "corpus"
        name = digest(" ".join(map(str, [self.name, self.steps, *extra])).encode())[:8]
        folder = self.folder / f"undisturbed-{name}"
        if not folder.with_suffix(".json").exists():
            run("pretrain", *self.words(folder, extra), "--resume", ranks=ranks)
            folder.with_suffix(".json").write_text(json.dumps(self.end(folder)))
        return folder

    def undisturbed(self, extra=(), ranks=1):
        """How that ends."""
        folder = self.undisturbed_run(extra, ranks)
        return json.loads(folder.with_suffix(".json").read_text()) if self.trains else self.end(folder)

    def length(self):
        """What `progress` gets to."""
        return self.steps if self.trains else TILES // SHARD_TILES

    def progress(self, output):
        """Steps that were logged, or shards that are finished."""
        try:
            if self.trains:
                return last_step(output)
            if (output / "manifest.json").exists():
                return self.length()
            return len(list((output / ".build").glob("*.part")))
        except OSError:
            return 0

    def end(self, output):
        """What must be the same bit by bit: tensors and curve of a run, every file of a corpus."""
        if not self.trains:
            return {str(path.relative_to(output)): digest(path.read_bytes())
                    for path in sorted(output.rglob("*")) if path.is_file()}
        checkpoint = newest_checkpoint(output)
        require(int(checkpoint.name.split("-")[1]) == self.steps, f"{output} ends with step {self.steps}: {checkpoint}")
        state = {name: digest(data) for name, data in checkpoint_tensors(checkpoint).items()}
        state["curve"] = digest(json.dumps(curve(output)).encode())
        return state


def commit_of_program():
    """The last commit that changed what is tested."""
    words = ["git", "-C", SOURCE, "log", "-1", "--format=%h", "--", "src", "include", "jobs"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def last_step(output):
    """The newest step in metrics.jsonl."""
    with open(output / "metrics.jsonl", "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 20000))
        found = re.findall(rb'"kind": ?"train", ?"step": ?(\d+)', file.read())
    return int(found[-1]) if found else 0


def rollback_of(output):
    """The step to which the run rolled back last."""
    notes = [line for line in (output / "metrics.jsonl").read_text().splitlines() if '"rollback"' in line or '"corruption"' in line]
    return json.loads(notes[-1])["step"] if notes else 0


def ranks_of(pids):
    """Those of the processes that are ranks of a run or a build: {rank: process id}."""
    found = {}
    for pid in map(int, pids):
        try:
            if os.readlink(f"/proc/{pid}/exe") != str(BINARY.resolve()):
                continue
            if b"--ping" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                continue
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        values = dict(entry.split(b"=", 1) for entry in environment if b"=" in entry)
        rank = values.get(b"OMPI_COMM_WORLD_RANK", values.get(b"PMIX_RANK", values.get(b"SLURM_PROCID")))
        if rank is not None:
            found[int(rank)] = pid
    return found


class Watched:
    """A supervised job, seen through its log and what it leaves. Times are of the wall clock."""

    def __init__(self, workload, output, log):
        self.workload, self.output, self.log = workload, pathlib.Path(output), pathlib.Path(log)
        self.history = [(time.time(), 0)]  # when progress changed, and to what
        self.requeued = None  # when the job was seen to wait in the queue again
        self.noticed = None   # when the log told a fault that the ranks survived
        self.hit_last = 0.0

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def events(self):
        """What the supervisor said: [(time, text)]."""
        found = re.findall(r"^supervise: (\S+)Z (.*)$", self.text(), re.M)
        return [(datetime.datetime.fromisoformat(when + "+00:00").timestamp(), what) for when, what in found]

    def started_last(self):
        """When the newest attempt began."""
        return max((when for when, text in self.events() if text.startswith("attempt")), default=0.0)

    def nodes_of_attempts(self):
        """How many nodes each attempt had."""
        return [int(text.split(" ranks on ")[1].split()[0]) for _, text in self.events() if text.startswith("attempt")]

    def note(self):
        progress = self.workload.progress(self.output)
        if progress != self.history[-1][1]:
            self.history.append((time.time(), progress))
        return progress

    def wait(self, holds, what, limit=900):
        """Watches until `holds`, or fails."""
        end = time.monotonic() + limit
        while not holds():
            self.note()
            if time.monotonic() > end:
                raise TimeoutError(f"waited {limit} s until {what}:\n{self.text()[-4000:]}")
            time.sleep(0.03)
        self.note()

    def times(self, hit):
        """What a fault at the time `hit` cost, in seconds and steps; None for what did not happen. The
        parts of a restart: until the step ended, until the nodes were checked, until the checkpoint was read, until the
        first new step."""
        events = self.events()
        ended = next((when for when, what in events if when > hit and what.startswith("ended with") and what != "ended with 0"), None)
        noticed = self.noticed or self.requeued or ended
        again = next((when for when, what in events if when > hit and what.startswith("attempt")), None)
        rolled = re.search(r"step (\d+): .*; back to the newest checkpoint", self.text())
        lost = back = None
        if again is not None:
            resumed = re.search(r"resuming .* after step (\d+)", self.text()[self.position(again):])
            reached = max(progress for when, progress in self.history if when <= again)
            kept = reached if not self.workload.trains else int(resumed.group(1)) if resumed else 0
            lost = max(0, reached - kept)
        elif rolled:
            again, kept = noticed, rollback_of(self.output)
            lost = int(rolled.group(1)) - 1 - kept
        if again is not None:
            back = next((when for when, progress in self.history if when > again and progress > kept), None)
        fast = self.at_speed(hit, back or hit)
        found = {"detected": noticed and round(noticed - hit, 1), "lost": lost, "back": back and round(back - hit, 1),
                 "fast": fast and round(fast - hit, 1)}
        read = re.search(r"^(\S+ \S+) info .*resuming", self.text()[self.position(again):], re.M) if ended and back else None
        if read:
            moments = [hit, ended, again, datetime.datetime.fromisoformat(read.group(1)).timestamp(), back]
            found["parts"] = [round(after - before, 1) for before, after in zip(moments, moments[1:])]
        return found

    def at_speed(self, hit, since):
        """When from a moment on the run got on as before the fault: `SPEED_STEPS` steps in at most 1.5 times the median."""
        def paces(history):
            for index, (start, first) in enumerate(history):
                for end, last in history[index + 1:]:
                    if last <= first:
                        break  # rolled back
                    if last - first >= SPEED_STEPS:
                        yield start, (end - start) / (last - first)
                        break
        before = [pace for _, pace in paces([entry for entry in self.history if 0 < entry[1] and entry[0] < hit])]
        if not before:
            return None
        limit = 1.5 * statistics.median(before)
        return next((start for start, pace in paces([entry for entry in self.history if entry[0] >= since]) if pace <= limit), None)

    def position(self, when):
        """Where in the log the supervisor's line of that time stands."""
        for match in re.finditer(r"^supervise: (\S+)Z ", self.text(), re.M):
            if datetime.datetime.fromisoformat(match.group(1) + "+00:00").timestamp() >= when:
                return match.start()
        return 0


class Record:
    """A file of JSON lines that a campaign adds to, and reads when it goes on."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def lines(self):
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def add(self, **fields):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")
        print(json.dumps(fields), flush=True)
