"""A subset holds the tiles that pass the filters, as they were, in a corpus of its own; the ranks do not matter."""

import json
import pathlib
import shutil
import tempfile

import h5py

from support import program

RAW = program.SHARED / "data/mmearth/raw/data_tiny_v001_64"


def tree(folder):
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()}


def columns(corpus, *names):
    with h5py.File(corpus / "index.h5") as index:
        return {name: index[name][:] for name in names}


def pixels(corpus, row):
    """What a row of the index stands for, read by h5py."""
    at = columns(corpus, "shard", "row")
    with h5py.File(corpus / f"shards/shard-{at['shard'][row]:05}.h5") as shard:
        return {name: shard[name][at["row"][row]].tobytes() for name in shard if name != "metadata"}


def subset(corpus, output, *filters, ranks=1):
    text = program.run("corpus", "subset", corpus, "--output", output, *filters, "--json", ranks=ranks)
    return json.loads(text.splitlines()[0])


def holds_what_passes(scratch, whole):
    filters = ["--region", "-180,-90,60,60", "--date-from", "2017-06-01", "--months", "1,2,5,6,7,8,9,10"]
    done = [subset(whole, scratch / f"part-{ranks}", *filters, ranks=ranks) for ranks in (1, 3)]
    program.require(tree(scratch / "part-1") == tree(scratch / "part-3"), "the subset depends on the ranks")
    before = columns(whole, "tile_id", "lon", "lat", "date", "split", "label")
    kept = [i for i, (lon, lat, date) in enumerate(zip(before["lon"], before["lat"], before["date"].astype(str)))
            if lon <= 60 and lat <= 60 and date >= "2017-06-01" and int(date[5:7]) in (1, 2, 5, 6, 7, 8, 9, 10)]
    program.require(len(kept) > 8, f"the filters must leave more than one shard, not {len(kept)} tiles")
    after = columns(scratch / "part-1", *before)
    for name, values in before.items():
        program.require(list(after[name]) == [values[i] for i in kept], f"{name} is not that of the tiles that pass")
    for row, i in enumerate(kept):
        program.require(pixels(scratch / "part-1", row) == pixels(whole, i), f"the pixels of row {row} have changed")
    program.require((done[0]["tiles"], done[0]["shards"]) == (len(kept), -(-len(kept) // 8)), f"it says {done[0]}")
    program.run("corpus", "verify", scratch / "part-1", ranks=2)
    program.run("sample", "--corpus", scratch / "part-1", "--split", "all", "--strategy", "composition")
    again = subset(whole, scratch / "part-1", *filters)
    program.require(again["complete_before"], "a second subset did something")
    text = program.error_of("corpus", "subset", whole, "--output", scratch / "part-1", "--months", "5", code=2)
    program.require("other options" in text, f"another choice was not refused:\n{text}")
    text = program.error_of("corpus", "subset", whole, "--output", scratch / "none", "--date-to", "1999-01-01", code=2,
                            ranks=2)
    program.require("of 62 tiles none is acquired to 1999-01-01" in text, f"an empty subset is not explained:\n{text}")


def names_no_path(scratch, whole):
    area = scratch / "secret-area.geojson"
    area.write_text('{"type": "Polygon", "coordinates": [[[-90,-60],[80,-60],[80,60],[-90,60],[-90,-60]]]}')
    subset(whole, scratch / "polygon", "--region", area)
    program.require(b"secret-area" not in b"".join(tree(scratch / "polygon").values()), "the corpus names a local file")
    program.run("corpus", "verify", scratch / "polygon")


def main():
    if not RAW.is_dir():
        program.skip(f"the shared data is not at {RAW}")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="terramill-subset-"))
    try:
        program.run("corpus", "build", "--source", "mmearth-tiles", "--input", RAW, "--output", scratch / "whole",
                    "--shard-tiles", "8", "--test-share", "0.3", ranks=2)
        holds_what_passes(scratch, scratch / "whole")
        names_no_path(scratch, scratch / "whole")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


main()
