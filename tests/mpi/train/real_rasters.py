"""Real Sentinel rasters and the official raw form, from folder to falling loss: build, verify, sample, pretrain."""

import json
import pathlib
import tempfile

from support.program import SHARED, SOURCE, metrics, require, run, skip

RECIPE = ["--model.depths", "1,1,1,1", "--model.dims", "8,16,24,32", "--model.patch_size", "8",
          "--model.decoder_width", "16", "--train.micro_batch_size", "4", "--train.micro_batches", "2",
          "--train.steps", "60", "--train.warmup_steps", "6", "--train.lr", "5e-3", "--loader.threads", "1"]
#: name: (build options, pretrain options, modalities that must be there)
CASES = {
    "multimodal": (["--source", "geotiff", "--input", SHARED / "data/real/multimodal", "--mapping",
                    SOURCE / "data-prep/multimodal.ini"],
                   ["--model.image_size", "56", "--sampling.tiles", "64"],
                   ["s2_l1c", "s2_l2a", "s1_rtc", "dem", "land_cover"]),
    "eurosat_ms": (["--source", "geotiff", "--input", SHARED / "data/real/eurosat_ms", "--mapping",
                    SOURCE / "data-prep/eurosat-ms.ini"], ["--model.image_size", "64"], ["s2_l1c"]),
    "mmearth": (["--source", "mmearth-tiles", "--input", SHARED / "data/mmearth/raw"],
                ["--model.image_size", "56"], ["sentinel2", "sentinel1", "aster", "era5", "esa_worldcover"]),
}


def main():
    if not (SHARED / "data/real/multimodal").exists():
        skip(f"there is no shared data at {SHARED}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, (source, training, modalities) in CASES.items():
            folder = pathlib.Path(scratch) / name
            folder.mkdir()
            corpus = folder / "corpus"
            run("corpus", "build", *source, "--output", corpus, ranks=2)
            run("corpus", "verify", corpus, ranks=2)
            about = json.loads(run("corpus", "info", corpus, "--json"))
            run("sample", "--corpus", corpus, "--tiles", "40", "--strategy", "landcover", "--seed", "3", "--output",
                folder / "plan.h5", ranks=2)
            run("pretrain", "--corpus", corpus, "--output", folder / "run", *RECIPE, *training, ranks=2)
            losses = [line["loss"] for line in metrics(folder / "run")]
            first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
            targets = json.loads((folder / "run/run.json").read_text())["targets"]
            print(f"{name}: {about['tiles']} tiles, targets {', '.join(targets)}: loss {first:.3f} to {last:.3f}")
            require(set(modalities) <= set(targets), f"{name}: every modality present is a target")
            require(last < first, f"{name}: the loss falls")


if __name__ == "__main__":
    main()
