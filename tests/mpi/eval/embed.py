"""`embed`: GeoParquet that pyarrow and geopandas open, the same bytes for any number of ranks; HDF5 with the same
values; features of a real Major TOM cell as a Cloud Optimized GeoTIFF at the place of its source."""

import json
import pathlib
import subprocess
import tempfile

from support.program import SHARED, SMALL_MODEL, SOURCE, error_of, invented_corpus, require, run, skip

try:
    import geopandas
    import h5py
    import numpy
    import pyarrow.parquet
    import pyproj
except ImportError as missing:
    skip(f"a Python package is missing ({missing}); jobs/setup.sh installs it")

CELL = SHARED / "data/real/majortom_s2l2a"
CHIP = SHARED / "data/real/multimodal/S2L2A/433D_629L_3_1.tif"
BANDS = "B1,B2,B3,B4,B5,B6,B7,B8,B8A,B9,B11,B12"
RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--train.steps", "2",
          "--train.warmup_steps", "1"]


def gdalinfo(path):
    return json.loads(subprocess.run(["gdalinfo", "-json", path], capture_output=True, text=True, check=True).stdout)


def pixels(path):
    """The values of a raster of float32, by way of GDAL's plainest format."""
    raw = path.with_suffix(".raw")
    subprocess.run(["gdal_translate", "-q", "-of", "ENVI", "-co", "INTERLEAVE=BSQ", path, raw], check=True,
                   capture_output=True)
    return numpy.fromfile(raw, dtype="f4")


def tables_open_and_agree(scratch, corpus, folder):
    files = {ranks: scratch / f"features-{ranks}.parquet" for ranks in (1, 2, 3)}
    for ranks, file in files.items():
        told = json.loads(run("embed", "--checkpoint", folder, "--corpus", corpus, "--output", file, "--batch-size", 4,
                              "--json", ranks=ranks))
    for ranks in (2, 3):
        require(files[ranks].read_bytes() == files[1].read_bytes(), f"{ranks} ranks write the bytes of one")
    table = pyarrow.parquet.read_table(files[1])
    require(table.num_rows == told["tiles"] and {"tile_id", "geometry", "date", "model", "feature"}
            <= set(table.column_names), f"pyarrow reads every tile: {table.schema}")
    width = told["shape"][0]
    require(str(table.schema.field("feature").type).startswith("fixed_size_list")
            and table.schema.field("feature").type.list_size == width, f"{table.schema.field('feature')}")
    features = numpy.array(table["feature"].to_pylist(), dtype="f4")
    require(features.shape == (told["tiles"], width) and numpy.isfinite(features).all() and features.std() > 0,
            "features are numbers")
    require(set(table["model"].to_pylist()) == {told["model"]}, "each row names its model")
    about = json.loads(table.schema.metadata[b"terramill"])
    require(about["pooling"] == told["pooling"] == "mean", f"the file tells how it was made: {about}")

    frame = geopandas.read_parquet(files[1])
    require(frame.crs == pyproj.CRS("OGC:CRS84"), f"geopandas knows the CRS: {frame.crs}")
    require((frame.geometry.geom_type == "Polygon").all() and frame.geometry.is_valid.all(), "footprints are valid")
    for row in range(3):
        tile = json.loads(run("tile", "show", corpus, frame.tile_id[row], "--json"))
        require(abs(frame.geometry[row].centroid.x - tile["lon"]) < 1e-3
                and abs(frame.geometry[row].centroid.y - tile["lat"]) < 1e-3, "footprints lie around the centres")
        require(str(frame.date[row]) == tile["date"], "dates are the tiles'")
        size = frame.iloc[row:row + 1].to_crs(tile["crs"]).geometry.iloc[0].bounds
        require(abs(size[2] - size[0] - 640) < 1 and abs(size[3] - size[1] - 640) < 1, f"64 pixels of 10 m: {size}")

    for ranks in (1, 2):
        run("embed", "--checkpoint", folder, "--corpus", corpus, "--output", scratch / f"features-{ranks}.h5",
            "--batch-size", 4, "--split", "validation", ranks=ranks)
    require((scratch / "features-1.h5").read_bytes() == (scratch / "features-2.h5").read_bytes(), "HDF5 repeats too")
    with h5py.File(scratch / "features-1.h5") as file:
        ids = [text.decode().rstrip("\0") for text in file["id"][:]]
        rows = [table["tile_id"].to_pylist().index(name) for name in ids]
        require(0 < len(ids) < told["tiles"], "a split is a part")
        require(numpy.array_equal(file["features"][:], features[rows]), "HDF5 and Parquet hold the same features")
        require(file.attrs["model"].decode() == told["model"], "the model's hash stands in the file")
    run("embed", "--checkpoint", folder, "--corpus", corpus, "--output", scratch / "dense.h5", "--pooling", "dense")
    with h5py.File(scratch / "dense.h5") as file:
        dense = file["features"][:]
        require(dense.shape == (told["tiles"], width, 8, 8), f"dense features have a vector per patch: {dense.shape}")
    error_of("embed", "--checkpoint", folder, "--corpus", corpus, "--output", scratch / "x.parquet", "--pooling",
             "dense", code=2)
    error_of("embed", "--checkpoint", folder, "--corpus", corpus, "--output", scratch / "x.txt", code=2)


def maps_lie_where_the_scene_does(scratch, folder):
    mapping = SOURCE / "data-prep/majortom-core.ini"
    run("corpus", "build", "--source", "geotiff", "--input", CELL, "--mapping", mapping, "--output", scratch / "cells",
        "--tile-size", 128)
    # The run was trained on the other schema's form of these bands.
    embed = ["embed", "--checkpoint", folder, "--input", "s2_l2a"]
    scene = [*embed, "--scene", CELL, "--mapping", mapping, "--place", "0U_199R", "--window",
             "128", "--json"]
    told = json.loads(run(*scene, "--output", scratch / "map.tif"))
    run(*scene, "--output", scratch / "map-2.tif", ranks=2)
    require((scratch / "map.tif").read_bytes() == (scratch / "map-2.tif").read_bytes(), "2 ranks write the bytes of 1")
    run(*scene, "--output", scratch / "pca.tif", "--components", 3)

    # Windows without overlap are the tiles of the corpus.
    run(*scene, "--output", scratch / "tiles.tif", "--stride", "128")
    run(*embed, "--corpus", scratch / "cells", "--output", scratch / "tiles.h5", "--pooling", "dense")
    tiles = pixels(scratch / "tiles.tif").reshape(told["bands"], 133, 133)
    with h5py.File(scratch / "tiles.h5") as file:
        ids = [text.decode().rstrip("\0") for text in file["id"][:]]
        for row, column in ((0, 0), (2, 5), (6, 6)):
            tile = file["features"][ids.index(f"0U_199R_r{row}_c{column}")]
            part = tiles[:, 16 * row:16 * row + 16, 16 * column:16 * column + 16]
            require(numpy.abs(part - tile).max() <= 1e-5 * numpy.abs(tile).max(), "windows are embedded as tiles are")

    source = gdalinfo(next((CELL / "0U/0U_199R").rglob("B04.tif")))
    patch = 80.0
    for file, bands in (("map.tif", told["bands"]), ("pca.tif", 3)):
        info = gdalinfo(scratch / file)
        require(info["metadata"]["IMAGE_STRUCTURE"].get("LAYOUT") == "COG", f"GDAL knows a COG: {info['metadata']}")
        require(len(info["bands"]) == bands and info["size"] == [133, 133], f"a pixel per whole patch: {info['size']}")
        require(info["coordinateSystem"]["wkt"] == source["coordinateSystem"]["wkt"], "the CRS is the source's")
        wanted, got = source["cornerCoordinates"], info["cornerCoordinates"]
        require(got["upperLeft"] == wanted["upperLeft"], f"the upper left corner is the source's: {got}")
        for corner in ("lowerLeft", "upperRight", "lowerRight"):
            away = max(abs(a - b) for a, b in zip(got[corner], wanted[corner]))
            require(away < patch, f"{corner} is within a patch of the source's: {got[corner]}, {wanted[corner]}")
    print("corners of the source", {k: source["cornerCoordinates"][k] for k in ("upperLeft", "lowerRight")})
    print("corners of the map   ", {k: gdalinfo(scratch / "map.tif")["cornerCoordinates"][k]
                                   for k in ("upperLeft", "lowerRight")})


def patches_without_data_are_no_data(scratch, folder):
    padded = scratch / "padded.tif"
    subprocess.run(["gdal_translate", "-q", "-srcwin", "-64", "0", "288", "224", "-a_nodata", "0", CHIP, padded],
                   check=True, capture_output=True)
    told = json.loads(run("embed", "--checkpoint", folder, "--scene", padded, "--input", "s2_l2a", "--bands", BANDS,
                          "--output", scratch / "padded-map.tif", "--json"))
    require(told["empty_patches"] == 8 * 28, f"eight columns of patches have no data: {told}")
    values = pixels(scratch / "padded-map.tif").reshape(told["bands"], 28, 36)
    require(numpy.isnan(values[:, :, :8]).all() and numpy.isfinite(values[:, :, 8:]).all(), "these are no-data")
    away = gdalinfo(CHIP)["geoTransform"][0] - gdalinfo(scratch / "padded-map.tif")["geoTransform"][0]
    require(away == 640, "the map begins where the file does")
    message = error_of("embed", "--checkpoint", folder, "--scene", padded, "--input", "s2_l2a", "--bands", "B1,B2",
                       "--output", scratch / "x.tif", code=2)
    require("12 bands" in message, f"a wrong number of bands is refused: {message}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=30)
        folder = scratch / "run"
        run("pretrain", "--corpus", corpus, "--output", folder, *SMALL_MODEL, *RECIPE)
        tables_open_and_agree(scratch, corpus, folder)
        if not CELL.is_dir():
            skip("the shared data is not here; what needs none of it holds")
        maps_lie_where_the_scene_does(scratch, folder)
        patches_without_data_are_no_data(scratch, folder)


if __name__ == "__main__":
    main()
