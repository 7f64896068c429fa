"""A scaling experiment through Slurm on 1, 2 and 4 nodes: its points and its page; killed, it goes on where it was."""

import json
import pathlib
import re
import tempfile

from cluster.slurm import cluster, wait_until
from support.program import SOURCE, invented_corpus, require

CONFIG = """[model]
family = mpmae
depths = 1, 1, 1, 1
dims = 8, 16, 24, 32
image_size = 32
patch_size = 8
decoder_width = 16
[train]
micro_batch_size = 4
micro_batches = 4
reduction = fast
[loader]
threads = 1
"""
NODES = (1, 2, 4)
LAYOUTS = {"tp1": 1, "tp2+zero": 2}  # tensor-parallel ranks, which must divide the nodes of one rank each
REPEAT = 2


def read(folder):
    """The points of every file, by its name; a torn last line is left out."""
    found = {}
    for file in sorted(folder.glob("points/*.jsonl")):
        found[file.name] = [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return found


def main():
    with tempfile.TemporaryDirectory() as scratch, cluster(scratch, nodes=4) as nodes:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=60)
        (scratch / "tiny.ini").write_text(CONFIG)
        folder = scratch / "sweep"
        sweep = ["run", SOURCE / "jobs/scaling.sh", "--config", scratch / "tiny.ini", "--corpus", corpus, "--output", folder,
                 "--nodes", ",".join(map(str, NODES)), "--layouts", ",".join(LAYOUTS), "--cores", 2,
                 "--sbatch", "--cpus-per-task=1"]
        lengths = ["--", "--bench.warmup", "1", "--bench.steps", "2", "--bench.repeat", REPEAT]

        told = nodes.call(*sweep, "--dry-run", *lengths)
        require(told.count("sbatch --parsable") == len(NODES) + 1 and not folder.exists(), f"a dry run only tells:\n{told}")

        told = nodes.call(*sweep, *lengths)
        jobs = re.findall(r"job (\d+)", told)
        require(len(jobs) == len(NODES) + 1, f"an array for each number of nodes, and the page:\n{told}")
        wait_until(lambda: sum(map(len, read(folder).values())) >= 2, "the first points are written")
        nodes.call("run", "scancel", "--signal=KILL", "--full", *jobs, code=None)  # some may have ended
        nodes.call("run", "scancel", *jobs, code=None)
        wait_until(lambda: not nodes.call("run", "squeue", "--noheader").strip(), "the killed jobs are gone")
        before = read(folder)

        told = nodes.call(*sweep, "--wait", *lengths)
        after = read(folder)
        logs = "\n".join(f"{log}:\n{log.read_text()}" for log in folder.glob("logs/*"))
        for name, points in before.items():
            require(after[name][:len(points)] == points, f"{name}: points of before the kill are kept")
        for count in NODES:
            for layout, tp in LAYOUTS.items():
                points = after.get(f"{count}-nodes-{layout}.jsonl", [])
                keys = sorted((point["scaling"], point["repetition"]) for point in points)
                wanted = sorted((s, k) for s in ("strong", "weak") for k in range(REPEAT)) if count % tp == 0 else []
                require(keys == wanted, f"{count} nodes, {layout}: each point once, not {keys}\n{logs}")
                require(all(point["nodes"] == point["ranks"] == count and point["tp"] == tp and point["config"] == "tiny"
                            for point in points),
                        f"{count} nodes, {layout}: the points tell their nodes")
        links = [json.loads(line) for line in (folder / "link/4-nodes.jsonl").read_text().splitlines()]
        require({line["collective"] for line in links} == {"all-reduce", "reduce-scatter", "all-gather"},
                "the link was measured")
        require((folder / "page.html").exists(), f"the page was made:\n{told}\n{logs}")
        print(f"note: {sum(map(len, before.values()))} points survived the kill, {sum(map(len, after.values()))} in all")


if __name__ == "__main__":
    main()
