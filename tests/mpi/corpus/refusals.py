"""Bad input, bad folders and full disks: each has its own message and exit code, and nothing is lost."""

import fcntl
import json
import pathlib
import shutil
import subprocess
import tempfile

from support import program

RAW = program.SHARED / "data/mmearth/raw/data_tiny_v001_64"


def build(raw, output, *more):
    return ["corpus", "build", "--source", "mmearth-tiles", "--input", raw, "--output", output, "--shard-tiles", "8",
            *more]


def expect(words, code, *parts, ranks=1):
    """The program must end with `code` and say each of `parts`."""
    text = program.error_of(*words, ranks=ranks, code=code)
    for part in parts:
        program.require(part in text, f"{' '.join(map(str, words))} says nothing of {part!r}:\n{text}")


def small_raw(folder, entries):
    """A raw folder of the first entries, under the shared one's names."""
    (folder / "merged").mkdir(parents=True)
    source = RAW / f"{RAW.name}_tile_info.json"
    table = json.loads(source.read_text())
    kept = dict(list(table.items())[:entries])
    for name in kept:
        shutil.copy(RAW / "merged" / f"{name}.tif", folder / "merged")
    (folder / source.name).write_text(json.dumps(kept))
    return folder


def bad_command_lines(scratch):
    expect(build(scratch / "none", scratch / "a"), 2, "none")
    expect(build(RAW, scratch / "a", "--codek", "zstd"), 2, "codek", "codec")
    expect(build(RAW, scratch / "a", "--codec", "lzma"), 2, "lzma")
    expect(build(RAW, scratch / "a", "--level", "13"), 2, "level 13")
    expect(build(RAW, scratch / "a", "--max-quarantine", "2"), 2, "max-quarantine")
    expect(["corpus", "build", "--source", "mmearth-tiles", "--input", RAW], 2, "output")
    expect(["corpus", "info", scratch / "a"], 1, "is no corpus")
    program.require(not (scratch / "a").exists(), "a refused build left a folder")


def bad_input(scratch):
    raw = small_raw(scratch / "raw", 4)
    table = raw / f"{RAW.name}_tile_info.json"
    names = list(json.loads(table.read_text()))
    picture = raw / "merged" / f"{names[1]}.tif"
    picture.write_bytes(picture.read_bytes()[:20000])
    (raw / "merged" / f"{names[2]}.tif").unlink()
    done = json.loads(program.run(*build(raw, scratch / "three", "--max-quarantine", "0.4", "--json"), code=3)
                      .splitlines()[0])
    program.require((done["tiles"], done["quarantined"]) == (2, 2), f"two of four tiles are bad, not {done}")
    lines = [json.loads(line) for line in (scratch / "three/quarantine.jsonl").read_text().splitlines()]
    program.require([line["id"] for line in lines] == names[1:3], f"quarantine.jsonl holds {lines}")
    program.run("corpus", "verify", scratch / "three")
    program.run(*build(raw, scratch / "three", "--max-quarantine", "0.5"))
    table.write_text(table.read_text()[:1000])
    expect(build(raw, scratch / "half"), 1, "tile_info.json", "ends too early")


def bad_folders(scratch):
    (scratch / "full").mkdir()
    (scratch / "full/thesis.tex").write_text("precious")
    expect(build(RAW, scratch / "full"), 2, "is not empty")
    expect(build(RAW, scratch / "full/thesis.tex/corpus"), 1, "cannot create the folder")
    busy = scratch / "busy"
    (busy / ".build").mkdir(parents=True)
    with open(busy / ".build/.lock", "w", encoding="utf-8") as other_build:
        fcntl.flock(other_build, fcntl.LOCK_EX)
        expect(build(RAW, busy), 2, "corpus build", str(busy))
        expect(build(RAW, busy), 2, "corpus build", ranks=3)
    program.run(*build(RAW, busy))


def two_builds_at_once(scratch):
    """Both start together: one builds, the other is refused or finds the work done; the corpus is good."""
    words = program.command(build(RAW, scratch / "shared"), 2)
    jobs = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    codes = sorted(job.wait() for job in jobs)
    program.require(codes in ([0, 0], [0, 2]), f"two builds at once ended with {codes}")
    program.run("corpus", "verify", scratch / "shared")


def ranks_that_disagree(scratch):
    one, other = (program.command(build(RAW, scratch / "torn", "--level", level)) for level in ("5", "6"))
    done = subprocess.run(["mpirun", "--oversubscribe", "-n", "1", *one, ":", "-n", "1", *other], check=False,
                          capture_output=True, text=True)
    program.require(done.returncode == 2 and "do not agree" in done.stderr and "level" in done.stderr,
                    f"disagreeing ranks ended with {done.returncode}:\n{done.stderr}")
    program.require(not (scratch / "torn").exists(), "disagreeing ranks left a folder")


def full_disk(scratch):
    disk = scratch / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=False, capture_output=True)
    if mounted.returncode != 0:
        print("no permission to mount a small tmpfs: a full disk was not tried")
        return
    try:
        for ranks in (1, 3):
            expect(build(RAW, disk / "corpus"), 1, "No space left on device", "free space", ranks=ranks)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        built = json.loads(program.run(*build(RAW, disk / "corpus", "--json")).splitlines()[0])
        program.require(0 < built["built_shards"] < built["shards"], f"what was built was lost: {built}")
        program.run(*build(RAW, scratch / "undisturbed"))
        subprocess.run(["diff", "-r", disk / "corpus", scratch / "undisturbed"], check=True)
    finally:
        subprocess.run(["umount", disk], check=True)


def main():
    if not RAW.is_dir():
        program.skip(f"the shared data is not at {RAW}")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="terramill-refusals-"))
    try:
        for case in (bad_command_lines, bad_input, bad_folders, two_builds_at_once, ranks_that_disagree, full_disk):
            case(scratch)
            print(f"{case.__name__}: good", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


main()
