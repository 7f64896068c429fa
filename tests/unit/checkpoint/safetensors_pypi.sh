#!/usr/bin/env bash
# Python's own safetensors reads what Terramill writes, and the other way round. Usage: safetensors_pypi.sh EXCHANGE_PROGRAM
set -euo pipefail

python=${TERRAMILL_PYTHON:-$HOME/.cache/terramill/venv/bin/python}
if ! "$python" -c 'import safetensors.torch' 2>/dev/null; then
  echo "skipped: no Python with safetensors and torch at $python (set TERRAMILL_PYTHON)"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$1" write "$folder/ours.safetensors"
"$python" - "$folder" <<'PYTHON'
import sys
import torch
from safetensors import safe_open
from safetensors.torch import save_file

folder = sys.argv[1]
types = {"U8": torch.uint8, "F64": torch.float64, "I8": torch.int8, "F32": torch.float32, "I16": torch.int16,
         "F16": torch.float16, "I32": torch.int32, "BF16": torch.bfloat16, "I64": torch.int64, "BOOL": torch.bool,
         "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64}
expected = {name: torch.arange(6).reshape(2, 3).to(dtype) for name, dtype in types.items()}
with safe_open(folder + "/ours.safetensors", framework="pt") as file:
    assert file.metadata() == {"origin": "exchange test"}, file.metadata()
    assert sorted(file.keys()) == sorted(expected), list(file.keys())
    for name, tensor in expected.items():
        got = file.get_tensor(name)
        assert got.dtype == tensor.dtype and got.tolist() == tensor.tolist(), name
save_file(expected, folder + "/theirs.safetensors", metadata={"origin": "exchange test"})
PYTHON
"$1" check "$folder/theirs.safetensors"
echo "safetensors files pass both ways"
