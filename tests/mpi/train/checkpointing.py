"""Checkpoints of a pretraining run: written behind it, failing, by the automatic interval, on the nodes' disks; and the
subcommands `checkpoint …`. Ranks play nodes by TERRAMILL_NODE_NAMES."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from support.program import (BINARY, SMALL_MODEL, checkpoint_tensors, curve, error_of, invented_corpus, launcher,
                             newest_checkpoint, require, run)

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "3", "--train.steps", "12", "--train.warmup_steps",
          "2", "--train.lr", "2e-3", "--train.validation_tiles", "4", "--fault.guard", "false"]
NODES = "n0,n1,n2"


def steps_of(folder):
    listed = json.loads(run("checkpoint", "list", folder, "--json"))
    require(all(entry["fault"] is None for entry in listed["checkpoints"]), "every checkpoint is whole")
    return [entry["step"] for entry in listed["checkpoints"]]


class Runs:
    def __init__(self, scratch):
        self.scratch = scratch
        corpus = invented_corpus(scratch, tiles=60)
        self.base = ["pretrain", "--corpus", corpus, *SMALL_MODEL, *RECIPE]
        self.start("undisturbed")
        self.weights, self.losses = self.end_of("undisturbed")

    def start(self, name, *options, code=0, ranks=2):
        """Starts a run or goes on with it; returns its standard error."""
        return error_of(*self.base, "--output", self.scratch / name, *options, ranks=ranks, code=code)

    def end_of(self, name):
        folder = self.scratch / name
        return checkpoint_tensors(newest_checkpoint(folder)), curve(folder)

    def require_same_end(self, name, what):
        weights, losses = self.end_of(name)
        require(losses == self.losses, f"{what}: the losses are those of the undisturbed run")
        require(weights == self.weights, f"{what}: the weights are those of the undisturbed run")


def saving_behind(runs):
    folders = {name: runs.scratch / name for name in ("at-once", "behind")}
    for name, folder in folders.items():
        runs.start(name, "--checkpoint.every", "5", "--checkpoint.async", "true" if name == "behind" else "false")
        require(steps_of(folder) == [5, 10, 12], f"{name}: every fifth step and the end are saved")
    for file in sorted(folders["behind"].glob("checkpoints/step-*/*")):
        same = folders["at-once"] / file.relative_to(folders["behind"])
        require(file.read_bytes() == same.read_bytes(), f"{file} has the bytes that saving at once gives")
    runs.require_same_end("behind", "written behind")


def failing_writes(runs):
    errors = runs.start("failing", "--checkpoint.every", "3", "--checkpoint.keep", "9", "--inject", "enospc@0:6")
    require("step 6: no checkpoint could be written" in errors, "the warning names the step")
    require(steps_of(runs.scratch / "failing") == [3, 9, 12], "the others are there")
    runs.require_same_end("failing", "after a failed write")

    errors = runs.start("failing-last", "--checkpoint.every", "5", "--inject", "enospc@1:12", code=1)
    require("No space left" in errors, f"the reason is told:\n{errors}")
    require(steps_of(runs.scratch / "failing-last") == [5, 10], "those before the last stay")


def policy_and_commands(runs):
    folder = runs.scratch / "policy"
    runs.start("policy", "--checkpoint.every", "1", "--checkpoint.keep", "2", "--checkpoint.keep_every", "5")
    require(steps_of(folder) == [5, 10, 11, 12], "the two newest and every fifth are kept")
    verified = json.loads(run("checkpoint", "verify", folder, "--json", ranks=2))
    require([entry["fault"] for entry in verified["checkpoints"]] == [None] * 4, "all are whole")
    shown = json.loads(run("checkpoint", "show", folder, "--step", "5", "--json"))
    require(shown["step"] == 5 and shown["meta"]["config"]["train.steps"] == "12", "show tells step and options")
    require(any(t["name"].startswith("adam.m.") for t in shown["tensors"]), "show lists the tensors")
    require("step 12" in run("checkpoint", "show", folder), "show takes the newest")

    flip(folder / "checkpoints" / "step-00000010")
    run("checkpoint", "verify", folder, "--step", "11")
    require("rank-0000" in run("checkpoint", "verify", folder, code=1), "verify names the damaged file")

    require("removed step-00000005" in run("checkpoint", "prune", folder, "--keep", "1"), "prune says what it removes")
    require(steps_of(folder) == [12], "the newest stays")
    error_of("checkpoint", "prune", folder, "--keep", "0", code=2)
    error_of("checkpoint", "show", folder, "--step", "11", code=2)
    error_of("checkpoint", "list", runs.scratch / "nowhere", code=2)


def flip(checkpoint):
    victim = sorted(checkpoint.glob("rank-*"))[-1]
    data = bytearray(victim.read_bytes())
    data[-3] ^= 4
    victim.write_bytes(data)


def damaged_ones_spare_the_good(runs):
    folder = runs.scratch / "fallen"
    runs.start("fallen", "--checkpoint.every", "2", "--train.stop_after", "8", code=85)
    for step in (6, 8):
        flip(folder / "checkpoints" / f"step-{step:08d}")
    resume = ["--resume", "--checkpoint.every", "2", "--checkpoint.keep", "1"]
    errors = runs.start("fallen", *resume, "--train.stop_after", "5", code=85)
    require("step-00000006 is damaged" in errors, "the run falls back past both")
    steps = [entry["step"] for entry in json.loads(run("checkpoint", "list", folder, "--json"))["checkpoints"]]
    require(steps == [5, 6, 8], f"what was just saved stays, though damaged ones are newer: {steps}")
    run("checkpoint", "prune", folder, "--keep", "1")
    require("after step 5" in runs.start("fallen", *resume), "the good one is gone on from")
    runs.require_same_end("fallen", "after two damaged checkpoints")


def lost_indexes_are_damage(runs):
    folder = runs.scratch / "unindexed"
    runs.start("unindexed", "--checkpoint.every", "4", "--train.stop_after", "8", code=85)
    indexes = sorted(folder.glob("checkpoints/step-*/index.json"))
    metrics = (folder / "metrics.jsonl").read_bytes()
    kept = indexes[0].read_bytes()
    for index in indexes:
        index.unlink()
    require("index.json" in run("checkpoint", "verify", folder, code=1), "verify names the lost index")
    errors = runs.start("unindexed", "--resume", code=1)
    require("every checkpoint of the run is damaged" in errors, f"the run does not begin anew:\n{errors}")
    require((folder / "metrics.jsonl").read_bytes() == metrics, "its record stays")
    require("already holds checkpoints" in runs.start("unindexed", code=2), "nor does another take the folder")
    indexes[0].write_bytes(kept)
    require("step 4" in run("checkpoint", "show", folder), "show takes the newest that has an index")
    require(json.loads(run("status", folder, "--json"))["checkpoint"] == "step-00000004", "and so does status")
    errors = runs.start("unindexed", "--resume", "--checkpoint.every", "4")
    require("step-00000008 is damaged" in errors and "after step 4" in errors, "the one before is gone on from, and said")
    runs.require_same_end("unindexed", "after a lost index")
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").mkdir()
    require("no checkpoints" in run("checkpoint", "verify", folder), "verify says that there are none")
    error_of("checkpoint", "verify", folder, "--step", "3", ranks=2, code=2)


def damaged_records_stop_nothing(runs):
    folder = runs.scratch / "records"
    runs.start("records", "--checkpoint.every", "4", "--train.stop_after", "8", code=85)
    kept = (folder / "run.json").rename(folder / "kept")
    with socket.socket(socket.AF_UNIX) as unreadable:  # nobody can open it (ENXIO), which is no damage
        unreadable.bind(str(folder / "run.json"))
        require("cannot open" in runs.start("records", "--resume", code=1), "a run.json that may be whole ends the start")
    require((folder / "run.json").is_socket(), "and is not written anew")
    kept.rename(folder / "run.json").write_text("")
    with open(folder / "metrics.jsonl", "ab") as file:
        file.write(bytes(7) + b"\n")
    errors = runs.start("records", "--resume")
    require("run.json is written anew" in errors and "1 lines of" in errors, f"both are told:\n{errors}")
    runs.require_same_end("records", "with damaged records")


def killed_after_the_last_step(runs):
    folder = runs.scratch / "evaluated"
    runs.start("evaluated", "--train.validate_every", "4")
    before = (folder / "metrics.jsonl").read_text()
    about = json.loads((folder / "run.json").read_text())
    del about["finished"]
    (folder / "run.json").write_text(json.dumps(about))
    runs.start("evaluated", "--train.validate_every", "4", "--resume")
    require((folder / "metrics.jsonl").read_text() == before, "the last evaluation stands there once")


def a_plan_is_what_is_in_it(runs):
    plans = {name: runs.scratch / f"{name}.h5" for name in ("a", "b", "moved")}
    for seed, name in enumerate(("a", "b")):
        run("sample", "--corpus", runs.base[2], "--output", plans[name], "--seed", seed)
    runs.start("planned", "--plan", plans["a"], "--train.stop_after", "5", code=85)
    kept = plans["a"].read_bytes()
    shutil.copy(plans["b"], plans["a"])
    require("plan's content (was" in runs.start("planned", "--plan", plans["a"], "--resume", code=2), "another plan is refused")
    plans["moved"].write_bytes(kept)
    runs.start("planned", "--plan", plans["moved"], "--resume")


def the_end_is_the_end(runs):
    folder, copy = runs.scratch / "undisturbed", runs.scratch / "copy"
    before = (folder / "metrics.jsonl").read_bytes()
    require("is finished" in runs.start("undisturbed", "--resume"), "a finished run says that nothing is left to do")
    require((folder / "metrics.jsonl").read_bytes() == before, "and writes nothing")

    shutil.copytree(folder, copy)
    shutil.rmtree(sorted((copy / "checkpoints").glob("step-*"))[-1])
    runs.start("copy", "--resume")
    known = [json.loads((path / "run.json").read_text()) for path in (folder, copy)]
    require(known[0]["finished"] and known[1]["finished"], "run.json tells the end")
    require(known[0]["identity"] != known[1]["identity"], "a copy of the folder is another run to the nodes' disks")
    runs.require_same_end("copy", "in the copied folder")


def automatic_interval(runs):
    runs.start("automatic", "--checkpoint.every", "auto", "--checkpoint.mtbf", "1000")
    require(steps_of(runs.scratch / "automatic") == [10, 12], "the tenth step is saved to learn the cost, and the end")
    runs.require_same_end("automatic", "with the automatic interval")
    error_of(*runs.base, "--output", runs.scratch / "refused", "--checkpoint.every", "often", code=2)


def node_local(runs):
    disks = runs.scratch / "disks"
    local = ["--checkpoint.local", disks, "--checkpoint.local_every", "2"]
    os.environ["TERRAMILL_NODE_NAMES"] = NODES

    def stopped(name):
        """A run of which the nodes' disks have steps 2 to 6, and the run folder step 4."""
        runs.start(name, "--checkpoint.every", "4", "--checkpoint.async", "false", "--train.stop_after", "7", *local,
                   ranks=3, code=85)
        shutil.rmtree(runs.scratch / name / "checkpoints" / "step-00000007")
        home = disks / json.loads((runs.scratch / name / "run.json").read_text())["identity"]
        require(sorted(p.name for p in home.iterdir()) == NODES.split(","), "every node has a folder")
        return home

    def resumed(name, *options, ranks=3):
        return runs.start(name, "--resume", *local, *options, ranks=ranks)

    stopped("removed")
    shutil.rmtree(runs.scratch / "removed" / "checkpoints")
    require("step 6 was taken from the nodes' disks" in resumed("removed"), "what the run folder lost is on the disks")
    runs.require_same_end("removed", "resumed from the disks alone")

    shutil.rmtree(stopped("lost") / "n1")
    errors = resumed("lost")
    require("the files of rank 1 were rebuilt" in errors and "step 6 was taken" in errors, "a lost node is made good")
    runs.require_same_end("lost", "resumed after a lost node")

    home = stopped("two-lost")
    for node in ("n0", "n2"):
        shutil.rmtree(home / node)
    errors = resumed("two-lost")
    require("ranks 0, 2" in errors and "cannot be restored" in errors, "two lost nodes are named")
    require("after step 4" in errors, "the checkpoint of the run folder is taken")
    runs.require_same_end("two-lost", "resumed after two lost nodes")

    # The last node does not come back: two ranks go on.
    stopped("fewer")
    os.environ["TERRAMILL_NODE_NAMES"] = "n0,n1"
    require("step 6 was taken" in resumed("fewer", ranks=2), "fewer nodes restore what more wrote")
    runs.require_same_end("fewer", "resumed by fewer nodes")
    del os.environ["TERRAMILL_NODE_NAMES"]


def what_a_node_says_of_itself(runs):
    """Its folder and its failure group come from variables of its own. Sets are of nodes of different groups."""
    prolog = runs.scratch / "prolog.sh"  # of a task: rank by rank another value
    prolog.write_text('rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-$SLURM_PROCID}}; values=($VALUES)\n'
                      'export TERRAMILL_TEST_DISK="$DISK" "$VARIABLE=${values[rank]}"; exec "$@"\n')

    def started(name, variable, values, disk, *options):
        words = [*runs.base, "--output", runs.scratch / name, "--checkpoint.local", "$TERRAMILL_TEST_DISK/deep",
                 "--checkpoint.local_every", "1", "--checkpoint.parity_set", "2", "--train.steps", "2",
                 "--train.micro_batches", "4", *options]
        found = {**os.environ, "TERRAMILL_NODE_NAMES": "n0,n1,n2,n3", "VARIABLE": variable, "VALUES": values, "DISK": str(disk)}
        return subprocess.run([*launcher(4), "bash", prolog, BINARY, *map(str, words)], text=True, capture_output=True, check=False,
                              env=found)

    switches = "top.leaf1.n0 top.leaf2.n1 top.leaf1.n2 top.leaf2.n3"
    for name, variable, values, options, together in (
            ("groups", "TERRAMILL_FAILURE_GROUP", "a b a b", (), [[0, 1], [2, 3]]),
            ("switches", "SLURM_TOPOLOGY_ADDR", switches, (), [[0, 1], [2, 3]]),
            ("option", "SLURM_TOPOLOGY_ADDR", switches, ("--checkpoint.failure_group", "all"), [[0, 2], [1, 3]])):
        done = started(name, variable, values, runs.scratch / name / "disk", *options)
        require(done.returncode == 0, f"{name}:\n{done.stderr}")
        about = [json.loads(path.read_text()) for path in (runs.scratch / name / "disk/deep").rglob("*.json")]
        found = sorted({tuple(member["rank"] for member in of["group"]) for of in about})
        require(found == list(map(tuple, together)), f"{name}: {found} keep a parity together, not {together}")
    for name, values, node in (("unset", "", "n0"), ("unset-there", f"{runs.scratch} {runs.scratch}", "n2")):
        done = started(name, "TERRAMILL_TEST_DISK", values, "")
        require(done.returncode == 2 and f"$TERRAMILL_TEST_DISK is not set on node {node}" in done.stderr,
                f"{name}: ended with {done.returncode}; it is named:\n{done.stderr}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        runs = Runs(pathlib.Path(scratch))
        for test in (saving_behind, failing_writes, policy_and_commands, damaged_ones_spare_the_good,
                     lost_indexes_are_damage, damaged_records_stop_nothing, killed_after_the_last_step,
                     a_plan_is_what_is_in_it, the_end_is_the_end, automatic_interval, node_local,
                     what_a_node_says_of_itself):
            test(runs)
            print(test.__name__, flush=True)
        left = [path for path in pathlib.Path(scratch).rglob("*") if path.name.endswith((".tmp", ".old"))]
        require(not left, f"nothing temporary is left: {left}")


if __name__ == "__main__":
    main()
