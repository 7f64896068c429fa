"""Real places of several projections of which some or all lack Sentinel-1 or Sentinel-2 L2A: both models train on them,
what no tile has stays idle, and the log says so once."""

import array
import json
import math
import pathlib
import re
import shutil
import tempfile

from support.program import (SHARED, SMALL_MODEL, SMALL_TERRAFM, SOURCE, checkpoint_tensors, error_of, metrics,
                             newest_checkpoint, require, run, skip)

REAL = SHARED / "data/real/multimodal"
RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "3", "--train.steps", "4",
          "--train.warmup_steps", "1", "--train.validate_every", "2"]
RATE = ["--train.lr", "1e-3"]
#: Too small a rate to change any weight: what a run of one step leaves is what it began with.
STILL = ["--train.steps", "1", "--train.warmup_steps", "0", "--train.lr", "1e-30"]
FAMILIES = {
    "mpmae": [*SMALL_MODEL, *RECIPE],
    "terrafm": [*SMALL_TERRAFM, *RECIPE, "--dino.freeze_last_layer", "0"],
}
#: Stems by the names of the official weights: sensor, name in run.json.
STEMS = {"s1": "conv2d_s1", "s2_l2a": "conv2d_s2_l2a", "s2_l1c": "conv2d_s2_l1c"}
#: name: what is taken from which places, by their place in the alphabet; modalities that no tile has then.
CASES = {
    "no_s1": ({"S1RTC": range(5)}, ["s1_rtc"]),
    "only_l1c": ({"S1RTC": range(5), "S2L2A": range(5), "DEM": range(5), "LULC": range(5)},
                 ["s2_l2a", "s1_rtc", "dem", "land_cover"]),
    "mixed": ({"S1RTC": (0, 3), "S2L2A": (1, 3), "S2L1C": (2,), "DEM": (4,)}, []),
}


def corpus_without(folder, removed):
    """A corpus of the real places without some of their files."""
    raw = folder / "raw"
    shutil.copytree(REAL, raw)
    for name, places in removed.items():
        files = sorted((raw / name).glob("*.tif"))
        for place in places:
            files[place].unlink()
    run("corpus", "build", "--source", "geotiff", "--input", raw, "--mapping", SOURCE / "data-prep/multimodal.ini",
        "--tile-size", "64", "--validation-share", "0.3", "--split-seed", "3", "--output", folder / "corpus")
    return folder / "corpus"


def check_corpus(corpus, missing):
    about = json.loads(run("corpus", "info", corpus, "--json"))
    tiles = about["modalities"]
    require(about["tiles"] == 45, f"five places give 45 tiles, not {about['tiles']}")
    for modality in tiles:
        require((modality["tiles"] == 0) == (modality["name"] in missing),
                f"{modality['name']} has {modality['tiles']} tiles")
    shown = [run("tile", "show", corpus, "--row", row, "--json") for row in (0, 44)]
    zones = {re.search(r"EPSG:\d+", text).group() for text in shown}
    require(len(zones) == 2, f"the places have different projections: {zones}")


def train(family, corpus, output, *options):
    """Trains on two ranks; the log and what run.json says."""
    log = error_of("pretrain", "--corpus", corpus, "--output", output, *FAMILIES[family], *options, ranks=2, code=0)
    for line in metrics(output) + metrics(output, "validation"):
        for name, value in line.items():
            finite = not isinstance(value, float) or math.isfinite(value)
            require(finite, f"{output.name}: {name} of step {line['step']} is {value}")
    return log, json.loads((output / "run.json").read_text())


def check_idle(family, log, about, missing):
    sensors = {"s1_rtc": "s1", "s2_l2a": "s2_l2a", "s2_l1c": "s2_l1c"}
    idle = [sensors[name] for name in missing if name in sensors] if family == "terrafm" else missing
    require(sorted(about["idle"]) == sorted(idle), f"{family}: run.json calls {about['idle']} idle, not {idle}")
    sentences = re.findall(r"no tile has ([a-z0-9_, ]+): their (?:stems|heads) take no part", log)
    require(len(sentences) == (1 if idle else 0), f"{family}: the log says {len(sentences)} times what is idle:\n{log}")
    for sentence in sentences:
        require(sorted(sentence.split(", ")) == sorted(idle), f"{family}: the log says that {sentence} is missing")
    return idle


def check_weights(family, start, end, idle, used):
    """What is idle has its first weights, and what is not has learnt."""
    if family == "mpmae":
        heads = {name.split(".")[2] for name in end if name.startswith("model.pred_dict.")}
        require(not heads & set(idle) and heads >= set(used), f"the heads are {heads}; idle: {idle}")
        return
    for sensor, stem in STEMS.items():
        for parameter in ("weight", "bias"):
            name = f"backbone.patch_embed.{stem}.{parameter}"
            same = start[f"model.{name}"] == end[f"model.{name}"]
            updates = int.from_bytes(end[f"adam.step.{name}"], "little")
            if sensor in idle:
                require(same and updates == 0, f"{name} is idle and was changed")
                before, after = (array.array("f", state[f"teacher.{name}"]) for state in (start, end))
                # The teacher's moving average of equal numbers differs from them by rounding.
                require(max(abs(a - b) for a, b in zip(before, after)) < 1e-6, f"the teacher's {name} was changed")
            else:
                require(sensor in used and not same and updates > 0, f"{name} has not learnt")


def main():
    if not REAL.is_dir():
        skip(f"there is no shared data at {SHARED}")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for name, (removed, missing) in CASES.items():
            corpus = corpus_without(scratch / name, removed)
            check_corpus(corpus, missing)
            for family in FAMILIES:
                folder = scratch / name / family
                log, about = train(family, corpus, folder, *RATE)
                idle = check_idle(family, log, about, missing)
                train(family, corpus, scratch / name / f"{family}-still", *STILL)
                start, end = (checkpoint_tensors(newest_checkpoint(run_folder))
                              for run_folder in (scratch / name / f"{family}-still", folder))
                used = about["targets"] if family == "mpmae" else about["sensors"]
                check_weights(family, start, end, idle, used)
                losses = [line["loss"] for line in metrics(folder)]
                print(f"{name}, {family}: idle {', '.join(idle) or 'nothing'}; losses {losses}")


if __name__ == "__main__":
    main()
