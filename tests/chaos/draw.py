"""Chaos: faults of drawn kinds hit supervised runs of both models and corpus builds at drawn moments and ranks, several
each. Every end must be that of an undisturbed run, bit by bit, and no process may be left.

The campaign is resumable: what L holds counts, and the same seed goes on with the next draw. Its faults are those that
happened; one whose moment never came is drawn but not counted.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from chaos.summary import write_summary
from cluster.campaign import WORKLOADS, Record, Watched, Workload, ranks_of
from support.program import SOURCE, require

#: How much more often than others a kind is drawn. From outside at a moment of progress:
OUTSIDE = {"kill": 4, "kill-two": 2, "kill-launcher": 1, "kill-all": 2, "stop": 1, "stop-signal": 2, "truncate": 2,
           "flip": 2}
#: and by --inject, at a step of training or a shard of the rank.
INJECTED = {"inject-kill": 1, "inject-abort": 1, "inject-throw": 1, "inject-stop": 1, "inject-enospc": 2, "inject-eio": 2,
            "inject-slow": 1, "inject-nan": 2, "inject-bitflip": 2, "inject-nan*": 1}
TRAINING_ONLY = {"truncate", "flip", "inject-nan", "inject-nan*", "inject-bitflip"}
RANKS = (2, 3, 4)
#: A hang is one after so many seconds; every rank checks its state at every step.
LIMIT = ["--fault.limit", 25]
CHECKS = ["--fault.hash_every", 1]


def processes_of(output):
    """Everything whose command line names the folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                if str(output).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


class Supervised(Watched):
    """jobs/supervise.sh outside Slurm, started again whenever a fault ended it as a whole."""

    def __init__(self, workload, folder, ranks, extra):
        super().__init__(workload, folder / "out", folder / "job.log")
        self.folder, self.extra = folder, list(extra)
        self.start(ranks)

    def start(self, ranks):
        self.ranks_wanted = ranks
        words = ["bash", SOURCE / "jobs/supervise.sh", "--ranks", ranks, "--max-restarts", 99, "--max-stuck", 20, "--pause", 0,
                 "--least-disk", 8, *self.workload.subcommand, *self.workload.words(self.output, self.extra)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env={**os.environ, "TMPDIR": str(self.folder)})

    def ranks(self):
        return ranks_of(processes_of(self.output))

    def ended(self):
        return self.process.poll() is not None

    def finish(self):
        self.wait(self.ended, "the supervisor ends")
        return self.process.returncode


def send(pids, number=signal.SIGKILL):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def damage(job, how, draw):
    """Kills all ranks and damages a file of the newest checkpoint. False where there is no other: a run whose
    checkpoints are all damaged is refused."""
    there = lambda: sorted(job.output.glob("checkpoints/step-*/index.json"))
    if len(there()) < 2:
        return False
    send(job.ranks().values())
    file = draw.choice(sorted(there()[-1].parent.glob("*.safetensors")))
    with contextlib.suppress(OSError):
        data = bytearray(file.read_bytes())
        if how == "truncate":
            data = data[:draw.randrange(len(data))]
        else:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        file.write_bytes(data)
    return True


def hit(job, kind, draw):
    """Does the fault; False when there was nothing to hit."""
    ranks = job.ranks()
    if not ranks:
        return False
    if kind == "stop":
        send([draw.choice(sorted(ranks.values()))], signal.SIGSTOP)
    elif kind in ("kill", "kill-two"):
        send(ranks[rank] for rank in draw.sample(sorted(ranks), min(len(ranks), 1 + (kind == "kill-two"))))
    elif kind == "kill-launcher":
        send(pid for pid in processes_of(job.output) if os.path.basename(program_of(pid)) in ("mpirun", "orterun"))
    elif kind == "kill-all":
        send([job.process.pid, *processes_of(job.output)])
        job.finish()
        job.wait(lambda: not processes_of(job.output), "all of it is gone")
        job.start(draw.choice(RANKS))
    elif kind == "stop-signal":
        job.process.send_signal(signal.SIGUSR1)
        code = job.finish()
        require(code in (0, 85), f"a request to stop ends with 85, not {code}:\n{job.text()[-3000:]}")
        if code == 0:
            return False
        job.start(draw.choice(RANKS))
    else:
        return damage(job, kind, draw)
    return True


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


class Plan:
    """What a run is to meet: faults from outside as (share of the way, kind), others as words for --inject."""

    def __init__(self, draw, workload, wanted):
        weights = {kind: weight for kind, weight in {**OUTSIDE, **INJECTED}.items()
                   if kind in wanted and (workload.trains or kind not in TRAINING_ONLY)}
        kinds = draw.choices(list(weights), list(weights.values()), k=draw.randint(1, 6))
        self.drawn, self.outside, self.inside, self.skipped = len(kinds), [], [], set()
        for kind in kinds:
            if kind in OUTSIDE:  # at a share of the way
                self.outside.append((draw.uniform(0, 1), kind))
                continue
            unit = draw.randint(1, workload.steps if workload.trains else 6)
            rank = 0 if kind.endswith("*") else draw.randrange(min(RANKS))
            self.inside.append(f"{kind[len('inject-'):].rstrip('*')}@{rank}:{unit}{'*' if kind.endswith('*') else ''}")
            if kind.endswith("*"):
                self.skipped.add(unit)
        self.outside.sort()
        self.options = LIMIT if any("stop" in kind and kind != "stop-signal" for kind in kinds) else []
        self.options = self.options + (CHECKS if "inject-bitflip" in kinds else [])
        self.options = self.options + (["--inject", ",".join(self.inside)] if self.inside else [])

    def clean(self):
        """Options of an undisturbed run with the same end."""
        return ["--fault.skip_batches", ",".join(map(str, sorted(self.skipped)))] if self.skipped else []

    def injected(self, log):
        """The faults that the log tells to have struck; one at every replay counts once."""
        struck = set(re.findall(r"injecting (\S+) on", log))
        return [{"kind": "inject-" + word.split("@")[0] + ("*" if word.endswith("*") else ""),
                 "at": int(word.split(":")[1].rstrip("*"))} for word in self.inside if word in struck]


def one_run(number, seed, folder, work, kinds):
    """Draws and does one run; returns its line of the record."""
    draw = random.Random(f"{seed}/{number}")
    workload = Workload(WORKLOADS[number % len(WORKLOADS)], work / "input")
    workload.prepare()
    plan = Plan(draw, workload, kinds)
    expected = workload.undisturbed(plan.clean())
    job = Supervised(workload, folder, draw.choice(RANKS), plan.options)
    started, met = time.time(), []
    try:
        for moment, kind in plan.outside:
            wanted = moment * workload.length()
            job.wait(lambda: job.ended() or (job.note() >= wanted and job.ranks()), f"{workload.name} gets to {wanted}")
            if not job.ended():
                at = job.note()
                if hit(job, kind, draw):
                    met.append({"kind": kind, "at": at})
        code = job.finish()
        met += plan.injected(job.text())
        story = f"run {number} ({workload.name}): {met}"
        require(code == 0, f"{story}: ended with {code}\n{job.text()}")
        require(workload.end(job.output) == expected, f"{story}: the end differs from an undisturbed one\n{job.text()}")
        job.wait(lambda: not processes_of(job.output), f"{story}: no process is left", limit=30)
    finally:
        send([*processes_of(job.output), job.process.pid])
        job.process.wait()
    attempts = sum(text.startswith("attempt") for _, text in job.events())
    return {"run": number, "seed": seed, "workload": workload.name, "faults": met, "drawn": plan.drawn, "attempts": attempts,
            "end": "bit-identical", "seconds": round(time.time() - started, 1)}


def main():
    parser = argparse.ArgumentParser(prog="tests/chaos/run.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=10, help="go on until so many have happened (10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join([*OUTSIDE, *INJECTED]), help="draw these only (all)")
    parser.add_argument("--resume-log", type=pathlib.Path, metavar="L", help="the record; without it nothing is kept")
    parser.add_argument("--work", type=pathlib.Path, help="where corpora and undisturbed runs stay for the next session")
    parser.add_argument("--summary", type=pathlib.Path, help="write the summary of L, say docs/chaos.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what runs is ended then too
    kinds = options.kinds.split(",")
    unknown = set(kinds) - {*OUTSIDE, *INJECTED}
    if unknown:
        parser.error(f"there is no kind {', '.join(sorted(unknown))}; there are {', '.join([*OUTSIDE, *INJECTED])}")
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or pathlib.Path(scratch)
        record = Record(options.resume_log or pathlib.Path(scratch) / "chaos.jsonl")
        while True:
            lines = [line for line in record.lines() if line["seed"] == options.seed]
            if sum(len(line["faults"]) for line in lines) >= options.faults:
                break
            number = max((line["run"] for line in lines), default=-1) + 1
            folder = pathlib.Path(scratch) / f"run-{number}"
            folder.mkdir()
            record.add(**one_run(number, options.seed, folder, work, kinds))
            shutil.rmtree(folder)
        met = collections.Counter(fault["kind"] for line in lines for fault in line["faults"])
        print(f"{sum(met.values())} faults in {len(lines)} runs, every end bit-identical: {dict(met)}")
        if options.summary:
            write_summary(options.summary, record.lines())


if __name__ == "__main__":
    main()
