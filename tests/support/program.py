"""What the tests that drive the `terramill` program share: starting it on ranks, and reading what it left."""

import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("TERRAMILL_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BINARY = pathlib.Path(os.environ.get("TERRAMILL_BIN_DIR", SOURCE / "build/release/bin")) / "terramill"
SHARED = pathlib.Path(os.environ.get("TERRAMILL_SHARED", SOURCE.parent / "shared"))


def skip(reason):
    """Ends the test as skipped; CTest shows the reason."""
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def launcher(ranks):
    """What starts so many ranks: $TERRAMILL_TEST_LAUNCHER or mpirun."""
    return [*os.environ.get("TERRAMILL_TEST_LAUNCHER", "mpirun --oversubscribe").split(), "-n", str(ranks)]


def command(arguments, ranks=1):
    """The command line that runs `terramill` on so many ranks."""
    words = [str(BINARY), *map(str, arguments)]
    return words if ranks == 1 else [*launcher(ranks), *words]


def run(*arguments, ranks=1, code=0):
    """Runs the program and returns its standard output; fails the test when it ends with another code."""
    words = command(arguments, ranks)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(words)}\nended with {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def error_of(*arguments, ranks=1, code):
    """Runs the program, which must end with `code`, and returns its standard error."""
    words = command(arguments, ranks)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(words)}\nended with {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
    return done.stderr


def require(holds, what):
    """Fails the test, saying what does not hold."""
    if not holds:
        sys.exit(f"FAILED: {what}")


def newest_checkpoint(folder):
    """The newest complete checkpoint of a run."""
    found = sorted(p.parent for p in pathlib.Path(folder).glob("checkpoints/step-*/index.json"))
    require(found, f"{folder} holds no checkpoint")
    return found[-1]


def checkpoint_tensors(checkpoint):
    """Every tensor of a checkpoint as bytes, put together from its slices: {name: bytes}."""
    import numpy

    widths = {"F64": 8, "F32": 4, "I64": 8, "I32": 4, "BF16": 2, "F16": 2, "U8": 1}
    index = json.loads((checkpoint / "index.json").read_text())
    tensors = {}
    for entry in index["tensors"]:
        width = widths[entry["dtype"]]
        whole = numpy.zeros([*entry["shape"], width], numpy.uint8)
        regions = {}
        for part in entry["slices"]:
            region = part.get("region", {"dim": 0, "begin": 0, "end": (entry["shape"] or [1])[0]})
            with open(checkpoint / part["file"], "rb") as file:
                file.seek(part["offset"])
                data = file.read((part["end"] - part["begin"]) * width)
            regions.setdefault(tuple(region.values()), []).append((part["begin"], data))
        for (dim, begin, end), runs in regions.items():
            data = numpy.frombuffer(b"".join(data for _, data in sorted(runs)), numpy.uint8)
            target = whole[(slice(None),) * dim + (slice(begin, end),)] if entry["shape"] else whole
            target[...] = data.reshape(target.shape)
        tensors[entry["name"]] = whole.tobytes()
    return tensors


def metrics(folder, kind="train"):
    """The lines of metrics.jsonl of one kind."""
    lines = (json.loads(text) for text in (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


LOSSES = ("loss", "lr", "gradient_norm")


def curve(folder, kind="train"):
    """What of metrics.jsonl must not depend on layout or machine."""
    return [
        {key: value for key, value in line.items() if key == "step" or key.startswith("loss") or key in LOSSES}
        for line in metrics(folder, kind)
    ]


def invented_corpus(folder, tiles, seed=1, shard_tiles=64):
    """A corpus of invented tiles with a validation share."""
    folder = pathlib.Path(folder)
    run("corpus", "synth", "--output", folder / "raw", "--tiles", tiles, "--seed", seed)
    run("corpus", "build", "--source", "mmearth-tiles", "--input", folder / "raw", "--output", folder / "corpus",
        "--shard-tiles", shard_tiles, "--validation-share", "0.2")
    return folder / "corpus"


#: A model small enough for a test.
SMALL_MODEL = [
    "--model.depths", "1,1,1,1", "--model.dims", "8,16,24,32", "--model.image_size", "32", "--model.patch_size", "8",
    "--model.decoder_width", "16", "--loader.threads", "1",
]
SMALL_TERRAFM = [
    "--model.family", "terrafm", "--model.size", "small", "--model.image_size", "32", "--model.patch_size", "8",
    "--terrafm.embed_dim", "24", "--terrafm.depth", "2", "--terrafm.heads", "3", "--terrafm.fusion_heads", "4",
    "--dino.hidden_dim", "32", "--dino.bottleneck_dim", "16", "--dino.out_dim", "64", "--dino.local_crops", "2",
    "--dino.local_size", "16", "--loader.threads", "1",
]
SMALL_MODELS = {"mpmae": SMALL_MODEL, "terrafm": SMALL_TERRAFM}
