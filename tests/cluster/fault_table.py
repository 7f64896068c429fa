"""Writes the table of the faults that a campaign recorded."""

HEAD = """# What each fault costs

Made by `tests/cluster/faults.py` on four nodes of the [cluster in a box](operations.md), under `sbatch` with
`jobs/pretrain.sbatch` and `jobs/corpus.sbatch`: {count} faults, each against a whole run or build. Every end was
compared bit by bit, all tensors and the curve of losses or every file of the corpus, with one that nothing disturbed.

- *detected in*: seconds from the fault to the end of the step that it spoiled, or to Slurm's requeueing of the job.
- *lost*: training steps that had to be computed again; checkpoints were four steps apart. Of a build: finished shards.
- *back after*: seconds from the fault to the first new step, or shard.

All nodes shared two cores that other work kept busy, so seconds tell the order of magnitude. Slurm was told to take a
silent node for lost after 20 s (`SlurmdTimeout`; clusters have 300).

| fault | work | detected in | lost | back after | end |
|---|---|---|---|---|---|
"""


def seconds(value):
    return "—" if value is None else f"{value:.1f} s"


def write_table(path, faults, lines):
    """One row for each fault and workload, in the order of `faults`."""
    newest = {(line["fault"], line["workload"]): line for line in lines}
    rows = []
    for fault in faults:
        for workload in fault.workloads:
            line = newest.get((fault.key, workload))
            if line:
                lost = "—" if line["lost"] is None else str(line["lost"])
                rows.append(f"| {fault.title} | {workload} | {seconds(line['detected'])} | {lost} "
                            f"| {seconds(line['back'])} | {line['end']} |\n")
    path.write_text(HEAD.format(count=len(rows)) + "".join(rows))
