"""tests/support/leave_nothing.sh passes on how a test ends, and fails one that leaves a file or a process behind."""

import os
import pathlib
import re
import subprocess
import tempfile

from support.program import SOURCE, require


def run(script, code, said=""):
    """Runs a script as a test; returns what was printed."""
    with tempfile.TemporaryDirectory() as folder:
        option = ["--no-mpi"] if script.startswith("--no-mpi ") else []
        words = ["bash", SOURCE / "tests/support/leave_nothing.sh", *option, "bash", "-c", script.removeprefix("--no-mpi ")]
        done = subprocess.run(words, text=True, check=False, env={**os.environ, "TMPDIR": folder}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        require(done.returncode == code, f"{script}: {code}, not {done.returncode}:\n{done.stdout}")
        require(said in done.stdout and (said or "left" not in done.stdout), f"{script}: says \"{said}\":\n{done.stdout}")
        require(not list(pathlib.Path(folder).iterdir()), f"{script}: its folder is removed")
    return done.stdout


def main():
    for code in (0, 1, 77):
        run(f"exit {code}", code)
    run("touch $TMPDIR/x; exit 0", 1, "file ")
    run("touch $TMPDIR/x; exit 7", 7, "file ")
    run("mkdir -p $TMPDIR/ompi.host.0/pid.1", 0)
    pid = re.search(r"pid (\d+)", run("sleep 600 </dev/null >/dev/null 2>&1 & echo pid $!", 1, "process "))[1]
    require(not pathlib.Path("/proc", pid, "exe").exists(), "a process that is left is ended")
    run("--no-mpi touch $TMPDIR/x", 1, "file ")
    memory = run("sed 's/.*= //' ${OMPI_MCA_mca_base_param_files%%,*}", 0).strip()
    require(not pathlib.Path(memory).exists(), "what killed ranks leave in memory is removed")


if __name__ == "__main__":
    main()
