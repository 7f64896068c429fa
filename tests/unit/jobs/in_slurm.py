"""What the job scripts ask of Slurm, and what they do with its answers: with stand-ins for its commands, which note how
they are called, and for `terramill`."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from support.program import SOURCE, require

#: Runs its command once a node, `terramill` once; the exchange of messages fails where the file `cut` names a node, two of
#: them with a blank between, or *.
SRUN = r"""#!/usr/bin/env bash
here=$(dirname "$0")
echo "srun $*" >>"$here/calls"
if [[ $* == --mpi=list ]]; then cat "$here/mpi" 2>/dev/null; exit 0; fi
env >"$here/environment"
while [[ $1 == --* ]]; do
  case $1 in --nodelist=*) nodes=${1#*=} ;; esac
  shift
done
case $* in
  *--ping*)
    cp "$here/environment" "$here/environment-of-ping"
    [[ $nodes == *,* && -e $here/cut ]] || exit 0
    while read -r node other; do
      if [[ $node == '*' || ,$nodes, == *,$node,* && ,$nodes, == *,${other:-$node},* ]]; then echo "no PMI here" >&2; exit 1; fi
    done <"$here/cut"
    exit 0 ;;
  *heir.sh*) exec tail -f /dev/null ;;
  terramill* | *' terramill '*) exec "$@" ;;
esac
for node in ${nodes//,/ }; do SLURMD_NODENAME=$node "$@" || code=$?; done
exit "${code:-0}"
"""
SCONTROL = r"""#!/usr/bin/env bash
here=$(dirname "$0")
echo "scontrol $*" >>"$here/calls"
case $* in
  ping) echo "Slurmctld(primary) at ctl is UP" ;;
  "show hostnames"*) cat "$here/nodes" ;;
  *"show job"*)
    field=$(cat "$here/fields" 2>/dev/null)  # one that is otherwise
    echo "JobId=7 JobState=RUNNING Requeue=1 ExcNodeList=(null) PreemptTime=None Restarts=${SLURM_RESTART_COUNT:-0}" |
      sed "s/ ${field%%=*}=[^ ]*/ $field/" ;;
esac
"""
SQUEUE = '#!/usr/bin/env bash\n[[ $* == *--steps* ]] || echo "RUNNING nodes"\n'
SCANCEL = '#!/usr/bin/env bash\necho "scancel $*" >>"$(dirname "$0")/calls"\n'
SBATCH = '#!/usr/bin/env bash\necho "sbatch $*" >>"$(dirname "$0")/calls"\necho 11\n'
#: As often as there are lines in `sleeps`, then it fails, which ends an heir.
SLEEP = '#!/usr/bin/env bash\nhere=$(dirname "$0")\n[[ -s $here/sleeps ]] && sed -i 1d "$here/sleeps"\n'
TERRAMILL = r"""#!/usr/bin/env bash
here=$(dirname "$0")
if [[ $* == *--print-config* ]]; then
  for ((tries = 0; tries < 1000; ++tries)); do  # until both heirs are there
    [[ -e $here/heirs-first ]] && (($(grep -c heir.sh "$here/calls") < 2)) || break
    read -rt 0.01 <> <(:)
  done
  ((tries < 1000)) || exit 1
  [[ $* != *--wrong* ]] || { echo "there is no option --wrong" >&2; exit 2; }
  echo "output = $here/run  # command line"
  exit 0
fi
echo start >>"$here/starts"
env >"$here/environment-of-ranks"
[[ ! -e $here/meanwhile ]] || . "$here/meanwhile"
code=$(head -n 1 "$here/code" 2>/dev/null)
sed -i 1d "$here/code" 2>/dev/null
exit "${code:-0}"
"""


class Stage:
    """A folder with the stand-ins and an allocation of nodes."""

    def __init__(self, folder, nodes, **environment):
        self.folder, self.nodes = pathlib.Path(folder), nodes
        for name, text in {"srun": SRUN, "scontrol": SCONTROL, "squeue": SQUEUE, "sinfo": "#!/bin/sh\n", "sbatch": SBATCH,
                           "scancel": SCANCEL, "terramill": TERRAMILL}.items():
            self.write(name, text).chmod(0o755)
        self.write("nodes", "".join(f"{node}\n" for node in nodes))
        self.write("mpi", "MPI plugin types are...\n\tnone\n\tpmi2\n\tpmix\n")
        count = len(nodes)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "PATH": f"{folder}:{os.environ['PATH']}", "TERRAMILL_BIN_DIR": str(folder), "TMPDIR": str(folder),
            "SLURM_JOB_ID": f"7{os.getpid()}", "SLURM_JOB_NAME": "test", "SLURM_JOB_NUM_NODES": str(count),
            "SLURM_NTASKS": str(2 * count), "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NODELIST": "nodes",
            "SLURM_CPUS_PER_TASK": "4", "SLURMD_NODENAME": nodes[0], **environment}

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def run(self, script, *words, code):
        done = subprocess.run(["bash", str(SOURCE / "jobs" / script), *map(str, words)], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        require(done.returncode == code, f"{script} ends with {code}, not {done.returncode}:\n{done.stdout}")
        return done.stdout

    def supervise(self, *words, code):
        return self.run("supervise.sh", "--least-memory", 1, "--pause", 0, *words, "pretrain", "--output", self.folder / "run",
                        code=code)

    def calls(self, *having):
        """The lines of calls that hold all of these words."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if all(word in line for word in having)]

    def starts(self):
        return (self.folder / "starts").exists()

    def variables(self, name):
        return dict(line.split("=", 1) for line in (self.folder / name).read_text().splitlines() if "=" in line)


@contextlib.contextmanager
def stage(*nodes, **environment):
    with tempfile.TemporaryDirectory() as folder:
        yield Stage(folder, nodes, **environment)
        left = list(pathlib.Path("/dev/shm").glob(f"terramill-7{os.getpid()}"))
        require(not left, f"nothing is left in memory: {left}")


def an_heir_reads_long_lists():
    """A host among a thousand, whose names fill more than a pipe holds, is not taken for lost; one that is not there is."""
    names = [f"node{number:04}-{'x' * 80}" for number in range(1000)]
    for host, requeues in ((names[0], 0), ("elsewhere", 1)):
        with stage(*names) as there:
            there.write("sleep", SLEEP).chmod(0o755)
            there.write("sleeps", "1\n2\n")
            (there.folder / "run").mkdir()
            there.run("heir.sh", 7, host, 1000, there.folder / "run/faults/nodes-7", 0, "bad1,bad2", code=0)
            require(len(there.calls("scontrol requeue 7")) == requeues, f"{host[:9]}: {requeues} requeueings")
            if requeues:
                require(there.calls("update", "NumNodes=1000", "ExcNodeList=bad1,bad2"), "the job is to be as before")
                require((there.folder / "run/faults/nodes-7").read_text() == "1000\n", "and its next start knows it")


def heirs_are_there_before_anything_else():
    """Also where only the configuration tells the output; then they are placed again."""
    for words, times in ((("--output", "SELF/run"), 1), (("--config", "x.ini"), 2)):
        with stage("n1", "n2", "n3") as there:
            words = [word.replace("SELF", str(there.folder)) for word in words]
            there.write("heirs-first", "")
            there.run("supervise.sh", "--least-memory", 1, "pretrain", *words, code=0)
            placed = there.calls("heir.sh")
            require({"nodelist=n2", "nodelist=n3"} == {re.search("nodelist=n.", call)[0] for call in placed},
                    f"two nodes watch over the batch host: {placed}")
            require(len(placed) == 2 * times, f"{times} times two: {placed}")
            require(all(f"{there.folder}/run/faults/nodes-" in call for call in placed[-2:]), f"they know the folder: {placed}")


def an_heir_is_of_one_start():
    """One that was cut off with the batch host, and is back, finds the job on other nodes."""
    with stage("n3", "n4") as there:
        there.write("sleep", SLEEP).chmod(0o755)
        there.write("sleeps", "1\n2\n")
        there.write("fields", "Restarts=1")
        there.run("heir.sh", 7, "n1", 4, there.folder / "nodes-7", 0, code=0)
        require(not there.calls("requeue"), "it leaves the next start alone")


def who_was_taken_for_lost_leaves_the_job_alone():
    """The batch host was cut off, Slurm has begun the job anew, and then the link is back: before an attempt, or after one."""
    for fields in ("Restarts=1", "JobState=PENDING"):
        for meanwhile in (False, True):
            with stage("n1", "n2") as there:
                if meanwhile:
                    there.write("meanwhile", f"echo {fields} >$here/fields; rm $here/calls\n")
                    there.write("code", "1\n")
                else:
                    there.write("fields", fields)
                log = there.supervise(code=1)
                require("Slurm took this node for lost" in log, f"it is told:\n{log}")
                require(there.starts() == meanwhile, "nothing more is started")
                for words in (("scancel",), ("requeue",), ("rm -rf",), ("update",)):
                    require(not there.calls(*words), f"nothing of the next start is touched: {there.calls(*words)}")
                for folder in (there.folder, pathlib.Path("/dev/shm")):  # of the next start, for all it knows
                    shutil.rmtree(folder / f"terramill-{there.environment['SLURM_JOB_ID']}", ignore_errors=True)


def a_job_that_gets_on_is_requeued_for_ever():
    """--max-requeues is for starts that bring nothing further."""
    for saved, requeues in ((False, 0), (True, 1)):
        with stage("n1", "n2", SLURM_RESTART_COUNT="3") as there:
            checkpoint = "mkdir -p $here/run/checkpoints/step-00000008; touch $here/run/checkpoints/step-00000008/index.json\n"
            there.write("meanwhile", f"echo PreemptTime=2026-11-22 >$here/fields\n{checkpoint if saved else ''}")
            there.write("code", "85\n")
            log = there.supervise("--max-requeues", 3, code=85)
            require(len(there.calls("scontrol requeue")) == requeues, f"{requeues} requeueings:\n{log}")
            require(saved or "not requeued: that was done 3 times, and this start brought nothing further" in log, f"it is told:\n{log}")


def pauses_double():
    for words, wanted in (((), ["1", "2"]), (("--checkpoint.local", "/nodes"), ["2"])):
        with stage("n1") as there:
            there.write("code", "1\n1\n0\n")
            log = there.run("supervise.sh", "--least-memory", 1, "--pause", 1, "pretrain", *words, code=0)
            require(re.findall(r"waiting for (\d+) s", log) == wanted, f"{words}: {wanted}\n{log}")


def steps_ask_for_what_they_need():
    """Of the variables by which sbatch tells what it was given, none gets into the way of smaller steps; the ranks have the
    folders that are removed after them; and memory is theirs."""
    with stage("n1", "n2", "n3", SLURM_TRES_PER_TASK="cpu=4,gres/gpu=1", SLURM_EXPORT_ENV="NONE", SLURM_TMPDIR="") as there:
        there.environment["SLURM_TMPDIR"] = str(there.folder)
        there.supervise(code=0)
        require(all("--cpus-per-task=1" in call for call in there.calls("--ping")), "a ping is given its cores by an option")
        for kind in ("node-health.sh", "heir.sh", "rm -rf"):
            calls = there.calls(kind)
            require(calls and all("--mem=0" in call for call in calls), f"{kind} leaves the memory to the ranks: {calls}")
        for name in ("environment-of-ping", "environment-of-ranks"):
            found = there.variables(name)
            require("SLURM_TRES_PER_TASK" not in found, f"{name}: an older Slurm's variables alone")
            require(found.get("SRUN_EXPORT_ENV") == "ALL", f"{name}: steps get the environment whatever sbatch was told")
            segments = f"/dev/shm/terramill-{there.environment['SLURM_JOB_ID']}"
            require(found.get("OMPI_MCA_btl_vader_backing_directory") == segments, f"{name}: the job's folder in memory")
            require(found["TMPDIR"] == f"{there.folder}/terramill-{there.environment['SLURM_JOB_ID']}", f"{name}: its scratch")


def scratch_lies_where_the_node_has_it():
    for temporary, slurm, wanted in (("SELF/of-the-login-node", "", "/tmp"), ("SELF/absent", "SELF", "SELF"), ("SELF", "", "SELF")):
        with stage("n1") as there:
            own = lambda text: text.replace("SELF", str(there.folder))
            there.environment.update(TMPDIR=own(temporary), SLURM_TMPDIR=own(slurm))
            there.supervise(code=0)
            require(there.variables("environment-of-ranks")["TMPDIR"].startswith(f"{own(wanted)}/terramill-"), f"{temporary}, {slurm}")


def launchers_fit_the_library():
    """PMIx for Open MPI; for others what Cray has, PMI-2, or their own mpiexec."""
    choose = 'source jobs/step.sh; terramill_choose_launcher; echo "${launcher[*]}"'
    for library, types, wanted in (("Open MPI", "pmi2 pmix cray_shasta", "srun --mpi=pmix --kill-on-bad-exit=1"),
                                   ("Open MPI", "pmi2 pmix_v4", "srun --mpi=pmix_v4 --kill-on-bad-exit=1"),
                                   ("Open MPI", "pmi2", "mpirun --bind-to none"),
                                   ("HYDRA", "pmi2 pmix cray_shasta", "srun --mpi=cray_shasta --kill-on-bad-exit=1"),
                                   ("HYDRA", "pmi2 pmix", "srun --mpi=pmi2 --kill-on-bad-exit=1"),
                                   ("HYDRA", "pmix", "mpiexec")):
        with stage("n1") as there:
            there.write("mpirun", f"#!/bin/sh\necho '{library} 4'\n").chmod(0o755)
            there.write("mpi", types.replace(" ", "\n"))
            chosen = subprocess.run(["bash", "-c", choose], env=there.environment, cwd=SOURCE, text=True, capture_output=True,
                                    check=True).stdout.strip()
            require(chosen == wanted, f"{library} with {types}: {wanted}, not {chosen}")


def what_fails_everywhere_is_no_node():
    """At the very first start an exchange that fails between all, or nodes that all lack something, end the job with what
    they said; where some reach each other the others are left out."""
    nodes = [f"n{number}" for number in range(1, 10)]
    with stage(*nodes) as there:
        there.write("cut", "*\n")
        log = there.supervise(code=1)
        require("no PMI here" in log and "no two nodes reach each other" in log, f"the exchange's words are told:\n{log}")
        require(not there.starts() and not there.calls("requeue"), "it neither runs nor waits")
        require(len(there.calls("--ping")) <= 3 + 3 * len(nodes), "not every pair is tried")
    with stage(*nodes) as there:
        there.write("cut", "n1\nn6\n")
        require("attempt 1: 14 ranks on 7 nodes: n2 n3 n4 n5 n7 n8 n9;" in there.supervise(code=0), "two nodes are left out")
    for cut, left in (("n2 n3", "n1 n2 n4 n5 n6 n7 n8 n9"), ("n8 n9\nn2 n5", "n1 n2 n3 n4 n6 n7 n8")):
        with stage(*nodes) as there:  # all reach the first
            there.write("cut", f"{cut}\n")
            log = there.supervise(code=0)
            require(f"nodes: {left};" in log and "no PMI here" in log, f"{cut}: {left} go on:\n{log}")
    with stage(*nodes[:2], SLURM_RESTART_COUNT="1") as there:
        there.write("cut", "*\n")
        require("attempt 1: 2 ranks on 1 nodes" in there.supervise(code=0), "later one node goes on")
    with stage(*nodes[:3]) as there:
        log = there.supervise("--least-disk", 10**9, code=1)
        require("MiB left, not" in log and "no node is healthy at the first start" in log, f"what all lack is told:\n{log}")
        require(not there.calls("requeue"), "it does not wait for better nodes")
    with stage(*nodes[:3], SLURM_RESTART_COUNT="1") as there:
        there.supervise("--least-disk", 10**9, code=1)
        require(there.calls("scontrol requeue"), "later it does")


def a_shrunk_job_knows_what_it_was():
    """A job that Slurm brought back on fewer nodes makes do with fewer spares, and asks for all at its next requeueing."""
    with stage("n1", "n2", "n3", SLURM_RESTART_COUNT="1") as there:
        (there.folder / "run/faults").mkdir(parents=True)
        kept = there.write(f"run/faults/nodes-{there.environment['SLURM_JOB_ID']}", "4\n")
        log = there.supervise("--spares", 1, "--least-nodes", 3, code=0)
        require("brought the job back on 3 nodes, not on 4" in log, f"it is told:\n{log}")
        require("6 ranks on 3 nodes: n1 n2 n3; 0 spare" in log, f"no node idles:\n{log}")
        require(not kept.exists(), "nothing is kept of a job that is done")
        kept.write_text("4\n")
        there.supervise("--least-nodes", 4, code=1)
        require(there.calls("update", "NumNodes=4") and kept.read_text() == "4\n", "four nodes are asked for again")


def refusals_say_why():
    with stage("n1") as there:
        log = there.run("supervise.sh", "pretrain", "--wrong", code=2)
        require("there is no option --wrong" in log, f"the program's words are told:\n{log}")
        require("leave fewer than --least-nodes 2" in there.supervise("--least-nodes", 2, code=2), "too few nodes")
    task = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    for words in (("pretrain", "--wrong"), ("--least-nodes", 2, "pretrain")):
        with stage("n1", **task) as there:
            log = there.run("supervise.sh", *words, code=2)
            require(there.calls("scancel --state=PENDING 7") and "exit code 2" in log, f"{words}: the chain ends\n{log}")


def a_chain_waits_for_a_lock_that_was_left():
    """The ranks of the task before may take a while to die; another reason to refuse ends the chain."""
    task = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_MIN": "1"}
    for number, locked, code in (("2", True, 0), ("2", False, 2), ("1", True, 2)):
        with stage("n1", SLURM_ARRAY_TASK_ID=number, **task) as there, contextlib.ExitStack() as held:
            (there.folder / "run").mkdir()
            lock = held.enter_context(open(there.write("run/.lock", ""), encoding="utf-8"))
            if locked:
                fcntl.flock(lock, fcntl.LOCK_EX)
            there.write("code", "2\n0\n")
            there.supervise(code=code)


def instances_count_as_gpus():
    """Of cards that are cut into instances Slurm counts these."""
    listed = "GPU 0: A (UUID: GPU-0)\n  MIG 1g.10gb Device 0: (UUID: MIG-0)\n  MIG 1g.10gb Device 1: (UUID: MIG-1)\nGPU 1: A (UUID: GPU-1)\n"
    with stage("n1") as there:
        there.write("nvidia-smi", f"#!/bin/sh\ncat <<TEXT\n{listed}TEXT\n").chmod(0o755)
        require("n1 ok" in there.run("node-health.sh", there.folder, "", 1, 1, 3, code=0), "three answer")
        require("has 3 GPUs that answer, not 4" in there.run("node-health.sh", there.folder, "", 1, 1, 4, code=1), "no fourth")


def the_page_is_made_where_the_points_were():
    """The job that makes the page of a scaling experiment has the account and partition of the others, but one task."""
    with stage("n1") as there:
        config, corpus = there.write("x.ini", ""), there.folder / "corpus"
        corpus.mkdir()
        (corpus / "manifest.json").write_text("{}")
        there.run("scaling.sh", "--config", config, "--corpus", corpus, "--output", there.folder / "scaling", "--nodes", "1,2",
                  "--sbatch", "--account=a --partition=p --ntasks-per-node=4", code=0)
        page = there.calls("sbatch", "--job-name=terramill-scaling-page")
        require(len(page) == 1 and "--account=a --partition=p" in page[0], f"account and partition: {page}")
        require(page[0].rindex("--ntasks-per-node=1") > page[0].rindex("--ntasks-per-node=4"), f"one task: {page}")


def main():
    an_heir_reads_long_lists()
    heirs_are_there_before_anything_else()
    an_heir_is_of_one_start()
    who_was_taken_for_lost_leaves_the_job_alone()
    a_job_that_gets_on_is_requeued_for_ever()
    pauses_double()
    steps_ask_for_what_they_need()
    scratch_lies_where_the_node_has_it()
    launchers_fit_the_library()
    what_fails_everywhere_is_no_node()
    a_shrunk_job_knows_what_it_was()
    refusals_say_why()
    a_chain_waits_for_a_lock_that_was_left()
    instances_count_as_gpus()
    the_page_is_made_where_the_points_were()


if __name__ == "__main__":
    main()
