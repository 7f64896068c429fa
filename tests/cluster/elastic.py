"""A run that goes 4 → 3 → 2 → 4 nodes ends with the bits of one that stayed, and each sample is seen once an epoch:
two nodes are lost one after the other; then they are back, and the job is stopped and submitted again."""

import argparse
import json
import pathlib
import tempfile
import time

from cluster.campaign import Workload
from cluster.fault_acts import NODES, lose_node, request_stop
from cluster.faults import Job
from cluster.slurm import cluster
from support.program import require


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


def require_each_sample_once(samples, steps, undisturbed):
    require(samples == undisturbed, "every step took the samples of the undisturbed run")
    require({step for step, _ in samples} == set(range(1, steps + 1)), "no step is missing")
    for epoch in {epoch for epoch, _ in samples.values()}:
        tiles = [tile for number, batch in samples.values() if number == epoch for tile in batch]
        require(len(tiles) == len(set(tiles)), f"epoch {epoch} sees no sample twice")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", default="mpmae")
    parser.add_argument("--steps", type=int, default=80)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, cluster(scratch, nodes=len(NODES)) as nodes:
        scratch = pathlib.Path(scratch)
        workload = Workload(options.family, scratch / "input", options.steps)
        workload.prepare()
        expected = workload.undisturbed(["--fault.sample_log", scratch / "samples-undisturbed"])
        started = time.monotonic()
        job = Job(nodes, workload, scratch / "run", scratch / "job.log", ["--fault.sample_log", scratch / "samples"])
        for share, act in ((0.2, lose_node), (0.4, lose_another), (0.6, come_back)):
            job.wait(lambda: job.note() >= share * options.steps, f"step {share * options.steps}")
            act(job)
            attempts = len(job.nodes_of_attempts())
            job.wait(lambda: len(job.nodes_of_attempts()) > attempts or act is come_back, "the ranks start again")
        require(job.finish() == 0, f"the run ends:\n{job.text()}")
        require(job.nodes_of_attempts() == [4, 3, 2, 4], f"it went 4, 3, 2, 4 nodes: {job.nodes_of_attempts()}")
        require(workload.end(job.output) == expected, "its end is that of the undisturbed run, bit by bit")
        undisturbed = consumed(scratch / "samples-undisturbed")
        require_each_sample_once(consumed(scratch / "samples"), options.steps, undisturbed)
        print(f"note: {options.steps} steps on 4, 3, 2 and 4 nodes in {time.monotonic() - started:.0f} s; "
              f"{sum(len(tiles) for _, tiles in undisturbed.values())} samples, each where it belongs")


def lose_another(job):
    job.nodes.call("kill", NODES[2])


def come_back(job):
    for node in NODES[2:]:
        job.nodes.call("mend", node)
    request_stop(job)


if __name__ == "__main__":
    main()
