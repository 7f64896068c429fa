"""Chaos: faults of drawn kinds hit supervised runs of both models and corpus builds at drawn moments and ranks, several
each. Every end must be that of an undisturbed run, bit by bit, and no process may be left.

The campaign is resumable: what L holds counts, and the same seed goes on with the next draw. Its faults are those that
happened; one whose moment never came is drawn but not counted.
"""

import argparse
import collections
import contextlib
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time

from chaos.hits import hit
from chaos.on_machine import Supervised
from chaos.on_slurm import OF_NODES, Clustered
from chaos.summary import write_summary
from cluster.campaign import WORKLOADS, Record, Workload, commit_of_program
from cluster.faults import NODES
from cluster.slurm import cluster
from support.program import require

#: How much more often than others a kind is drawn. From outside at a moment of progress:
OUTSIDE = {"kill": 4, "kill-two": 2, "kill-launcher": 1, "kill-all": 2, "stop": 1, "stop-signal": 2, "truncate": 2,
           "flip": 2, "remove": 1}
#: and by --inject, at a step of training or a shard of the rank.
INJECTED = {"inject-kill": 1, "inject-abort": 1, "inject-throw": 1, "inject-stop": 1, "inject-enospc": 2, "inject-eio": 2,
            "inject-slow": 1, "inject-nan": 2, "inject-bitflip": 2, "inject-nan*": 1}
TRAINING_ONLY = {"truncate", "flip", "remove", "inject-nan", "inject-nan*", "inject-bitflip"}
FEWEST = min(Supervised.counts)  # ranks
#: A hang is one after so many seconds; every rank checks its state at every step.
LIMIT = ["--fault.limit", 25]
CHECKS = ["--fault.hash_every", 1]


class Plan:
    """What a run is to meet: faults from outside as (share of the way, kind), others as words for --inject."""

    def __init__(self, draw, workload, wanted):
        weights = {kind: weight for kind, weight in {**OUTSIDE, **OF_NODES, **INJECTED}.items()
                   if kind in wanted and (workload.trains or kind not in TRAINING_ONLY)}
        kinds = draw.choices(list(weights), list(weights.values()), k=draw.randint(1, 6))
        self.drawn, self.outside, self.inside, self.skipped = len(kinds), [], [], set()
        for kind in kinds:
            if kind not in INJECTED:  # at a share of the way
                self.outside.append((draw.uniform(0, 1), kind))
                continue
            unit = draw.randint(1, workload.steps if workload.trains else 6)
            rank = 0 if kind.endswith("*") else draw.randrange(FEWEST)
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


def one_run(number, seed, folder, work, kinds, nodes):
    """Draws and does one run, on the nodes of a cluster if there is one; returns its line of the record."""
    draw = random.Random(f"{seed}/{number}")
    workload = Workload(WORKLOADS[number % len(WORKLOADS)], work / "input")
    workload.prepare()
    plan = Plan(draw, workload, kinds)
    expected = workload.undisturbed(plan.clean())
    if nodes:
        job = Clustered(nodes, workload, folder, draw.choice(Clustered.counts), plan.options)
    else:
        job = Supervised(workload, folder, draw.choice(Supervised.counts), plan.options)
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
        job.wait(lambda: not job.leftovers(), f"{story}: no process and no scratch is left", limit=30)
    finally:
        job.clean_up()
    attempts = sum(text.startswith("attempt") for _, text in job.events())
    return {"run": number, "seed": seed, "commit": commit_of_program(), "where": job.where, "workload": workload.name, "faults": met, "drawn": plan.drawn,
            "attempts": attempts, "end": "bit-identical", "seconds": round(time.time() - started, 1)}


def main():
    parser = argparse.ArgumentParser(prog="tests/chaos/run.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=10, help="go on until so many have happened (10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slurm", action="store_true", help=f"on {len(NODES)} nodes of a Slurm cluster, which may be hit too")
    parser.add_argument("--kinds", help="draw these only (all)")
    parser.add_argument("--resume-log", type=pathlib.Path, metavar="L", help="the record; without it nothing is kept")
    parser.add_argument("--work", type=pathlib.Path, help="where corpora and undisturbed runs stay for the next session")
    parser.add_argument("--summary", type=pathlib.Path, help="write the summary of L, say docs/chaos.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what runs is ended then too
    known = [*OUTSIDE, *INJECTED, *(OF_NODES if options.slurm else [])]
    kinds = options.kinds.split(",") if options.kinds else known
    unknown = set(kinds) - {*known}
    if unknown:
        parser.error(f"there is no kind {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        work = options.work or pathlib.Path(scratch)
        nodes = stack.enter_context(cluster(scratch, nodes=len(NODES))) if options.slurm else None
        record = Record(options.resume_log or pathlib.Path(scratch) / "chaos.jsonl")
        while True:
            lines = [line for line in record.lines() if line["seed"] == options.seed]
            if sum(len(line["faults"]) for line in lines) >= options.faults:
                break
            number = max((line["run"] for line in lines), default=-1) + 1
            folder = pathlib.Path(scratch) / f"run-{number}"
            folder.mkdir()
            record.add(**one_run(number, options.seed, folder, work, kinds, nodes))
            shutil.rmtree(folder)
        met = collections.Counter(fault["kind"] for line in lines for fault in line["faults"])
        print(f"{sum(met.values())} faults in {len(lines)} runs, every end bit-identical: {dict(met)}")
        if options.summary:
            write_summary(options.summary, record.lines())


if __name__ == "__main__":
    main()
