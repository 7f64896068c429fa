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
from cluster.slurm import cluster, wait_until
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
        supervisor = ["--spares", self.spares, "--least-disk", 8, "--health-limit", 240]
        words = ["--parsable", f"--nodes={self.count}", *OPTIONS, f"--output={self.log}",
                 SOURCE / f"jobs/{self.workload.script}.sbatch", *supervisor,
                 *self.workload.words(self.output, self.extra)]
        self.id = self.nodes.call("run", "sbatch", *words).strip()

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
    job.nodes.call("run", "sbatch", "--partition=urgent", "--nodes=4", "--exclusive", "--output=/dev/null", "--wrap=true")
    start_soon(job)


def restart_controller(job):
    job.nodes.call("restart-controller")


def break_disk(error):
    def act(job):
        victim = job.node_of(1)
        folder = job.output / ("checkpoints" if job.workload.trains else "shards")
        job.nodes.call("break", victim, error, folder)
        try:
            job.wait(lambda: FAILED_WRITE[error] in job.text(), "a failed write is told", limit=300)
            job.noticed = time.time()
        finally:
            job.nodes.call("mend", victim)
    return act


FAILED_WRITE = {"eio": "Input/output error", "enospc": "No space left on device"}


def told(text):
    """The fault was injected by --inject; what is said about it is waited for."""
    def act(job):
        job.wait(lambda: text in job.text(), f"the log tells: {text}")
        job.noticed = time.time()
    return act


def damage(how):
    """Damages the newest checkpoint while all ranks are held, then kills one."""
    def act(job):
        ranks = sorted(job.ranks())
        job.signal(ranks, signal.SIGSTOP)
        newest = sorted(job.output.glob("checkpoints/step-*/index.json"))[-1].parent
        file = max(newest.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        data = bytearray(file.read_bytes())
        if how == "truncate":
            data = data[:len(data) // 2]
        else:
            data[len(data) // 2] ^= 1
        file.write_bytes(data)
        job.signal([0])
        job.signal(ranks[1:], signal.SIGCONT)
    return act


class Fault:
    """A fault of the table: what is done once the run has got `at` of its way, and with which options it runs."""

    def __init__(self, key, title, act, *, inject="", spares=0, extra=(), clean=(), workloads=WORKLOADS, count=4):
        self.key, self.title, self.act, self.inject = key, title, act, inject
        self.spares, self.extra, self.clean, self.workloads, self.count = spares, extra, clean, workloads, count

    def options(self, nodes):
        """Options of the subcommand; LOCAL is a folder of each node's own."""
        local = str(nodes.state / "local/checkpoints")
        injected = ["--inject", self.inject] if self.inject else []
        return [str(word).replace("LOCAL", local) for word in self.extra] + injected


TRAINING = ("mpmae", "terrafm")
STEP = 18  # of injected faults; checkpoints are four steps apart
LOCAL_TIER = ["--checkpoint.every", 20, "--checkpoint.local", "LOCAL", "--checkpoint.local_every", 3]
FAULTS = [
    Fault("kill-first", "SIGKILL of rank 0", kill(0)),
    Fault("kill-middle", "SIGKILL of a middle rank", kill(2)),
    Fault("kill-two", "SIGKILL of two ranks at once", kill(1, 2)),
    Fault("stopped", "SIGSTOP of a rank, `fault.limit` 20 s", stop, extra=["--fault.limit", 20]),
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
    Fault("local-two", "SIGKILL of two ranks of a parity set, node-local checkpoints", kill(1, 2), extra=LOCAL_TIER,
          workloads=TRAINING),
    Fault("local-node", "a node and its node-local checkpoints lost, with a spare", lose_node, spares=1, count=4,
          extra=LOCAL_TIER, workloads=TRAINING),
    Fault("local-disk", "a node's local disk exchanged, and its rank killed", lose_local_disk, extra=LOCAL_TIER,
          workloads=TRAINING),
    Fault("nan-once", "a NaN in a gradient, once", told("back to the newest checkpoint"), inject=f"nan@1:{STEP}",
          workloads=TRAINING),
    Fault("nan-always", "a NaN at every replay: its batch is skipped", told("its batch is skipped"),
          inject=f"nan@1:{STEP}*", clean=["--fault.skip_batches", STEP], workloads=TRAINING),
    Fault("bit-own", "a bit of a parameter flipped, each rank checks itself", told("back to the newest checkpoint"),
          inject=f"bitflip@1:{STEP}", extra=["--fault.hash_every", 1], workloads=TRAINING),
    Fault("bit-two", "the same, two replicas compare every 4 steps", told("no majority says which is right"),
          inject=f"bitflip@1:{STEP}", extra=["--fault.compare_every", 4], count=2, workloads=TRAINING),
    Fault("bit-three", "the same, three replicas: the host is named", told("changed by themselves on"),
          inject=f"bitflip@1:{STEP}", extra=["--fault.compare_every", 4], count=3, workloads=TRAINING),
    Fault("slow", "a rank takes twice as long: named, not killed", told("rank 1 on n2 is slow"), inject="slow@1:6",
          extra=["--straggler.window", 10, "--straggler.factor", 1.3], workloads=TRAINING),
]
MOMENT = 0.4  # of the run, for faults from outside


def suffer(nodes, fault, workload, folder):
    """Runs the workload, hits it and compares its end. Returns a line of the record."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    expected = workload.undisturbed(fault.clean)
    started = time.time()
    log = folder.with_suffix(".log")
    log.unlink(missing_ok=True)
    job = Job(nodes, workload, folder / "out", log, fault.options(nodes), fault.spares, fault.count)
    if fault.inject:
        job.wait(lambda: "injecting" in job.text(), "the fault is injected")
    else:
        job.wait(lambda: job.note() >= MOMENT * workload.length(), f"{workload.name} gets to its moment")
    hit, at = time.time(), job.note()
    fault.act(job)
    code = job.finish()
    require(code == 0, f"{workload.name}, {fault.key}: ended with {code}\n{job.text()}")
    end = workload.end(job.output)
    same = end == expected
    differing = sorted(name for name in expected if end.get(name) != expected[name])
    require(same, f"{workload.name}, {fault.key}: the end differs in {differing[:5]}\n{job.text()}")
    require(not ranks_of(nodes.processes()), f"{workload.name}, {fault.key}: no rank is left")
    attempts = sum(text.startswith("attempt") for _, text in job.events())
    return {"workload": workload.name, "fault": fault.key, "title": fault.title, "at": at, "attempts": attempts,
            "seconds": round(time.time() - started, 1), "end": "bit-identical", **job.times(hit)}


def clean_up(nodes):
    """No job, whole nodes and empty scratch for the next fault."""
    nodes.call("run", "scancel", "--state=RUNNING", "--user=root", code=None)
    nodes.call("run", "scancel", "--state=PENDING", "--user=root", code=None)
    for node in NODES:
        nodes.call("mend", node)
    wait_until(lambda: not nodes.call("run", "squeue", "--noheader").strip(), "the queue is empty")
    for node in NODES:
        nodes.call("wipe", node)


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
        record, failures = Record(work / "faults.jsonl"), 0
        done = {(line["workload"], line["fault"]) for line in record.lines()}
        left = [(fault, name) for name in options.workloads.split(",") for fault in FAULTS
                if fault.key in wanted and name in fault.workloads and (name, fault.key) not in done]
        if left:
            work.mkdir(parents=True, exist_ok=True)
            nodes = stack.enter_context(cluster(work, nodes=len(NODES)))
            for fault, name in left:
                workload = Workload(name, work / "input")
                workload.prepare()
                try:
                    record.add(**suffer(nodes, fault, workload, work / f"{name}-{fault.key}"))
                except (SystemExit, TimeoutError) as failure:
                    failures += 1
                    print(failure, flush=True)
                clean_up(nodes)
                shutil.rmtree(work / f"{name}-{fault.key}")
        if options.table:
            write_table(options.table, FAULTS, record.lines())
        require(not failures, f"{failures} faults did not end as they must; see above")


if __name__ == "__main__":
    main()
