"""The batch scripts on two nodes of a Slurm cluster: the corpus, training and evaluation of one rank, bit for bit."""

import filecmp
import json
import pathlib
import tempfile

from cluster.slurm import cluster, wait_until
from support.program import (SMALL_MODEL, SOURCE, checkpoint_tensors, curve, metrics, newest_checkpoint, require, run)

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "4", "--train.steps", "6", "--train.warmup_steps",
          "2", "--checkpoint.every", "2"]
TWO_BY_TWO = ["--nodes=2", "--ntasks-per-node=2", "--cpus-per-task=1"]


def files(folder):
    """Every file below a folder, by its path in it."""
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def require_same_files(one, other):
    """The folders hold the same names and bytes."""
    one, other = files(one), files(other)
    require(set(one) == set(other), f"the same files: {sorted(set(one) ^ set(other))}")
    differing = [name for name in one if not filecmp.cmp(one[name], other[name], shallow=False)]
    require(not differing, f"the same bytes: {differing}")


def require_answers_while_rank_0_works(work_log):
    """Requests that came while rank 0 had a shard in hand were answered before that shard's end."""
    events = [json.loads(line) for line in work_log.read_text().splitlines()]
    requests = [event for event in events if event["event"] == "request" and event["rank"] != 0]
    met = []
    for shard in (event for event in events if event["event"] == "shard" and event["rank"] == 0):
        during = [r for r in requests if shard["begin"] < r["asked"] < shard["end"]]
        require(all(r["answered"] < shard["end"] for r in during),
                f"rank 0 answered while it worked on shard {shard['shard']}")
        met += during
    require(met, "other ranks asked for work while rank 0 had a shard in hand")
    print(f"note: {len(met)} of {len(requests)} requests of ranks 1 to 3 came while rank 0 worked on a shard; "
          f"the longest of these waited {1e3 * max(r['waited'] for r in met):.1f} ms, "
          f"the longest of all {1e3 * max(r['waited'] for r in requests):.1f} ms")


def stops_on_request(nodes, scratch, train):
    """The batch script passes Slurm's stop signal on: the run ends with a checkpoint and 85."""
    log, folder = scratch / "stopped.log", scratch / "run-stopped"
    job = nodes.call("run", "sbatch", "--parsable", f"--output={log}", *TWO_BY_TWO, SOURCE / "jobs/pretrain.sbatch",
                     *train, "--train.steps", 100000, "--output", folder).strip()
    wait_until(lambda: (folder / "metrics.jsonl").exists() and metrics(folder), f"job {job} takes steps")
    nodes.call("run", "scancel", "--batch", "--signal=USR1", job)
    wait_until(lambda: "terramill: exit code" in log.read_text(), f"job {job} ends")
    require("terramill: exit code 85," in log.read_text(), f"it ends with 85:\n{log.read_text()}")
    newest_checkpoint(folder)


def main():
    with tempfile.TemporaryDirectory() as scratch, cluster(scratch) as nodes:
        scratch = pathlib.Path(scratch)
        run("corpus", "synth", "--output", scratch / "raw", "--tiles", 96, "--seed", 4)
        build = ["--source", "mmearth-tiles", "--input", scratch / "raw", "--shard-tiles", 8,
                 "--validation-share", "0.2"]
        log = nodes.submit(SOURCE / "jobs/corpus.sbatch", *build, "--output", scratch / "corpus",
                           "--work-log", scratch / "work.jsonl", options=TWO_BY_TWO, log=scratch / "corpus.log")
        require("2 nodes: n[1-2]" in log and "4 ranks" in log and "srun --mpi=pmix" in log,
                f"the log tells the layout:\n{log}")
        run("corpus", "build", *build, "--output", scratch / "alone")
        require_same_files(scratch / "corpus", scratch / "alone")
        require_answers_while_rank_0_works(scratch / "work.jsonl")

        train = ["--corpus", scratch / "corpus", *SMALL_MODEL, *RECIPE]
        script = SOURCE / "jobs/pretrain.sbatch"
        nodes.submit(script, *train, "--output", scratch / "run", "--train.stop_after", 3, options=TWO_BY_TWO,
                     log=scratch / "first.log", code=85)
        log = nodes.submit(script, *train, "--output", scratch / "run", options=TWO_BY_TWO, log=scratch / "second.log")
        require("resuming" in log, f"the same line again resumes the run:\n{log}")
        run("pretrain", *train, "--output", scratch / "run-alone")
        require(curve(scratch / "run") == curve(scratch / "run-alone"), "four ranks on two nodes learn what one learns")
        require(checkpoint_tensors(newest_checkpoint(scratch / "run"))
                == checkpoint_tensors(newest_checkpoint(scratch / "run-alone")), "they end with the same bits")

        test = ["knn", "--checkpoint", scratch / "run", "--corpus", scratch / "corpus", "--label", "land_cover",
                "--test-share", "0.3"]
        nodes.submit(SOURCE / "jobs/eval.sbatch", *test, "--output", scratch / "knn.json", options=TWO_BY_TWO,
                     log=scratch / "eval.log")
        run("eval", *test, "--output", scratch / "knn-alone.json")
        require((scratch / "knn.json").read_bytes() == (scratch / "knn-alone.json").read_bytes(),
                "kNN on two nodes says what one rank says")

        stops_on_request(nodes, scratch, train)

        log = nodes.submit(script, *train, "--output", scratch / "run", "--train.stepz", 3, options=TWO_BY_TWO,
                           log=scratch / "refused.log", code=2)
        require("stepz" in log, f"a refusal reaches the log:\n{log}")
        left = nodes.call("run", "srun", "--nodes=2", "--ntasks=2", "bash", "-c", 'ls "$SLURM_TMPDIR"')
        require(not left.strip(), f"node-local scratch is empty after the jobs: {left}")


if __name__ == "__main__":
    main()
