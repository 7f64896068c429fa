"""What is done to a job of the fault table at the moment of a fault."""

import contextlib
import os
import pathlib
import re
import signal
import time

from support.program import require

NODES = ("n1", "n2", "n3", "n4")


def kill(*ranks):
    return lambda job: job.signal(ranks)


def stop(job):
    job.signal([1], signal.SIGSTOP)


def lose_node(job, how="kill"):
    victim = next(node for node in reversed(NODES[:job.count - job.spares]) if node != job.field("BatchHost"))
    hold_while(job, lambda: job.nodes.call(how, victim))
    job.lost = victim


def cut_off_node(job):
    """It lives on, and sees the run's files."""
    lose_node(job, "cut")


def hold_while(job, act):
    """Does `act` while no rank gets any further, so that the end of the run does not come before it."""
    hold(job.ranks().values(), act)


def hold(pids, act):
    send(pids, signal.SIGSTOP)
    try:
        act()
    finally:
        send(pids, signal.SIGCONT)


def fill_scratch(job):
    hold_while(job, lambda: job.nodes.call("fill", job.node_of(2)))
    job.signal([2])


def lose_one_of_the_least(job):
    """The job waits in the queue, for as many nodes as before, until there are enough."""
    lose_node(job)
    start_soon(job)
    job.wait(lambda: job.field("Reason") not in ("None", "BeginTime", None), "Slurm has looked for nodes", limit=120)
    require(job.field("JobState") == "PENDING", f"the job waits for {job.count} nodes, it is {job.field('JobState')}")
    for node in NODES:
        job.nodes.call("mend", node)


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


def cut_off_batch_host(job):
    """Slurm begins the job anew on the other nodes; then the link is back, and with it the old supervisor and its ranks."""
    victim, attempts = job.field("BatchHost"), len(job.nodes_of_attempts())
    job.nodes.call("cut", victim)
    start_soon(job)
    job.wait(lambda: len(job.nodes_of_attempts()) > attempts and job.ranks_but_on(victim), "the job begins anew", limit=300)
    hold(job.ranks_but_on(victim), lambda: job.nodes.call("mend", victim))
    job.lost = victim  # Slurm ends the old supervisor there: its scratch is for an epilog


def slow_link(job):
    job.nodes.call("slow", job.node_of(2), "20mbit")


def lose_local_disk(job):
    victim = job.node_of(2)
    job.nodes.call("wipe", victim)
    job.signal([2])


def request_stop(job):
    job.nodes.call("run", "scancel", "--signal=USR1", job.id)
    require(job.finish() == 85, f"a request to stop ends with 85:\n{job.text()[-2000:]}")
    job.submit()


def stop_first_of_chain(job):
    """As the time limit does. The second task finishes the run, the third is cancelled."""
    # To a task of an array this Slurm delivers a signal, but tells that it could not, and tries again for minutes.
    hold_while(job, lambda: job.nodes.call("run", "timeout", 3, "scancel", "--batch", "--signal=USR1", job.id, code=None))
    require(job.finish() == 85, f"a request to stop ends with 85:\n{job.text()[-2000:]}")
    array = job.id.split("_")[0]
    job.id = f"{array}_2"
    require(job.finish() == 0, f"the second task ends the run:\n{job.text()[-2000:]}")
    job.id = f"{array}_3"
    job.wait(lambda: job.field("JobState") in (None, "CANCELLED"), "the third task is cancelled")
    job.id = f"{array}_2"


def preempt_after_ban(job):
    """What Slurm is told at the requeueing: as many nodes as at first, but not the one that is banned. Here there are not
    as many."""
    job.wait(lambda: "not used any more: n4" in job.text(), "a node is banned")
    hold(supervisors(job), lambda: submit_urgent(job))  # so that it does not start the ranks again before
    start_soon(job)
    job.wait(lambda: job.field("ExcNodeList") == "n4", "Slurm knows of the ban", limit=30)
    job.nodes.call("run", "scontrol", "update", f"JobId={job.id}", "NumNodes=3", "NumTasks=3")


def preempt(job):
    hold_while(job, lambda: submit_urgent(job))
    start_soon(job)


def submit_urgent(job):
    """Returns when Slurm has taken notice."""
    job.nodes.call("run", "sbatch", "--partition=urgent", "--nodes=4", "--exclusive", "--output=/dev/null", "--wrap=true")
    job.wait(lambda: job.field("PreemptTime") not in (None, "None"), "the job is preempted", limit=60)


def restart_controller(job):
    job.nodes.call("restart-controller")


def kill_without_controller(job):
    """The supervisor is held until the controller is gone, so that it cannot be quicker with the next start."""
    held = supervisors(job)
    send(held, signal.SIGSTOP)
    job.signal([2])
    listed = lambda: job.nodes.call("run", "squeue", "--noheader", "--steps", f"--jobs={job.id}", "--format=%i %j")
    job.wait(lambda: not re.search(r"^\d+\.\d+ (?!terramill-heir)", listed(), re.M), "Slurm knows that the ranks ended", limit=120)
    job.nodes.call("stop-controller")
    send(held, signal.SIGCONT)
    try:
        job.wait(lambda: "waiting for Slurm's controller" in job.text(), "the supervisor waits", limit=120)
    finally:
        job.nodes.call("restart-controller")


def supervisors(job):
    """The process ids of the job's supervisor."""
    found = []
    for pid in map(int, job.nodes.processes()):
        with contextlib.suppress(OSError):
            if b"supervise.sh" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def break_disk(error, rank):
    """Rank 0 also makes the directory, writes the index and renames."""
    def act(job):
        victim = job.node_of(rank)
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
        index = sorted(job.output.glob("checkpoints/step-*/index.json"))[-1]
        file = max(index.parent.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        data = bytearray(file.read_bytes())
        if how == "lose the index":
            index.unlink()
        elif how == "truncate":
            file.write_bytes(data[:len(data) // 2])
        else:
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        job.signal([0])
        job.signal(ranks[1:], signal.SIGCONT)
    return act
