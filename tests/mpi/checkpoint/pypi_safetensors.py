"""The safetensors package of PyPI reads every rank's file, and the slices of index.json put the tensors together."""

import json
import os
import signal
import subprocess
import sys
import tempfile

try:
    import torch
    from safetensors import safe_open
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(77)

saver = os.path.join(os.environ["TERRAMILL_BIN_DIR"], "checkpoint_saver")
types = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "I64": torch.int64, "BOOL": torch.bool}


def numbers(count, seed):
    return ((torch.arange(count) * 37 + seed * 11) % 251).double() / 8 - 9


with tempfile.TemporaryDirectory(prefix="terramill-pypi-") as run:
    process = subprocess.Popen(["mpirun", "--oversubscribe", "-n", "3", saver, "save", run], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    first = int(process.stdout.readline().split()[0])
    assert process.stdout.readline() == "1\n"
    os.kill(first, signal.SIGKILL)
    process.wait()
    step = int(subprocess.run([saver, "newest", run], check=True, capture_output=True, text=True).stdout)
    path = os.path.join(run, "checkpoints", f"step-{step:08d}")
    index = json.load(open(os.path.join(path, "index.json")))
    assert index["format"] == "terramill-checkpoint" and index["step"] == step and index["ranks"] == 3
    assert index["meta"] == {"step": step}

    files = {file["name"]: safe_open(os.path.join(path, file["name"]), framework="pt") for file in index["files"]}
    assert len(files) == 3
    tensors = {}
    for entry in index["tensors"]:
        parts = [files[part["file"]].get_tensor(entry["name"]).reshape(-1) for part in entry["slices"]]
        assert [len(part) for part in parts] == [part["end"] - part["begin"] for part in entry["slices"]]
        flat = torch.cat(parts) if parts else torch.empty(0, dtype=types[entry["dtype"]])
        assert flat.dtype == types[entry["dtype"]]
        tensors[entry["name"]] = flat.reshape(entry["shape"])
    stored = sum(len(file.keys()) for file in files.values())
    assert stored == sum(len(entry["slices"]) for entry in index["tensors"])

    assert torch.equal(tensors["model.conv.weight"], numbers(288, step).float().reshape(8, 4, 3, 3))
    assert torch.equal(tensors["adam.m.conv.weight"], numbers(288, step).reshape(8, 4, 3, 3))
    assert torch.equal(tensors["adam.v.conv.weight"], numbers(63, step).bfloat16().reshape(9, 7))
    assert torch.equal(tensors["turned"], numbers(30, step).reshape(5, 6).T)
    assert torch.equal(tensors["flags"], numbers(17, step) > 0)
    assert tensors["adam.step.conv.weight"].tolist() == [step] and tensors["model.scale"].shape == ()
    print(f"{len(tensors)} tensors in {len(files)} files")
