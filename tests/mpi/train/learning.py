"""What pretraining teaches on the invented world: 5,000 tiles split by spatial block, both models, several seeds. kNN on the
dominant land cover by frozen features of the test tiles, beside the same network untrained and beside plain band
statistics, with paired bootstrap intervals. Prints the table of docs/learning.md."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from support.program import SOURCE, command, require, run

#: Content of the corpus that the world's generator gives for these options: the generator was frozen at it before any
#: model was trained on it.
FROZEN = "902dced01c81ac4f"
TILES, WORLD_SEED = 5000, 11
STEPS = {"terrafm": 1800, "mpmae": 1100}  # about 15 minutes of a core each
WARMUP = {"terrafm": 100, "mpmae": 60}


def corpus_of(folder):
    """The corpus, split by spatial block."""
    corpus = folder / "corpus"
    run("corpus", "synth", "--output", folder / "raw", "--tiles", TILES, "--seed", WORLD_SEED, ranks=2)
    run("corpus", "build", "--source", "mmearth-tiles", "--input", folder / "raw", "--output", corpus, "--shard-tiles",
        100, "--validation-share", 0.1, "--test-share", 0.2, "--split-seed", 1, ranks=2)
    content = json.loads((corpus / "manifest.json").read_text())["content"]
    require(content == FROZEN, f"the generator is the frozen one: content {content}, not {FROZEN}")
    return corpus


def trained(folder, corpus, model, seed):
    """The command that pretrains a model: one rank, so that two can run side by side."""
    output = folder / f"{model}-{seed}"
    return output, command([
        "pretrain", "--config", SOURCE / f"configs/{model}-quickstart.ini", "--corpus", corpus, "--output", output,
        "--train.seed", seed, "--train.steps", STEPS[model], "--train.warmup_steps", WARMUP[model],
        "--train.knn_every", 0, "--train.validate_every", 0, "--resume"])


def evaluate(output, corpus, seed):
    """What `eval knn` says of a run."""
    return json.loads(run("eval", "knn", "--checkpoint", output, "--corpus", corpus, "--label", "land_cover", "--seed",
                          seed, "--json", "--output", output / "knn.json", ranks=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, help="keep everything here, and go on from what is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        corpus = corpus_of(folder)
        for seed in range(options.seeds):
            runs = [trained(folder, corpus, model, seed) for model in STEPS]
            processes = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                         for _, words in runs]
            for process in processes:
                error = process.communicate()[1]
                if process.returncode:
                    sys.exit(f"{process.args}\nended with {process.returncode}\n{error}")
        print("| model | seed | pretrained | untrained | band statistics | pretrained − untrained | pretrained − band "
              "statistics |")
        print("|---|---|---|---|---|---|---|")
        for model in STEPS:
            for seed in range(options.seeds):
                result = evaluate(folder / f"{model}-{seed}", corpus, seed)
                require(result["split"]["test_tiles"] >= 500, "at least 500 tiles are tested")
                cells = []
                for name in ("pretrained", "untrained", "band_statistics"):
                    cells.append(percent(result["results"][name]["metrics"]["accuracy"]))
                for name in ("pretrained - untrained", "pretrained - band_statistics"):
                    cells.append(percent(result["differences"][name]["accuracy"]))
                print(f"| {model} | {seed} | " + " | ".join(cells) + " |", flush=True)


def percent(value):
    """'61.3 [58.1, 64.2]' of {"mean": …, "interval": [low, high]}."""
    low, high = value["interval"]
    return f"{100 * value['mean']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


if __name__ == "__main__":
    main()
