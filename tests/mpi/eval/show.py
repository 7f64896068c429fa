"""`show` draws reconstructions of an MP-MAE, a picture per modality, and attention of a TerraFM, a picture per head."""

import json
import pathlib
import tempfile

from support.program import SMALL_MODEL, SMALL_TERRAFM, error_of, invented_corpus, require, run, skip

try:
    from PIL import Image
except ImportError as missing:
    skip(f"a Python package is missing ({missing}); jobs/setup.sh installs it")

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--train.steps", "1",
          "--train.warmup_steps", "1"]


def check(folder, tiles, wanted):
    index = json.loads((folder / "index.json").read_text())
    require(len(index["tiles"]) == tiles, f"{tiles} tiles are drawn: {index}")
    for tile in index["tiles"]:
        files = {pathlib.Path(picture["file"]).stem for picture in tile["pictures"]}
        require(wanted <= files, f"the pictures {sorted(wanted - files)} are there")
        for picture in tile["pictures"]:
            image = Image.open(folder / picture["file"])
            require(image.mode == "RGB" and min(image.size) >= 32, f"{picture['file']} is an RGB image")
    return index


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus = invented_corpus(scratch, tiles=24)
        run("pretrain", "--corpus", corpus, "--output", scratch / "run", *SMALL_MODEL, *RECIPE)
        show = ["show", "--checkpoint", scratch / "run", "--output", scratch / "pictures"]
        run(*show, "--tiles", 2)
        index = check(scratch / "pictures", 2, {"visible", "sentinel2-truth", "sentinel2-prediction",
                                                "esa_worldcover-prediction", "sentinel1-prediction"})
        wanted = index["tiles"][1]["tile_id"]
        index = json.loads(run(*show, "--ids", wanted, "--corpus", corpus, "--json"))
        require([tile["tile_id"] for tile in index["tiles"]] == [wanted], "--ids chooses tiles")
        run("pretrain", "--corpus", corpus, "--output", scratch / "terrafm", *SMALL_TERRAFM, *RECIPE)
        run("show", "--checkpoint", scratch / "terrafm", "--output", scratch / "attention", "--tiles", 2)
        check(scratch / "attention", 2, {"image", "attention", "attention-0", "attention-1", "attention-2"})
        require("nosuchtile" in error_of(*show, "--ids", "nosuchtile", code=2), "an unknown tile is named")


if __name__ == "__main__":
    main()
