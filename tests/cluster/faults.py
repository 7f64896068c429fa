"""The fault table: on four nodes of a Slurm cluster, every fault against both models and a corpus build, under sbatch with
the shipped scripts; each must end as if undisturbed. Resumable: what WORK/faults.jsonl holds is not done again.

usage: faults.py [--work DIR] [--only FAULT,...] [--workloads W,...] [--table docs/fault-table.md] [--list]
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import tempfile
import time

from cluster.campaign import WORKLOADS, Record, Watched, Workload, ranks_of
from cluster.fault_table import write_table
from cluster.slurm import cluster
from support.program import SOURCE, require, run

NODES = ("n1", "n2", "n3", "n4")
OPTIONS = ["--ntasks-per-node=1", "--cpus-per-task=1", "--time=30"]


class Job(Watched):
    """A job of the cluster, from its submission to its end, requeued or submitted again in between."""

    def __init__(self, nodes, workload, output, log, extra=(), spares=0, count=4):
        super().__init__(workload, output, log)
        self.nodes, self.extra, self.spares, self.count = nodes, list(extra), spares, count
        self.submit()

    def submit(self):
        supervisor = ["--spares", self.spares, "--least-disk", 8, "--health-limit", 90]
        words = ["--parsable", f"--nodes={self.count}", *OPTIONS, f"--output={self.log}",
                 SOURCE / f"jobs/{self.workload.script}.sbatch", *supervisor,
                 *self.workload.words(self.output, self.extra)]
        self.id = self.nodes.call("run", "sbatch", *words).strip()
        self.end_text = 0

    def field(self, name):
        shown = self.nodes.call("run", "scontrol", "--oneliner", "show", "job", self.id, code=None)
        return next((word.split("=", 1)[1] for word in shown.split() if word.startswith(f"{name}=")), None)

    def ranks(self):
        """{rank: process id} of the ranks that run."""
        return ranks_of(self.nodes.processes())

    def node_of(self, rank):
        """The node on which a rank runs."""
        pid = str(self.ranks()[rank])
        return next(node for node in NODES if pid in self.nodes.processes(node))

    def signal(self, ranks, number=signal.SIGKILL):
        found = self.ranks()
        for rank in ranks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found[rank], number)

    def said(self, what):
        """Whether the supervisor has said it since the fault."""
        return any(what in text for _, text in self.events()[self.end_text:])

    def finish(self):
        """Waits until Slurm has no such job any more, then gives the exit code."""
        self.wait(lambda: self.field("JobState") in (None, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"),
                  f"job {self.id} ends")
        lines = [line for line in self.text().splitlines() if line.startswith("terramill: exit code")]
        return int(lines[-1].split()[3].strip(",")) if lines else -1


# ---- What is done at the moment of a fault ---------------------------------------------------------------------------


def kill(*ranks):
    return lambda job: job.signal(ranks)


def stop(job):
    job.signal([1], signal.SIGSTOP)


def lose_node(job):
    victim = next(node for node in reversed(NODES[:job.count - job.spares]) if node != job.field("BatchHost"))
    job.nodes.call("kill", victim)


def start_soon(job):
    """Slurm lets a requeued job rest for two minutes."""
    job.wait(lambda: job.field("JobState") == "PENDING", "the job is requeued")
    job.requeued = time.time()
    job.nodes.call("run", "scontrol", "update", f"JobId={job.id}", "StartTime=now")


def lose_batch_host(job):
    victim = job.field("BatchHost")
    job.nodes.call("kill", victim)
    start_soon(job)
    job.nodes.call("mend", victim)


def lose_local_disk(job):
    victim = job.node_of(2)
    job.nodes.call("wipe", victim)
    job.signal([2])


def request_stop(job):
    job.nodes.call("run", "scancel", "--signal=USR1", job.id)
    require(job.finish() == 85, f"a request to stop ends with 85:\n{job.text()[-2000:]}")
    job.submit()


def preempt(job):
    job.nodes.call("run", "sbatch", "--partition=urgent", "--nodes=4", "--output=/dev/null", "--wrap=true")
    start_soon(job)


def restart_controller(job):
    job.nodes.call("restart-controller")


def break_disk(error):
    def act(job):
        victim = job.node_of(1)
        folder = job.output / ("checkpoints" if job.workload.trains else "shards")
        job.nodes.call("break", victim, error, folder)
        try:
            job.wait(lambda: job.said("ended with") or "not written" in job.text() or
                     job.text().count(FAILED_WRITE[error]) > 0, "a failed write is noticed", limit=120)
        finally:
            job.nodes.call("mend", victim)
    return act


FAILED_WRITE = {"eio": "Input/output error", "enospc": "No space left on device"}


def damage(how):
    """Damages the newest checkpoint, then kills a rank."""
    def act(job):
        newest = sorted(job.output.glob("checkpoints/step-*/index.json"))[-1].parent
        file = max(newest.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        data = bytearray(file.read_bytes())
        if how == "truncate":
            data = data[:len(data) // 2]
        else:
            data[len(data) // 2] ^= 1
        job.signal([0])
        file.write_bytes(data)
    return act


class Fault:
    """A fault of the table: what is done once the run has got `at` of its way, and with which options it runs."""

    def __init__(self, key, title, act=None, *, at=0.4, spares=0, extra=(), clean=(), workloads=WORKLOADS, count=4):
        self.key, self.title, self.act, self.at = key, title, act, at
        self.spares, self.extra, self.clean, self.workloads, self.count = spares, extra, clean, workloads, count


TRAINING = ("mpmae", "terrafm")
FAULTS = [
    Fault("kill-first", "SIGKILL of rank 0", kill(0)),
    Fault("kill-middle", "SIGKILL of a middle rank", kill(2)),
    Fault("kill-two", "SIGKILL of two ranks at once", kill(1, 2)),
    Fault("node-spare", "a node lost, with a spare", lose_node, spares=1),
    Fault("node", "a node lost, without a spare", lose_node),
    Fault("batch-host", "the batch host lost", lose_batch_host),
    Fault("stop-signal", "`scancel --signal=USR1`, submitted again", request_stop),
    Fault("preempted", "preempted, requeued", preempt),
    Fault("controller", "slurmctld killed and restarted", restart_controller),
    Fault("enospc", "no space left while saving, then space again", break_disk("enospc")),
    Fault("eio", "I/O errors while saving, then none", break_disk("eio")),
    Fault("truncated", "newest checkpoint truncated, and a rank killed", damage("truncate"), workloads=TRAINING),
    Fault("flipped", "a bit of the newest checkpoint flipped, and a rank killed", damage("flip"), workloads=TRAINING),
]


def suffer(nodes, fault, workload, folder):
    """Runs the workload, hits it and compares its end. Returns a line of the record."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    expected = workload.undisturbed(fault.clean)
    started = time.time()
    job = Job(nodes, workload, folder / "out", folder / "job.log", fault.extra, fault.spares, fault.count)
    moment = max(6, int(fault.at * workload.length()))
    job.wait(lambda: job.note() >= moment, f"{workload.name} gets to {moment}")
    hit, at = time.time(), job.note()
    job.end_text = len(job.events())
    if fault.act:
        fault.act(job)
    code = job.finish()
    require(code == 0, f"{workload.name}, {fault.key}: ended with {code}\n{job.text()}")
    end = workload.end(job.output)
    same = end == expected
    differing = sorted(name for name in expected if end.get(name) != expected[name])
    require(same, f"{workload.name}, {fault.key}: the end differs in {differing[:5]}\n{job.text()}")
    require(not ranks_of(nodes.processes()), f"{workload.name}, {fault.key}: no rank is left")
    for node in NODES:
        nodes.call("mend", node)
    attempts = sum(text.startswith("attempt") for _, text in job.events())
    return {"workload": workload.name, "fault": fault.key, "title": fault.title, "at": at, "attempts": attempts,
            "seconds": round(time.time() - started, 1), "end": "bit-identical", **job.times(hit, at)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--only", help="keys of faults")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--table", type=pathlib.Path, help="write the table of all that is recorded")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{fault.key:14} {fault.title}" for fault in FAULTS))
        return
    wanted = options.only.split(",") if options.only else [fault.key for fault in FAULTS]
    with contextlib.ExitStack() as stack:
        work = options.work or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        record = Record(work / "faults.jsonl")
        done = {(line["workload"], line["fault"]) for line in record.lines()}
        left = [(fault, name) for name in options.workloads.split(",") for fault in FAULTS
                if fault.key in wanted and name in fault.workloads and (name, fault.key) not in done]
        if left:
            work.mkdir(parents=True, exist_ok=True)
            nodes = stack.enter_context(cluster(work, nodes=len(NODES)))
            for fault, name in left:
                workload = Workload(name, work / "input")
                workload.prepare()
                record.add(**suffer(nodes, fault, workload, work / f"{name}-{fault.key}"))
                shutil.rmtree(work / f"{name}-{fault.key}")
        if options.table:
            write_table(options.table, FAULTS, record.lines())


if __name__ == "__main__":
    main()
