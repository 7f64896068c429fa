"""Two halves of a raw folder, built apart and merged, are the corpus that one build of all gives; killed merges end as
if undisturbed; what cannot be joined is refused by name."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

from support import program

RAW = program.SHARED / "data/mmearth/raw/data_tiny_v001_64"


def tree(folder):
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()}


def part_of_raw(folder, begin, end):
    """A raw folder of some of the entries, under the shared one's names."""
    (folder / "merged").mkdir(parents=True)
    source = RAW / f"{RAW.name}_tile_info.json"
    kept = dict(list(json.loads(source.read_text()).items())[begin:end])
    for name in kept:
        if (RAW / "merged" / f"{name}.tif").exists():
            shutil.copy(RAW / "merged" / f"{name}.tif", folder / "merged")
    (folder / source.name).write_text(json.dumps(kept))
    return folder


def build(raw, output, *more):
    program.run("corpus", "build", "--source", "mmearth-tiles", "--input", raw, "--output", output, "--shard-tiles",
                "8", "--validation-share", "0.2", "--test-share", "0.2", *more, ranks=2)
    return output


def merge(inputs, output, *more):
    return ["corpus", "merge", *inputs, "--output", output, *more]


def same_as_one_build(scratch, halves):
    whole = tree(build(RAW, scratch / "whole"))
    undisturbed = None
    for ranks in (1, 2, 3):
        text = program.run(*merge(halves, scratch / f"merged-{ranks}", "--json"), ranks=ranks)
        done = json.loads(text.splitlines()[0])
        program.require((done["tiles"], done["shards"], done["linked"]) == (62, 8, 8), f"the merge says {done}")
        merged = tree(scratch / f"merged-{ranks}")
        program.require(merged.keys() == whole.keys(), "the merge has other files than one build")
        for name, content in whole.items():
            program.require(name == "manifest.json" or merged[name] == content, f"{name} is not that of one build")
        program.require(json.loads(merged["manifest.json"])["content"] == json.loads(whole["manifest.json"])["content"],
                        "the content hash is not that of one build")
        program.require(undisturbed in (None, merged), "the merge depends on the ranks")
        undisturbed = merged
    program.run("corpus", "verify", scratch / "merged-1", ranks=2)
    program.run("sample", "--corpus", scratch / "merged-1", "--strategy", "diversity", "--tiles", "20")
    again = program.run(*merge(halves, scratch / "merged-1"))
    program.require("nothing to do" in again, f"a second merge did something:\n{again}")
    return undisturbed


def same_where_links_cannot_be(scratch, halves, undisturbed):
    other = pathlib.Path("/dev/shm")
    if not other.is_dir() or os.stat(other).st_dev == os.stat(scratch).st_dev:
        print("no second file system: copying was not tried")
        return
    with tempfile.TemporaryDirectory(dir=other) as folder:
        done = json.loads(program.run(*merge(halves, f"{folder}/copied", "--threads", "2", "--json")).splitlines()[0])
        program.require((done["linked"], done["copied"]) == (0, 8), f"the merge says {done}")
        program.require(tree(f"{folder}/copied") == undisturbed, "copies give another corpus than links")


def killed(scratch, halves, undisturbed):
    draw = random.Random(5)
    kills = 0
    for attempt in range(4):
        output = scratch / f"killed-{attempt}"
        job = subprocess.Popen(program.command(merge(halves, output)), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        files = draw.randint(0, 18)
        while job.poll() is None and sum(path.is_file() for path in output.rglob("*.*")) < files:
            time.sleep(0.001)
        kills += job.poll() is None
        job.send_signal(signal.SIGKILL)
        job.wait()
        program.run(*merge(halves, output), ranks=draw.randint(1, 3))
        program.require(tree(output) == undisturbed, f"a merge killed at {files} files ends differently")
    print(f"{kills} merges killed")


def refused(scratch, halves):
    def expect(inputs, *parts):
        text = program.error_of(*merge(inputs, scratch / "refused"), ranks=2, code=2)
        for part in parts:
            program.require(part in text, f"the refusal says nothing of {part!r}:\n{text}")
        program.require(not (scratch / "refused/manifest.json").exists(), "a refused merge left a corpus")

    overlap = build(part_of_raw(scratch / "raw-overlap", 30, 36), scratch / "overlap")
    first = json.loads((RAW / f"{RAW.name}_tile_info.json").read_text())
    expect([halves[0], overlap], "overlap", "half-0", f"tile {list(first)[30]} is in")
    shutil.rmtree(scratch / "refused")
    plain = build(part_of_raw(scratch / "raw-plain", 40, 44), scratch / "plain", "--codec", "none")
    expect([halves[0], plain], "their codecs are deflate and none", "half-0", "plain")
    reference = build(scratch / "raw-plain", scratch / "reference", "--compat", "reference")
    expect([halves[0], reference], "--compat none and reference")
    expect([halves[0]], "corpus-2")
    damaged = scratch / "damaged"
    shutil.copytree(halves[1], damaged)
    shard = damaged / "shards/shard-00001.h5"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    text = program.error_of(*merge([halves[0], damaged], scratch / "refused"), code=1)
    program.require("damaged/shards/shard-00001.h5" in text, f"the damage is not named:\n{text}")


def main():
    if not RAW.is_dir():
        program.skip(f"the shared data is not at {RAW}")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="terramill-merge-"))
    try:
        halves = [build(part_of_raw(scratch / f"raw-{i}", 32 * i, 32 * i + 32), scratch / f"half-{i}") for i in (0, 1)]
        undisturbed = same_as_one_build(scratch, halves)
        same_where_links_cannot_be(scratch, halves, undisturbed)
        killed(scratch, halves, undisturbed)
        refused(scratch, halves)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


main()
