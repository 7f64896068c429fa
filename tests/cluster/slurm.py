"""A Slurm cluster for one test: started by cluster.sh, ended whatever happens."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from support.program import SOURCE, require, skip

SCRIPT = SOURCE / "tests/cluster/cluster.sh"


class Cluster:
    """`name` is the cluster's; its state lies in `scratch`, which the tests see in full on all nodes."""

    def __init__(self, name, scratch):
        self.name = name
        self.state = pathlib.Path(scratch) / f"{name}-cluster"
        self.environment = {**os.environ, "TERRAMILL_CLUSTER": name, "TMPDIR": str(scratch)}

    def call(self, *arguments, code=0, **options):
        """cluster.sh with these arguments; fails the test when it ends with another code. Returns its output."""
        words = ["bash", str(SCRIPT), *map(str, arguments)]
        done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, **options)
        if code is not None and done.returncode != code:
            sys.exit(f"{' '.join(words)}\nended with {done.returncode}, not {code}\n{done.stdout}")
        return done.stdout

    def submit(self, script, *arguments, log, options=(), code=0):
        """Submits a batch script and waits for its end; returns what it logged."""
        done = self.call("run", "sbatch", "--wait", f"--output={log}", *options, script, *arguments, code=None)
        text = pathlib.Path(log).read_text() if pathlib.Path(log).exists() else "(no log)"
        if f"terramill: exit code {code}," not in text:
            sys.exit(f"{script} did not end with {code}\n{done}\n{text}")
        return text

    def namespaces(self):
        """The cluster's network namespaces that there are."""
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        return [line.split()[0] for line in listed.splitlines() if line.startswith(f"{self.name}-")]

    def processes(self, node=None):
        """What runs in those namespaces, or on one node."""
        found = []
        for namespace in [f"{self.name}-{node}"] if node else self.namespaces():
            listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True)
            found += listed.stdout.split()
        return found

    def left_on_nodes(self, but=""):
        """What lies in the memory and the scratch of the nodes that are up, but local checkpoints and what fills a disk:
        [path]. One node need not be looked at."""
        found = []
        for file in self.state.glob("spool/n*.pid"):
            root = pathlib.Path(f"/proc/{file.read_text().strip()}/root")
            if file.stem != but and (root / "proc").exists():  # the node is up
                for folder in (root / "dev/shm", root / self.state.relative_to("/") / "local"):
                    found += [path for path in folder.iterdir() if path.name not in ("checkpoints", ".filled")]
        return found

    def sweep(self):
        """Removes that."""
        for path in self.left_on_nodes():
            shutil.rmtree(path)


def require_slurm():
    """Skips the test where the cluster cannot be made."""
    if os.geteuid() != 0:
        skip("a cluster of network namespaces needs root")
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for tool in ("slurmctld", "slurmd", "sbatch", "munged", "ip", "tc", "ps", "nsenter"):
        if shutil.which(tool, path=path) is None:
            skip(f"{tool} is missing; jobs/setup.sh installs it")
    probe = subprocess.run(["unshare", "--net", "--mount", "--uts", "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        skip(f"this system forbids namespaces: {probe.stderr.strip()}")


def wait_until(holds, what):
    """Polls for two minutes."""
    end = time.monotonic() + 120
    while not holds():
        require(time.monotonic() < end, what)
        time.sleep(0.05)


@contextlib.contextmanager
def cluster(scratch, nodes=2):
    """A running cluster, taken down at the end."""
    require_slurm()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that it is taken down then too
    made = Cluster(f"tm{os.getpid()}", scratch)
    try:
        made.call("up", "--nodes", nodes)
        yield made
        made.call("down")
        require(not made.namespaces() and not made.state.exists(), "the cluster leaves no namespace and no file")
        require(not mounts_below(made.state), "the cluster leaves no mount")
    finally:
        made.call("down", code=None)


def mounts_below(folder):
    lines = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]
