"""`tile show`: one picture of all modalities, and GeoTIFFs that lie where the source does and hold the shard's values."""

import json
import pathlib
import subprocess
import tempfile

from support.program import SHARED, SOURCE, error_of, require, run, skip

try:
    import h5py
    import numpy
    from PIL import Image
except ImportError as missing:
    skip(f"a Python package is missing ({missing}); jobs/setup.sh installs it")

PLACES = SHARED / "data/real/multimodal"


def gdalinfo(path):
    return json.loads(subprocess.run(["gdalinfo", "-json", path], capture_output=True, text=True, check=True).stdout)


def pixels(path, dtype, shape):
    """The values of a GeoTIFF, by way of GDAL's plainest format."""
    raw = path.with_suffix(".raw")
    subprocess.run(["gdal_translate", "-q", "-of", "ENVI", "-co", "INTERLEAVE=BSQ", path, raw], check=True,
                   capture_output=True)
    return numpy.fromfile(raw, dtype=dtype).reshape(shape)


def shows_what_the_shard_holds(scratch, corpus, row):
    tile = json.loads(run("tile", "show", corpus, "--row", row, "--output", scratch / "tile.png", "--geotiff",
                          scratch / f"tif-{corpus.name}", "--json"))
    picture = Image.open(scratch / "tile.png")
    require(picture.mode == "RGB" and min(picture.size) > 200, f"the picture is an RGB image: {picture.size}")
    require(len({color for _, color in picture.getcolors(1 << 24)}) > 100, "the picture shows something")
    shard = h5py.File(corpus / f"shards/shard-{tile['shard']:05}.h5")
    there = [m for m in tile["modalities"] if m["present"] and "shape" in m]
    require(len(tile["geotiffs"]) == len(there) >= 5, f"a GeoTIFF per pixel modality: {tile['geotiffs']}")
    for modality, path in zip(there, map(pathlib.Path, tile["geotiffs"])):
        stored = shard[modality["name"]][tile["shard_row"]]
        read = pixels(path, modality["dtype"], modality["shape"])
        require(numpy.array_equal(read, stored, equal_nan=stored.dtype.kind == "f"),
                f"{modality['name']} holds the shard's values in their type")
        info = gdalinfo(path)
        require(info["geoTransform"] == tile["transform"], f"{modality['name']} lies where the index says")
        require(info["metadata"][""]["TILE_ID"] == tile["tile_id"], "the GeoTIFF names its tile")
    return tile


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        run("corpus", "synth", "--output", scratch / "raw", "--tiles", 12, "--seed", 3)
        run("corpus", "build", "--source", "mmearth-tiles", "--input", scratch / "raw", "--output", scratch / "synth")
        lists = [json.loads(run("tile", "show", scratch / "synth", "--row", row, "--json")) for row in range(12)]
        whole = [tile["row"] for tile in lists if all(modality["present"] for modality in tile["modalities"])]
        require(whole, "a tile has every modality")
        tile = shows_what_the_shard_holds(scratch, scratch / "synth", whole[0])
        canopy = gdalinfo(scratch / "tif-synth/canopy_height_eth.tif")["bands"]
        require([band["description"] for band in canopy] == ["height", "std"] and canopy[0]["noDataValue"] == 127,
                "bands have their names and their no-data value")
        by_id = run("tile", "show", scratch / "synth", tile["tile_id"])
        require(tile["tile_id"] in by_id and "sentinel2" in by_id, "an id finds the tile of its row")
        message = error_of("tile", "show", scratch / "synth", tile["tile_id"] + "9", code=2)
        require(tile["tile_id"] in message, f"an unknown id names the nearest: {message}")
        error_of("tile", "show", scratch / "synth", "--row", 12, code=2)
        error_of("tile", "show", scratch / "synth", code=2)

        if not PLACES.is_dir():
            skip("the shared data is not here; what needs none of it holds")
        run("corpus", "build", "--source", "geotiff", "--input", PLACES, "--mapping",
            SOURCE / "data-prep/multimodal.ini", "--output", scratch / "real")
        tile = shows_what_the_shard_holds(scratch, scratch / "real", 0)
        source = next(path for path in sorted(PLACES.rglob("*.tif")) if tile["tile_id"] in str(path))
        wanted, got = gdalinfo(source), gdalinfo(scratch / "tif-real/s2_l2a.tif")
        require(got["cornerCoordinates"] == wanted["cornerCoordinates"], "corners are the source's")
        require(f"EPSG\",{tile['crs'].split(':')[1]}" in got["coordinateSystem"]["wkt"], "the CRS is the source's")


if __name__ == "__main__":
    main()
