"""What tests/bare-debian.sh leaves when it is told to stop: no process, and no root."""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile

from support.program import SOURCE, require, skip

#: In place of mmdebstrap: a root that lends this machine's files, in the script's own mount namespace alone.
STAND_IN = """#!/usr/bin/env bash
set -e
root=${!#}
mkdir -p "$root"/{etc,proc,sys,dev,run,srv,tmp,usr,var/lib/dpkg}
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
for name in usr var/lib/dpkg; do
  mount --bind "/$name" "$root/$name"
  mount -o remount,ro,bind "$root/$name"
done
cp /etc/debian_version "$root/etc"
"""
#: Tells by a pipe in the cache, which the script lends to the root, that it runs; ends only when it is ended.
COMMAND = "sleep infinity & echo >/srv/.cache/terramill/apt/running; wait"


def processes_below(folder):
    """Ids of the processes whose root is below `folder`."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "root").startswith(f"{folder}/"):
                found.append(int(process.name))
        except OSError:
            pass  # it has ended
    return found


def stops_without_a_trace(number, code):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in ("bin", "tmp", "cache/apt"):
            (folder / part).mkdir(parents=True)
        (folder / "bin/mmdebstrap").write_text(STAND_IN)
        (folder / "bin/mmdebstrap").chmod(0o755)
        os.mkfifo(folder / "cache/apt/running")
        environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "TMPDIR": f"{folder}/tmp",
                       "TERRAMILL_CACHE": f"{folder}/cache"}
        running = os.open(folder / "cache/apt/running", os.O_RDWR)
        with open(folder / "log", "w") as log:
            script = subprocess.Popen(["bash", SOURCE / "tests/bare-debian.sh", "--output", folder / "summary", COMMAND],
                                      env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            ready = select.select([running], [], [], 120)[0]
            require(ready and processes_below(folder), f"the command runs in the root:\n{(folder / 'log').read_text()}")
            script.send_signal(number)
            require(script.wait(60) == code, f"signal {number} ends it with {code}, not {script.returncode}")
            require(not processes_below(folder), f"signal {number} ends all that runs in the root")
            require(not list((folder / "tmp").iterdir()), f"signal {number}: the root is removed")
        finally:
            os.close(running)
            for process in processes_below(folder):
                os.kill(process, signal.SIGKILL)
            script.kill()
            script.wait()


def main():
    if os.getuid() != 0 or shutil.which("unshare") is None:
        skip("needs root and unshare")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        skip("namespaces cannot be made here")
    if subprocess.run(["git", "-c", "safe.directory=*", "-C", SOURCE, "rev-parse"], capture_output=True).returncode != 0:
        skip("the sources are no clone of a repository")
    stops_without_a_trace(signal.SIGTERM, 143)
    stops_without_a_trace(signal.SIGINT, 130)


if __name__ == "__main__":
    main()
