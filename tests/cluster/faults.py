"""The fault table: on four nodes of a Slurm cluster, every fault against both models and a corpus build, under sbatch with
the shipped scripts; each must end as if undisturbed. Resumable: what WORK/faults.jsonl holds is not done again.

usage: faults.py [--work DIR] [--only FAULT,...] [--workloads W,...] [--table docs/fault-table.md [--note TEXT]] [--list]
"""

import argparse
import contextlib
import dataclasses
import pathlib
import shutil
import signal
import tempfile
import time

from cluster.campaign import WORKLOADS, Record, Watched, Workload, commit_of_program, ranks_of
from cluster.fault_acts import (NODES, break_disk, cut_off_batch_host, cut_off_node, damage, fill_scratch, kill,
                                kill_without_controller, lose_batch_host, lose_local_disk, lose_node, lose_one_of_the_least,
                                preempt, preempt_after_ban, request_stop, restart_controller, send, slow_link, stop,
                                stop_first_of_chain, told)
from cluster.fault_table import write_table
from cluster.slurm import cluster, wait_until
from support.program import SOURCE, checkpoint_tensors, newest_checkpoint, require
from support.weights import difference

OPTIONS = ["--ntasks-per-node=1", "--cpus-per-task=1", "--time=30"]


class Job(Watched):
    """A job of the cluster, from its submission to its end, requeued or submitted again in between."""

    def __init__(self, nodes, workload, output, log, extra=(), spares=0, count=4, supervisor=(), launcher="", array=""):
        super().__init__(workload, output, log)
        self.nodes, self.extra, self.spares, self.count = nodes, list(extra), spares, count
        self.supervisor, self.launcher, self.array, self.lost = list(supervisor), launcher, array, ""
        self.submit()

    def submit(self):
        """Submits the job; of an array its first task is looked at."""
        supervisor = ["--spares", self.spares, "--least-disk", 8, "--health-limit", 240, *self.supervisor]
        words = ["--parsable", f"--nodes={self.count}", *OPTIONS, f"--output={self.log}",
                 *([f"--array={self.array}"] if self.array else []), SOURCE / f"jobs/{self.workload.script}.sbatch",
                 *supervisor, *self.workload.words(self.output, self.extra)]
        environment = ["env", f"TERRAMILL_LAUNCHER={self.launcher}"] if self.launcher else []
        self.id = self.nodes.call("run", *environment, "sbatch", *words).strip() + ("_1" if self.array else "")

    def field(self, name):
        shown = self.nodes.call("run", "scontrol", "--oneliner", "show", "job", self.id, code=None)
        return next((word.split("=", 1)[1] for word in shown.split() if word.startswith(f"{name}=")), None)

    def ranks(self):
        """{rank: process id} of the ranks that run."""
        return ranks_of(self.nodes.processes())

    def ranks_but_on(self, node):
        """The process ids of the ranks that run on the other nodes."""
        return [pid for other in NODES if other != node for pid in ranks_of(self.nodes.processes(other)).values()]

    def node_of(self, rank):
        """The node on which a rank runs."""
        pid = str(self.ranks()[rank])
        return next(node for node in NODES if pid in self.nodes.processes(node))

    def signal(self, ranks, number=signal.SIGKILL):
        found = self.ranks()
        send([found[rank] for rank in ranks if rank in found], number)

    def finish(self):
        """Waits until Slurm has no such job any more, then gives the exit code."""
        self.wait(lambda: self.field("JobState") in (None, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"),
                  f"job {self.id} ends")
        lines = [line for line in self.text().splitlines() if line.startswith("terramill: exit code")]
        return int(lines[-1].split()[3].strip(",")) if lines else -1


@dataclasses.dataclass
class Fault:
    """A fault of the table: what is done once the run has got `MOMENT` of its way, with which options it runs, and what
    its log must tell."""

    key: str
    title: str
    act: callable
    inject: str = ""
    spares: int = 0
    extra: list = ()
    clean: list = ()
    clean_ranks: int = 1
    workloads: tuple = WORKLOADS
    count: int = 4
    supervisor: list = ()
    launcher: str = ""
    array: str = ""
    nodes: tuple = (4, 4)     # how many each attempt has
    building: tuple = None    # the same for a corpus, where it differs
    says: tuple = ()          # what the log must tell
    most_lost: int = None     # training steps
    within: float = None      # weights are compared by this bound, in float64, instead of bit by bit

    def options(self, nodes):
        """Options of the subcommand; LOCAL is a folder of each node's own."""
        local = str(nodes.state / "local/checkpoints")
        injected = ["--inject", self.inject] if self.inject else []
        return [str(word).replace("LOCAL", local) for word in self.extra] + injected


TRAINING = ("mpmae", "terrafm")
STEP = 18  # of injected faults; checkpoints are four steps apart
LOCAL_TIER = ["--checkpoint.every", 20, "--checkpoint.local", "LOCAL", "--checkpoint.local_every", 3]
DAMAGED = {"says": ("is damaged; the checkpoint before it is tried",)}
TWO_A_REPLICA = ["--train.tp", 2]
FLOAT64 = ["--train.precision", "float64"]
TAKEN = {"says": ("was taken from the nodes' disks",), "most_lost": 6}
FAULTS = [
    Fault("kill-first", "SIGKILL of rank 0", kill(0)),
    Fault("kill-middle", "SIGKILL of a middle rank", kill(2)),
    Fault("kill-two", "SIGKILL of two ranks at once", kill(1, 2)),
    Fault("kill-mpirun", "SIGKILL of a middle rank, ranks started by `mpirun`", kill(2), launcher="mpirun --bind-to none"),
    Fault("stopped", "SIGSTOP of a rank, `fault.limit` 20 s", stop, extra=["--fault.limit", 20]),
    Fault("node-spare", "a node lost, with a spare", lose_node, spares=1, nodes=(3, 3)),
    Fault("node", "a node lost, without a spare", lose_node, nodes=(4, 3)),
    Fault("node-cut", "a node cut off, whose ranks live on, `fault.limit` 20 s", cut_off_node, nodes=(4, 3),
          extra=["--fault.limit", 20]),
    Fault("node-fast", "a node lost, with `train.reduction = fast`, in float64", lose_node, nodes=(4, 3), workloads=TRAINING,
          extra=[*FLOAT64, "--train.reduction", "fast"], clean=FLOAT64, within=1e-9),
    Fault("node-tp", "a node lost, two ranks a replica: a replica is left", lose_node, nodes=(4, 2), extra=TWO_A_REPLICA,
          clean=TWO_A_REPLICA, clean_ranks=2, workloads=TRAINING),
    Fault("kill-zero", "SIGKILL of a middle rank, ZeRO-1", kill(2), extra=["--train.zero"], workloads=TRAINING),
    Fault("node-least", "a node lost, `--least-nodes 4`: waits for it", lose_one_of_the_least,
          supervisor=["--least-nodes", 4], says=("3 healthy nodes are too few: requeueing",)),
    Fault("batch-host", "the batch host lost", lose_batch_host),
    Fault("batch-host-cut", "the batch host cut off; back when the job runs anew on the others", cut_off_batch_host,
          count=3, nodes=(3, 3), extra=["--fault.limit", 20]),
    Fault("slow-link", "a node's link slowed to 20 Mbit/s", slow_link, nodes=(4,)),
    Fault("scratch-full", "a node's scratch filled, and its rank killed", fill_scratch, nodes=(4, 3),
          says=("unhealthy: n3 cannot write in",)),
    Fault("stop-signal", "`scancel --signal=USR1`, submitted again", request_stop),
    Fault("chain", "the first of a chain (`--array=1-3%1`) stopped as by its time limit", stop_first_of_chain, array="1-3%1",
          says=("the tasks of the array that are still to come are cancelled",)),
    Fault("preempted", "preempted, requeued", preempt, says=("preempted: requeueing",)),
    Fault("controller", "slurmctld killed and restarted", restart_controller, nodes=(4,)),
    Fault("controller-away", "a rank killed, then slurmctld; restarted later", kill_without_controller,
          says=("waiting for Slurm's controller",)),
    Fault("enospc", "no space left while saving, then space again", break_disk("enospc", 1), nodes=(4,), building=(4, 4)),
    Fault("eio", "I/O errors while saving, then none", break_disk("eio", 1), nodes=(4,), building=(4, 4)),
    Fault("eio-first", "the same on rank 0's node, whose rank commits", break_disk("eio", 0), nodes=(4,), workloads=TRAINING),
    Fault("truncated", "newest checkpoint truncated, and a rank killed", damage("truncate"), workloads=TRAINING, **DAMAGED),
    Fault("flipped", "a bit of the newest checkpoint flipped, and a rank killed", damage("flip"), workloads=TRAINING,
          **DAMAGED),
    Fault("no-index", "index of the newest checkpoint lost, and a rank killed", damage("lose the index"), workloads=TRAINING,
          **DAMAGED),
    Fault("local-two", "SIGKILL of two ranks of a parity set, node-local checkpoints", kill(1, 2), extra=LOCAL_TIER,
          workloads=TRAINING, **TAKEN),
    Fault("local-node", "a node and its node-local checkpoints lost, with a spare", lose_node, spares=1, nodes=(3, 3),
          extra=LOCAL_TIER, workloads=TRAINING, **TAKEN),
    Fault("local-disk", "a node's local disk exchanged, and its rank killed", lose_local_disk, extra=LOCAL_TIER,
          workloads=TRAINING, **TAKEN),
    Fault("nan-once", "a NaN in a gradient, once", told("back to the newest checkpoint"), inject=f"nan@1:{STEP}",
          workloads=TRAINING, nodes=(4,)),
    Fault("nan-sharded", "the same, ZeRO-1, two ranks a replica", told("back to the newest checkpoint"), inject=f"nan@1:{STEP}",
          extra=[*TWO_A_REPLICA, "--train.zero"], clean=TWO_A_REPLICA, clean_ranks=2, workloads=TRAINING, nodes=(4,)),
    Fault("nan-always", "a NaN at every replay: its batch is skipped", told("its batch is skipped"),
          inject=f"nan@1:{STEP}*", clean=["--fault.skip_batches", STEP], workloads=TRAINING, nodes=(4,)),
    Fault("bit-own", "a bit of a parameter flipped, each rank checks itself", told("back to the newest checkpoint"),
          inject=f"bitflip@1:{STEP}", extra=["--fault.hash_every", 1], workloads=TRAINING, nodes=(4,)),
    Fault("bit-two", "the same, two replicas compare every 4 steps", told("no majority says which is right"),
          inject=f"bitflip@1:{STEP}", extra=["--fault.compare_every", 4], count=2, workloads=TRAINING, nodes=(2,)),
    Fault("bit-three", "the same, three replicas: the host is named", told("changed by themselves on"),
          inject=f"bitflip@1:{STEP}", extra=["--fault.compare_every", 4], count=3, workloads=TRAINING, nodes=(3,)),
    # The fourth rank is on n4; without that node there is none.
    Fault("bit-always", "the same on one of four nodes, at every replay: its node is left out", told("not used any more: n4"),
          inject=f"bitflip@3:{STEP}*", extra=["--fault.compare_every", 4], workloads=TRAINING, nodes=(4, 3),
          says=("ended with 88",)),
    Fault("bit-requeued", "the same, and preempted then: also of the next start", preempt_after_ban,
          inject=f"bitflip@3:{STEP}*", extra=["--fault.compare_every", 4], workloads=TRAINING, nodes=(4, 3),
          says=("ended with 88", "preempted: requeueing")),
    Fault("slow", "a rank takes twice as long: named, not killed", told("rank 1 on n2 is slow"), inject="slow@1:6",
          extra=["--straggler.window", 10, "--straggler.factor", 1.3], workloads=TRAINING, nodes=(4,)),
]
MOMENT = 0.4  # of the run, for faults from outside


def suffer(nodes, fault, workload, folder):
    """Runs the workload, hits it and compares its end. Returns a line of the record."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    workload.undisturbed(fault.clean, fault.clean_ranks)  # made before the time is taken
    started = time.time()
    log = folder.with_suffix(".log")
    log.unlink(missing_ok=True)
    job = Job(nodes, workload, folder / "out", log, fault.options(nodes), fault.spares, fault.count, fault.supervisor,
              fault.launcher, fault.array)
    if fault.inject:
        job.wait(lambda: "injecting" in job.text(), "the fault is injected")
    else:
        job.wait(lambda: job.note() >= MOMENT * workload.length(), f"{workload.name} gets to its moment")
    hit, at = time.time(), job.note()
    fault.act(job)
    code = job.finish()
    require(code == 0, f"{workload.name}, {fault.key}: ended with {code}\n{job.text()}")
    end = compare(fault, workload, job)
    require(not ranks_of(nodes.processes()), f"{workload.name}, {fault.key}: no rank is left")
    left = nodes.left_on_nodes(but=job.lost)  # nobody gets to a lost one: it is for an epilog to clean
    require(not left, f"{workload.name}, {fault.key}: nothing is left on the nodes: {left}")
    attempts = job.nodes_of_attempts()
    wanted = fault.nodes if workload.trains or fault.building is None else fault.building
    require(attempts == list(wanted), f"{workload.name}, {fault.key}: {list(wanted)} nodes, not {attempts}\n{job.text()}")
    for text in fault.says:
        require(text in job.text(), f"{workload.name}, {fault.key}: the log tells \"{text}\"\n{job.text()}")
    times = job.times(hit)
    require(fault.most_lost is None or times["lost"] <= fault.most_lost,
            f"{workload.name}, {fault.key}: {times['lost']} steps are lost\n{job.text()}")
    commit = commit_of_program()
    return {"workload": workload.name, "fault": fault.key, "commit": commit, "title": fault.title, "at": at,
            "attempts": len(attempts), "nodes": attempts, "seconds": round(time.time() - started, 1), "end": end, **times}


def compare(fault, workload, job):
    """What the table says of the end; fails when it is not the undisturbed one."""
    if fault.within:
        weights = [checkpoint_tensors(newest_checkpoint(run)) for run in (workload.undisturbed_run(fault.clean), job.output)]
        worst = difference(*weights, "d")
        require(worst <= fault.within, f"{workload.name}, {fault.key}: weights differ by {worst}\n{job.text()}")
        return f"weights within {worst:.0e} of `exact` on one rank"
    expected, end = workload.undisturbed(fault.clean, fault.clean_ranks), workload.end(job.output)
    differing = sorted(name for name in {*expected, *end} if end.get(name) != expected.get(name))
    require(not differing, f"{workload.name}, {fault.key}: the end differs in {differing[:5]}\n{job.text()}")
    return "bit-identical"


def clean_up(nodes):
    """No job, whole nodes and empty scratch for the next fault."""
    nodes.call("run", "scancel", "--state=RUNNING", "--user=root", code=None)
    nodes.call("run", "scancel", "--state=PENDING", "--user=root", code=None)
    for node in NODES:
        nodes.call("mend", node)
    wait_until(lambda: not nodes.call("run", "squeue", "--noheader").strip(), "the queue is empty")
    for node in NODES:
        nodes.call("wipe", node)
    nodes.sweep()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--only", help="keys of faults")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--table", type=pathlib.Path, help="write the table of all that is recorded")
    parser.add_argument("--note", default="", help="a sentence for its head")
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
                    if getattr(failure, "code", None) == 128 + signal.SIGTERM:
                        raise  # asked to end
                    failures += 1
                    print(failure, flush=True)
                clean_up(nodes)
                shutil.rmtree(work / f"{name}-{fault.key}")
        if options.table:
            write_table(options.table, FAULTS, record.lines(), options.note)
        require(not failures, f"{failures} faults did not end as they must; see above")


if __name__ == "__main__":
    main()
