"""Chaos outside Slurm: jobs/supervise.sh starts the ranks with mpirun."""

import contextlib
import os
import pathlib
import signal
import subprocess

from chaos.hits import require_stopped, send
from cluster.campaign import Watched, ranks_of
from support.program import SOURCE


def processes_of(output):
    """Everything whose command line names the folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                if str(output).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


class Supervised(Watched):
    """A supervised run, started again whenever a fault ended it as a whole."""

    counts = (2, 3, 4)  # of ranks
    where = "mpirun"

    def __init__(self, workload, folder, ranks, extra):
        super().__init__(workload, folder / "out", folder / "job.log")
        self.folder, self.extra, self.scratch = folder, list(extra), []
        self.start(ranks)

    def start(self, ranks):
        words = ["bash", SOURCE / "jobs/supervise.sh", "--ranks", ranks, "--max-restarts", 99, "--max-stuck", 20, "--pause", 0,
                 "--least-disk", 8, *self.workload.subcommand, *self.workload.words(self.output, self.extra)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env={**os.environ, "TMPDIR": str(self.folder)})

        for place in (self.folder, "/dev/shm"):
            self.scratch.append(pathlib.Path(place) / f"terramill-supervise-{self.process.pid}")

    def ranks(self):
        return ranks_of(processes_of(self.output))

    def ended(self):
        return self.process.poll() is not None

    def finish(self):
        self.wait(self.ended, "the supervisor ends")
        return self.process.returncode

    def leftovers(self):
        return [*processes_of(self.output), *(path for path in self.scratch if path.exists())]

    def clean_up(self):
        send([*processes_of(self.output), self.process.pid])
        self.process.wait()

    def meet(self, kind, draw):
        """A fault that is not one of single ranks or files. False when there was nothing to hit."""
        if kind == "kill-launcher":
            send(pid for pid in processes_of(self.output) if program_of(pid) in ("mpirun", "orterun"))
        elif kind == "kill-all":
            send([self.process.pid, *processes_of(self.output)])
            self.finish()
            self.wait(lambda: not processes_of(self.output), "all of it is gone")
            self.start(draw.choice(self.counts))
        else:
            self.process.send_signal(signal.SIGUSR1)
            code = self.finish()
            require_stopped(self, code)
            if code == 0:
                return False
            self.start(draw.choice(self.counts))
        return True


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""
