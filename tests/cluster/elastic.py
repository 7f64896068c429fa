"""A run that goes 4 → 3 → 2 → 4 nodes ends with the bits of one that stayed, and each sample is seen once an epoch:
two nodes are lost one after the other; then they are back, and the job is stopped and submitted again."""

import argparse
import json
import pathlib
import tempfile
import time

import h5py

from cluster.campaign import Workload
from cluster.fault_acts import NODES, lose_node, request_stop
from cluster.faults import Job, clean_up
from cluster.slurm import cluster
from support.program import require


TRAINING = 0  # in `split` of a corpus index


def consumed(folder):
    """{(step, micro-batch): (epoch, tiles)}, of all replicas; what was replayed must repeat its tiles."""
    found = {}
    for file in sorted(folder.glob("replica-*.jsonl")):
        for text in file.read_text().splitlines(keepends=True):
            if not text.endswith("\n"):
                continue  # torn by a kill; the step was made again
            line = json.loads(text)
            key, value = (line["step"], line["micro_batch"]), (line["epoch"], tuple(line["tiles"]))
            require(found.setdefault(key, value) == value, f"{key} takes the same tiles whenever it is made")
    return found


def require_each_sample_once(samples, steps, undisturbed, training):
    """`training`: how many tiles the training split has. An epoch that the run finished takes all of them, but for what does
    not fill a global batch."""
    require(samples == undisturbed, "every step took the samples of the undisturbed run")
    require({step for step, _ in samples} == set(range(1, steps + 1)), "no step is missing")
    epochs = sorted({epoch for epoch, _ in samples.values()})
    global_batch = sum(len(tiles) for (step, _), (_, tiles) in samples.items() if step == 1)
    for epoch in epochs:
        tiles = [tile for number, batch in samples.values() if number == epoch for tile in batch]
        require(len(tiles) == len(set(tiles)), f"epoch {epoch} sees no sample twice")
        if epoch != epochs[-1]:
            require(training - len(tiles) < global_batch, f"epoch {epoch} sees {len(tiles)} of {training} samples")
    seen = {tile for _, tiles in samples.values() for tile in tiles}
    require(len(seen) <= training, f"only the training split is seen: {len(seen)} tiles, not {training}")
    require(len(epochs) > 1, "the run finishes an epoch")


def lose_another(job):
    job.nodes.call("kill", NODES[2])


def come_back(job):
    for node in NODES[2:]:
        job.nodes.call("mend", node)
    request_stop(job)


def go(family, steps, nodes, scratch):
    workload = Workload(family, scratch / "input", steps)
    workload.prepare()
    expected = workload.undisturbed(["--fault.sample_log", scratch / "samples-undisturbed"])
    started = time.monotonic()
    job = Job(nodes, workload, scratch / "run", scratch / "job.log", ["--fault.sample_log", scratch / "samples"])
    for share, act in ((0.2, lose_node), (0.4, lose_another), (0.6, come_back)):
        job.wait(lambda: job.note() >= share * steps, f"step {share * steps}")
        act(job)
        attempts = len(job.nodes_of_attempts())
        job.wait(lambda: len(job.nodes_of_attempts()) > attempts or act is come_back, "the ranks start again")
    require(job.finish() == 0, f"the run ends:\n{job.text()}")
    require(job.nodes_of_attempts() == [4, 3, 2, 4], f"it went 4, 3, 2, 4 nodes: {job.nodes_of_attempts()}")
    require(workload.end(job.output) == expected, "its end is that of the undisturbed run, bit by bit")
    undisturbed = consumed(scratch / "samples-undisturbed")
    with h5py.File(workload.folder / "corpus/index.h5") as index:
        training = int((index["split"][:] == TRAINING).sum())
    require_each_sample_once(consumed(scratch / "samples"), steps, undisturbed, training)
    print(f"note: {family}: {steps} steps on 4, 3, 2 and 4 nodes in {time.monotonic() - started:.0f} s; "
          f"{sum(len(tiles) for _, tiles in undisturbed.values())} samples of {training} tiles, each where it belongs", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", default="mpmae,terrafm")
    parser.add_argument("--steps", type=int, default=80)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, cluster(scratch, nodes=len(NODES)) as nodes:
        for family in options.families.split(","):
            folder = pathlib.Path(scratch) / family
            folder.mkdir()
            go(family, options.steps, nodes, folder)
            clean_up(nodes)


if __name__ == "__main__":
    main()
