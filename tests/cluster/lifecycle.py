"""The cluster comes up with real nodes, and leaves nothing behind, however it ends."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from cluster.slurm import SCRIPT, Cluster, require_slurm, wait_until
from support.program import require


def gone(cluster):
    """Nothing of the cluster is left."""
    return not cluster.namespaces() and not cluster.state.exists()


def comes_up_and_goes(cluster):
    """Two nodes with names, addresses and scratch of their own; up and down may be repeated."""
    cluster.call("up", "--nodes", 2)
    before = cluster.processes()
    require("up already" in cluster.call("up", "--nodes", 2), "a second `up` says that the cluster is up")
    require(cluster.processes() == before, "a second `up` changes nothing")
    cluster.call("run", "srun", "--nodes=2", "bash", "-c", 'hostname > "$SLURM_TMPDIR/own"')
    seen = cluster.call("run", "srun", "--nodes=2", "bash", "-c",
                        'echo $(hostname) $(ip -4 -brief addr show eth0 | grep -o "10[.][.0-9]*") $(cat "$SLURM_TMPDIR/own")')
    require(sorted(seen.split("\n")) == ["", "n1 10.77.0.1 n1", "n2 10.77.0.2 n2"],
            f"nodes have names, addresses and scratch of their own:\n{seen}")
    require("exit" not in cluster.call("run", "bash", "-c", "exit 7", code=7), "`run` passes on the exit code")
    cluster.call("up", "--nodes", 3)
    require(len(cluster.namespaces()) == 4, "`up` with another number of nodes starts anew")
    cluster.call("down")
    require(gone(cluster), "`down` leaves nothing")
    cluster.call("down")
    cluster.call("status", code=1)


def survives_violence(cluster):
    """A job runs and the controller is killed: `down` still ends all of it."""
    cluster.call("up", "--nodes", 2)
    cluster.call("run", "sbatch", "--nodes=2", "--output=/dev/null", "--wrap", "srun sleep 600")
    wait_until(lambda: cluster.call("run", "squeue", "--noheader", "--format=%T").strip() == "RUNNING",
               "the job starts")
    os.kill(int((cluster.state / "control/slurmctld.pid").read_text()), signal.SIGKILL)
    running = cluster.processes()
    cluster.call("down")
    require(gone(cluster), "`down` after a killed controller leaves nothing")
    wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in running), "every process ends")


def cleans_up_half_a_start(cluster, scratch):
    """`up` with daemons that die is stopped on the way: it takes down what it had started."""
    broken = pathlib.Path(scratch) / "broken"
    broken.mkdir()
    (broken / "slurmd").write_text("#!/bin/sh\nexit 1\n")
    (broken / "slurmd").chmod(0o755)
    environment = {**cluster.environment, "PATH": f"{broken}:{cluster.environment['PATH']}"}
    with subprocess.Popen(["bash", str(SCRIPT), "up"], env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as up:
        wait_until(lambda: (cluster.state / "control/slurmctld.pid").exists(), "the controller starts")
        up.terminate()
        require(up.wait() != 0, "a stopped `up` fails")
    require(gone(cluster), "a stopped `up` leaves nothing")


def names_what_is_missing(cluster, scratch):
    """Also a tool that only `mend` uses, before anything is started."""
    programs = pathlib.Path(scratch) / "programs"
    programs.mkdir()
    for name in ("bash", "id", "nsenter", "unshare", "sbatch"):
        (programs / name).symlink_to(shutil.which(name))
    done = subprocess.run(["bash", str(SCRIPT), "up"], env={**cluster.environment, "PATH": str(programs)}, text=True,
                          capture_output=True, check=False)
    require(done.returncode == 1 and "ps is missing" in done.stderr, f"`up` names the missing tool:\n{done.stderr}")
    require(gone(cluster), "`up` without its tools starts nothing")


def main():
    require_slurm()
    with tempfile.TemporaryDirectory() as scratch:
        cluster = Cluster(f"tm{os.getpid()}", scratch)
        try:
            comes_up_and_goes(cluster)
            survives_violence(cluster)
            cleans_up_half_a_start(cluster, scratch)
            names_what_is_missing(cluster, scratch)
        finally:
            cluster.call("down", code=None)


if __name__ == "__main__":
    main()
