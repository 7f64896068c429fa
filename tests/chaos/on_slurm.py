"""Chaos on four nodes of a Slurm cluster, under sbatch with the shipped scripts: what hits ranks, and what hits nodes."""

import time

from chaos.hits import require_stopped, send
from cluster.campaign import ranks_of
from cluster.fault_acts import FAILED_WRITE
from cluster.faults import NODES, Job, clean_up

#: How much more often than others a kind is drawn, besides those of ranks.
OF_NODES = {"lose-node": 3, "lose-batch-host": 1, "lose-disk": 2, "fill-disk": 1, "preempt": 2, "restart-controller": 1,
            "break-eio": 1, "break-enospc": 1}
LOCAL = "local/checkpoints"  # of a node
ENDED = (None, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED")


class Clustered(Job):
    """jobs/*.sbatch in the cluster, submitted again whenever a fault ended it as a whole. While it waits in the queue all
    nodes are mended."""

    counts = (3, 4)
    where = "slurm"

    def __init__(self, nodes, workload, folder, count, extra):
        if workload.trains:
            extra = [*extra, "--checkpoint.local", nodes.state / LOCAL, "--checkpoint.local_every", 3]
        self.looked, self.state, self.over_since, self.hurt = 0.0, "", None, []
        self.unswept = set()  # scratch of jobs whose supervisor was killed: for an epilog to clean
        super().__init__(nodes, workload, folder / "out", folder / "job.log", extra, count=count,
                         supervisor=["--max-restarts", 99, "--max-stuck", 20, "--pause", 0, "--max-requeues", 99])

    def look(self):
        """Asks Slurm for the state of the job, at most every half second."""
        if time.monotonic() < self.looked + 0.5:
            return
        self.state = self.field("JobState")
        self.looked = time.monotonic()
        if self.state not in ENDED:
            self.over_since = None
        elif self.over_since is None:
            self.over_since = self.looked
        if self.state == "PENDING":
            self.mend()
            # Slurm lets a requeued job rest for two minutes.
            self.nodes.call("run", "scontrol", "update", f"JobId={self.id}", "StartTime=now", code=None)

    def note(self):
        self.look()
        return super().note()

    def mend(self):
        for node in self.hurt:
            self.nodes.call("mend", node)
        self.hurt = []

    def ended(self):
        """Whether Slurm has had the job for ended for two seconds: one that it requeues looks so for a moment."""
        self.look()
        return self.over_since is not None and time.monotonic() > self.over_since + 2

    def finish(self):
        self.wait(self.ended, f"job {self.id} ends")
        lines = [line for line in self.text().splitlines() if line.startswith("terramill: exit code")]
        return int(lines[-1].split()[3].strip(",")) if lines else -1

    def start(self, count):
        self.count, self.looked, self.over_since = count, 0.0, None
        self.submit()

    def leftovers(self):
        return [*ranks_of(self.nodes.processes()).values(),
                *(path for path in self.nodes.left_on_nodes() if path.name not in self.unswept)]

    def clean_up(self):
        clean_up(self.nodes)

    def processes_named(self, *words):
        """Of the cluster, those whose command line has one of the words."""
        return [pid for pid in map(int, self.nodes.processes()) if any(word in command_of(pid) for word in words)]

    def meet(self, kind, draw):
        """A fault that is not one of single ranks or files. False when there was nothing to hit."""
        if kind == "kill-launcher":
            send(pid for pid in self.processes_named("srun") if "terramill" in command_of(pid))
        elif kind == "kill-all":
            self.unswept.add(f"terramill-{self.id}")
            send([*self.processes_named("supervise.sh", "srun"), *self.ranks().values()])
            self.wait(self.ended, "all of it is gone")
            self.start(draw.choice(self.counts))
        elif kind == "stop-signal":
            self.nodes.call("run", "scancel", "--signal=USR1", self.id, code=None)
            code = self.finish()
            require_stopped(self, code)
            if code == 0:
                return False
            self.start(draw.choice(self.counts))
        elif kind == "preempt":
            self.nodes.call("run", "sbatch", "--partition=urgent", f"--nodes={len(NODES)}", "--exclusive", "--output=/dev/null",
                            "--wrap=true")
        elif kind == "restart-controller":
            self.nodes.call("restart-controller")
        else:
            return self.meet_on_node(kind, draw)
        return True

    def meet_on_node(self, kind, draw):
        if kind == "lose-batch-host":
            node = self.field("BatchHost")
        else:
            node = self.node_of(draw.choice(sorted(self.ranks())))
        if len(self.hurt) > 1:
            self.mend()
        if kind == "lose-disk":
            self.nodes.call("wipe", node)
            send(self.ranks_on(node))
            return True
        self.hurt.append(node)
        if kind.startswith("lose"):
            self.nodes.call("kill", node)
        elif kind == "fill-disk":
            self.nodes.call("fill", node)
            send(self.ranks_on(node))
        else:
            folder, error = self.output / ("checkpoints" if self.workload.trains else "shards"), kind.split("-")[1]
            told = len(self.text())
            self.nodes.call("break", node, error, folder)
            self.wait(lambda: self.ended() or FAILED_WRITE[error] in self.text()[told:], "a write fails")
            self.hurt.remove(node)
            self.nodes.call("mend", node)
        return True

    def ranks_on(self, node):
        return ranks_of(self.nodes.processes(node)).values()


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
