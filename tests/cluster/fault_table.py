"""Writes the table of the faults that a campaign recorded."""

HEAD = """# What each fault costs

Made by `tests/cluster/faults.py` on four nodes of the [cluster in a box](user-guide.md#tests), under `sbatch` with
`jobs/pretrain.sbatch` and `jobs/corpus.sbatch`: {count} faults, each against a whole run or build. Every end was
compared with one that nothing disturbed: bit by bit, all tensors and the curve of losses or every file of the corpus; only
with `train.reduction = fast`, which on other layouts adds in another order, the weights by a bound of 1e-9.

- *detected in*: seconds from the fault to the end of the step that it spoiled, to Slurm's requeueing of the job, or, where
  the ranks survive it, to the line that tells it in the log.
- *lost*: training steps that had to be computed again; checkpoints were four steps apart. Of a build: finished shards.
- *back after*: seconds from the fault to the first new step, or shard.
- *at speed after*: seconds from the fault until three steps or shards take at most 1.5 times as long as before it; — where
  the run or build ended before, or went on slower, on fewer nodes or with a slow one.
- *nodes*: how many each start of the ranks had.

All nodes shared two cores, so seconds tell the order of magnitude. Slurm was told to take a
silent node for lost after 20 s (`SlurmdTimeout`; clusters have 300). {older}

| fault | work | detected in | lost | back after | at speed after | nodes | end |
|---|---|---|---|---|---|---|---|
"""

OLDER = """The {older} rows with † are of
{commits}, the others of {newest}."""

TIME = """
From the SIGKILL of a middle rank to the first new step ({workload}): {all} s. Of these {ended} s until Slurm had ended the
step (ranks that wait in MPI hear no SIGTERM: `KillWait` is 5 s there, 30 s by default), {checked} s to check all nodes,
{read} s to start the ranks and read the newest checkpoint, {stepped} s for the first step.
"""


def seconds(value):
    return "—" if value is None else f"{value:.1f} s"


def write_table(path, faults, lines, note=""):
    """One row for each fault and workload, in the order of `faults`; `note`: a sentence for the head."""
    newest = {(line["fault"], line["workload"]): line for line in lines}
    commit = lines[-1]["commit"] if lines else ""
    others = [line["commit"] for line in newest.values() if line["commit"] != commit]
    rows = []
    for fault in faults:
        for workload in fault.workloads:
            line = newest.get((fault.key, workload))
            if line:
                lost = "—" if line["lost"] is None else str(line["lost"])
                nodes = ", ".join(map(str, line["nodes"]))
                mark = "" if line["commit"] == commit else " †"
                rows.append(f"| {fault.title} | {workload} | {seconds(line['detected'])} | {lost} "
                            f"| {seconds(line['back'])} | {seconds(line.get('fast'))} | {nodes} | {line['end']}{mark} |\n")
    older = OLDER.format(older=len(others), commits=", ".join(sorted(set(others))), newest=commit) if others else ""
    text = HEAD.format(count=len(rows), older=" ".join(filter(None, (older, note)))).replace(" \n", "\n")
    text += "".join(rows)
    kill = next((line for line in newest.values() if line["fault"] == "kill-middle" and "parts" in line), None)
    if kill:
        ended, checked, read, stepped = kill["parts"]
        text += TIME.format(workload=kill["workload"], ended=ended, checked=checked, read=read, stepped=stepped,
                            all=kill["back"])
    path.write_text(text)
