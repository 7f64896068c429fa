"""Real clients on a built corpus: h5py opens every shard under the official names, torchgeo's MMEarth reads a view and
gives what it gives for the official files."""

import json
import pathlib
import shutil
import sys
import tempfile

from support import program

DATA = program.SHARED / "data/mmearth"
RAW = DATA / "raw/data_tiny_v001_64"
OFFICIAL = DATA / "official/data_tiny_v001_64"
TORCHGEO = "data_1M_v001_64"


def build(output, *more):
    program.run("corpus", "build", "--source", "mmearth-tiles", "--input", RAW, "--output", output, *more)
    return output


def h5py_reads_every_shard(corpus, h5py, numpy):
    layout = json.loads((DATA / "official/h5_layout.json").read_text())
    shards = sorted((corpus / "shards").glob("*.h5"))
    with h5py.File(OFFICIAL / f"{OFFICIAL.name}.h5") as official:
        begin = 0
        for shard in shards:
            with h5py.File(shard) as file:
                program.require(set(file) == set(layout), f"{shard.name} holds {sorted(file)}")
                rows = len(file["metadata"])
                for name, dataset in file.items():
                    program.require(dataset.dtype == official[name].dtype, f"{name} has type {dataset.dtype}")
                    program.require(list(dataset.shape[1:]) == layout[name]["shape"][1:], f"{name}: {dataset.shape}")
                    ours, theirs = dataset[:], official[name][begin:begin + rows]
                    same = numpy.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
                    program.require(same, f"{name} of {shard.name} differs from the official file")
                begin += rows
        program.require(begin == len(official["metadata"]), f"the shards hold {begin} rows")


def zstd_needs_a_plugin(corpus, h5py, numpy):
    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        print("hdf5plugin is not there: zstd shards were not read by h5py")
        return
    with h5py.File(corpus / "shards/shard-00000.h5") as ours, h5py.File(OFFICIAL / f"{OFFICIAL.name}.h5") as official:
        same = numpy.array_equal(ours["sentinel2"][:], official["sentinel2"][:len(ours["metadata"])])
        program.require(same, "a zstd shard differs from the official file")


def torchgeo_reads_the_view(corpus, scratch, name):
    try:
        import torch
        from torchgeo.datasets import MMEarth
    except ImportError as missing:
        return f"torchgeo is not there ({missing}): views were not read by it"
    view = scratch / name
    program.run("corpus", "view", corpus, "--as", "MMEarth64", "--output", view)
    like_official = scratch / f"{name}-official" / TORCHGEO
    like_official.mkdir(parents=True)
    for path in OFFICIAL.glob(f"{OFFICIAL.name}*"):
        (like_official / path.name.replace(OFFICIAL.name, TORCHGEO)).symlink_to(path)
    ours = MMEarth(root=str(view), subset="MMEarth64")
    theirs = MMEarth(root=str(like_official.parent), subset="MMEarth64")
    # The official split keeps some tiles back, the view's does not.
    program.require(len(ours) == 62, f"the view has {len(ours)} tiles")
    theirs.indices = ours.indices
    for i in range(len(ours)):
        sample, official = ours[i], theirs[i]
        program.require(set(sample) == set(official), f"tile {sample['tile_id']} has {sorted(sample)}")
        for key, value in sample.items():
            if isinstance(value, torch.Tensor):
                same = torch.allclose(value.double(), official[key].double(), rtol=1e-6, atol=1e-6, equal_nan=True)
            elif isinstance(value, float):
                same = abs(value - official[key]) < 1e-6
            else:
                same = value == official[key]
            program.require(same, f"{key} of tile {sample['tile_id']} differs")
    return None


def main():
    if not RAW.is_dir():
        program.skip(f"the shared data is not at {RAW}")
    try:
        import h5py
        import numpy
    except ImportError as missing:
        program.skip(f"{missing}; jobs/setup.sh installs it")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="terramill-clients-"))
    try:
        many = build(scratch / "many", "--compat", "reference", "--shard-tiles", "8")
        one = build(scratch / "one", "--compat", "reference", "--shard-tiles", "64")
        h5py_reads_every_shard(many, h5py, numpy)
        h5py_reads_every_shard(one, h5py, numpy)
        zstd_needs_a_plugin(build(scratch / "zstd", "--compat", "reference", "--codec", "zstd"), h5py, numpy)
        for corpus in (many, one):
            missing = torchgeo_reads_the_view(corpus, scratch, f"view-{corpus.name}")
            if missing:
                program.skip(missing)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
