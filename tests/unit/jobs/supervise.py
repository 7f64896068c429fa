"""What jobs/supervise.sh does with each exit code, outside Slurm, with a stand-in for the program that ends as told."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile

from support.program import SOURCE, require

#: Each start takes the next line of `script`: an exit code, or "wait N" for a signal and then N; "N+S" first adds a checkpoint of step S.
STAND_IN = """#!/usr/bin/env bash
folder=$(dirname "$0")
if [[ "$*" == *--print-config* ]]; then
  if [[ "$*" == *--config* ]]; then printf 'corpus = c  # command line\noutput = %s/run  # x.ini:1\n[train]\ntp = 1  # default\n' "$folder"; fi
  exit 0
fi
echo start >>"$folder/starts"
line=$(sed -n "$(wc -l <"$folder/starts")p" "$folder/script")
if [[ $line == *+* ]]; then
  checkpoint=$folder/run/checkpoints/step-$(printf %08d "${line#*+}")
  mkdir -p "$checkpoint" && touch "$checkpoint/index.json"
fi
if [[ $line == wait* ]]; then
  trap 'exit ${line#wait }' USR1
  touch "$folder/waiting"
  while :; do read -rt 0.05 <> <(:); done
fi
exit "${line%+*}"
"""


class Stage:
    """A folder with the stand-in, and a supervisor that uses it."""

    def __init__(self, folder, *ends):
        self.folder, self.supervisors = pathlib.Path(folder), []
        (self.folder / "terramill").write_text(STAND_IN)
        (self.folder / "terramill").chmod(0o755)
        (self.folder / "mpirun").write_text('#!/usr/bin/env bash\nshift 2\nexec "$@"\n')  # mpirun -n N COMMAND…
        (self.folder / "mpirun").chmod(0o755)
        (self.folder / "script").write_text("".join(f"{end}\n" for end in ends))
        for name in ("starts", "waiting"):
            (self.folder / name).unlink(missing_ok=True)

    def start(self, *options, subcommand=("pretrain",)):
        environment = {**os.environ, "TERRAMILL_BIN_DIR": str(self.folder), "TMPDIR": str(self.folder)}
        environment.pop("SLURM_JOB_ID", None)
        words = ["bash", SOURCE / "jobs/supervise.sh", "--least-memory", 1, "--pause", 0, *options, *subcommand]
        if "--config" not in subcommand:
            words += ["--output", self.folder / "run"]
        process = subprocess.Popen(list(map(str, words)), env=environment, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.supervisors.append(process.pid)
        return process

    def left(self):
        """Scratch, here and in memory, of supervisors that were started."""
        memory = [pathlib.Path(f"/dev/shm/terramill-supervise-{pid}") for pid in self.supervisors]
        return [*self.folder.glob("terramill-supervise-*"), *(path for path in memory if path.exists())]

    def starts(self):
        file = self.folder / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0


def ends(*lines, options=(), code, starts, said="", subcommand=("pretrain",), hosts=None):
    """The stand-in ends as the lines tell; the supervisor ends with `code` after so many starts."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder, *lines)
        if hosts is not None:
            (stage.folder / "run/faults").mkdir(parents=True)
            names = ", ".join(f'"{host}"' for host in hosts)
            (stage.folder / "run/faults/corrupt.json").write_text(f'{{"step": 3, "ranks": [0], "hosts": [{names}]}}\n')
        with stage.start(*options, subcommand=subcommand) as process:
            log = process.communicate()[0]
        require(process.returncode == code, f"{lines} ends with {code}, not {process.returncode}:\n{log}")
        require(stage.starts() == starts, f"{lines} is started {starts} times, not {stage.starts()}:\n{log}")
        require(said in log, f"{lines}: the log says \"{said}\":\n{log}")
        require(f"exit code {code}," in log or starts == 0, f"{lines}: the log ends with the exit code:\n{log}")
        require(not stage.left(), f"nothing of it is left: {stage.left()}")


def stops_on_request(number, end, code):
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder, f"wait {end}")
        with stage.start() as process:
            while not (stage.folder / "waiting").exists():
                require(process.poll() is None, "the ranks run")
            process.send_signal(number)
            log = process.communicate()[0]
        require(process.returncode == code and stage.starts() == 1, f"{number}: passed on, once, ends with {code}:\n{log}")


def ends_what_a_killed_one_left():
    """The ranks of a supervisor that got SIGKILL are ended before the next ones start; those of one that lives are not."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder, "wait 85", 0, 0)
        with stage.start() as process:
            while not (stage.folder / "waiting").exists():
                require(process.poll() is None, "the ranks run")
            with stage.start() as second:
                log = second.communicate()[0]
            require("ending" not in log, f"ranks of a living supervisor stay:\n{log}")
            process.kill()
            process.wait()
            require(len(stage.left()) == 2, f"its scratch stays, here and in memory: {stage.left()}")
            with stage.start() as third:
                log = third.communicate()[0]
            require(third.returncode == 0 and "processes that a supervisor left" in log, f"what was left is ended:\n{log}")
            process.communicate()  # which ends with the last of them
        require(not stage.left(), f"and its scratch is removed: {stage.left()}")
        require(not list(stage.folder.glob("*.supervised")), "the mark is removed")


def main():
    ends(0, code=0, starts=1)
    ends(3, code=3, starts=1, subcommand=("corpus", "build"))
    for code in (85, 87):
        ends(code, code=code, starts=1)
    ends(138, code=85, starts=1, subcommand=("corpus", "build"))  # USR1, for which a build has no handler
    ends(2, code=2, starts=1, said="refused")
    ends("1+4", 2, 0, code=0, starts=3)  # a lock that ranks of before still held
    for code in (1, 86, 137, 139):
        ends(f"{code}+4", 0, code=0, starts=2)
    ends(1, 1, 1, 0, code=1, starts=3, said="3 attempts in a row brought nothing further")
    ends("1+4", 1, 1, "1+8", 1, 1, 0, code=0, starts=7)
    ends(1, 1, 0, code=1, starts=2, options=("--max-stuck", 2))
    ends("1+1", "1+2", "1+3", 0, code=1, starts=3, options=("--max-restarts", 2), said="restarted 2 times")
    ends("88+4", 0, code=0, starts=2, hosts=[], said="could not tell which host")
    ends("88+4", 0, code=88, starts=1, hosts=[socket.gethostname()], said="0 healthy nodes are too few")
    ends(0, code=2, starts=0, subcommand=("eval",))
    ends(0, code=2, starts=0, options=("--spares", 1))
    ends(0, code=2, starts=0, options=("--spares", "one"))
    ends(0, code=1, starts=0, options=("--least-disk", 10**9), said="MiB left, not")
    ends(0, code=0, starts=1, options=("--least-disk=08",))
    ends("1+4", "1+8", 1, 0, code=1, starts=3, options=("--max-stuck=1",), subcommand=("pretrain", "--config", "x.ini"))
    stops_on_request(signal.SIGUSR1, 85, 85)
    stops_on_request(signal.SIGHUP, 85, 85)
    stops_on_request(signal.SIGTERM, 143, 85)
    stops_on_request(signal.SIGUSR1, 1, 1)
    ends_what_a_killed_one_left()


if __name__ == "__main__":
    main()
