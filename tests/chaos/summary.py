"""Writes the summary of a chaos campaign from its record."""

import collections

from cluster.campaign import WORKLOADS

MEANING = {
    "kill": "SIGKILL of one rank",
    "kill-two": "SIGKILL of two ranks at once",
    "kill-launcher": "SIGKILL of mpirun",
    "kill-all": "SIGKILL of supervisor, mpirun and ranks; started again by hand, on another number of ranks",
    "stop": "SIGSTOP of one rank",
    "stop-signal": "USR1 to the supervisor; started again, on another number of ranks",
    "truncate": "a file of the newest checkpoint truncated, and all ranks killed",
    "flip": "a bit of the newest checkpoint flipped, and all ranks killed",
    "remove": "a file of the newest checkpoint removed, and all ranks killed",
    "lose-node": "a node lost, as by a loss of power",
    "lose-batch-host": "the batch host lost",
    "lose-disk": "a node's local disk exchanged, and its rank killed",
    "fill-disk": "a node's scratch filled, and its rank killed",
    "preempt": "preempted, requeued",
    "restart-controller": "slurmctld killed and restarted",
    "break-eio": "I/O errors of a node in the folder of checkpoints or shards, then none",
    "break-enospc": "no space there for a node, then space again",
    "inject-kill": "injected: SIGKILL at a step or shard",
    "inject-abort": "injected: SIGABRT",
    "inject-throw": "injected: an exception",
    "inject-stop": "injected: SIGSTOP",
    "inject-enospc": "injected: no space for the next file",
    "inject-eio": "injected: an I/O error of the next file",
    "inject-slow": "injected: a rank takes twice as long from then on",
    "inject-nan": "injected: a NaN in a gradient, once",
    "inject-nan*": "injected: a NaN at every replay; end of a clean run with the same skip list",
    "inject-bitflip": "injected: a bit of a parameter flipped",
}

HEAD = """# Chaos

Made by `tests/chaos/run.sh`, which draws kinds, moments and ranks of faults from a seed, hits supervised runs and builds
with them, and compares every end with an undisturbed one, bit by bit: all tensors and the curve of losses, or every file
of the corpus. The campaign is resumable; this is the sum of its sessions with the programs of {commits} (earlier programs
met 253 more). {slurm} of the faults hit jobs on four nodes of a Slurm cluster (`--slurm`), the others ranks that mpirun had
started.

**{faults} faults in {runs} runs, {attempts} starts of the ranks: every end bit-identical, no process left behind.**

| fault | {workloads} | all |
|---|{rule}---|
"""

#: What the campaign brought to light.
FOUND = """
## What it found

- `fault.hash_every` alone, without `fault.compare_every`, checked a rank's state before the next update but not before a
  checkpoint: a bit that flipped in the step before one got into it, and the roll-back went there (seed 12, run 6). Now
  either option checks before each checkpoint.
- A batch host that was lost while its supervisor still looked at the nodes left a job without ranks and without anyone to
  requeue it: the supervisor asked two nodes to watch over it only before it started the ranks (seed 202, run 8, `--slurm`).
  Now these are the first that it starts.
"""


def write_summary(path, lines):
    """`lines` are those of the record."""
    counts = collections.Counter((fault["kind"], line["workload"]) for line in lines for fault in line["faults"])
    slurm = sum(len(line["faults"]) for line in lines if line.get("where") == "slurm")
    commits = ", ".join(sorted({line["commit"] for line in lines}))
    text = HEAD.format(commits=commits, faults=sum(counts.values()), runs=len(lines), slurm=slurm, attempts=sum(line["attempts"] for line in lines),
                       workloads=" | ".join(WORKLOADS), rule="---|" * len(WORKLOADS))
    for kind in [kind for kind in MEANING if any(kind == known for known, _ in counts)]:
        row = [counts[kind, workload] for workload in WORKLOADS]
        text += f"| {MEANING[kind]} | {' | '.join(map(str, row))} | {sum(row)} |\n"
    path.write_text(text + FOUND)
