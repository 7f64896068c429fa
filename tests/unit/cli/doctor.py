"""`terramill doctor` tells what is here, and says so by its exit code where something essential is not."""

import contextlib
import json
import os
import pathlib
import tempfile

from support.program import error_of, require, run

NAMES = ["terramill", "MPI", "HDF5", "GDAL", "codecs", "LibTorch", "CUDA", "layout", "memory"]
OF_A_PATH = ["path", "write", "read", "small files"]


@contextlib.contextmanager
def variables(**values):
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        report = json.loads(run("doctor", scratch, "--size", 4, "--json"))
        findings = {finding["name"]: finding for finding in report["findings"]}
        require(list(findings) == NAMES + OF_A_PATH, f"every finding, in order: {list(findings)}")
        require(all(finding["verdict"] in ("ok", "warning") for finding in report["findings"]),
                f"nothing essential is missing: {report}")
        require(findings["MPI"]["facts"]["thread_level"] == "multiple", "MPI's thread level is multiple")
        require(findings["HDF5"]["facts"]["parallel"], "HDF5 is parallel")
        require(findings["GDAL"]["facts"]["drivers"]["GTiff"], "GDAL reads GeoTIFF")
        require(all(findings[name]["facts"]["rate"] > 0 for name in OF_A_PATH[1:]), "the path has rates")
        require(not list(pathlib.Path(scratch).iterdir()), "measuring leaves nothing behind")

        report = json.loads(run("doctor", scratch, "--size", 4, "--json", ranks=3))
        layout = next(finding for finding in report["findings"] if finding["name"] == "layout")
        require((layout["facts"]["ranks"], layout["facts"]["nodes"]) == (3, 1), f"three ranks on one node: {layout}")

        report = json.loads(run("doctor", "--ping", "--json", ranks=3))
        require([f["facts"]["pairs"] for f in report["findings"]] == [3], f"every two of three ranks exchange: {report}")

        with variables(SLURM_STEP_NUM_TASKS="2"):  # of srun, with which this MPI was not started
            text = error_of("doctor", "--ping", code=2)
            require("2 processes were started together, but MPI has a world of 1" in text, f"ranks apart are noticed:\n{text}")
            run("doctor", "--ping", ranks=3)  # by mpirun, whose daemons are the two
            for words in (["pretrain", "--output", scratch, "--corpus", scratch], ["bench", "--corpus", scratch, "--output", f"{scratch}/b"],
                          ["corpus", "synth", "--output", f"{scratch}/raw", "--tiles", 4]):
                require("started together" in error_of(*words, code=2), f"{words[0]} is refused")
            run("status", "--help")

        text = run("doctor")
        require(all(any(name in line for line in text.splitlines()) for name in NAMES), f"a line for each:\n{text}")
        text = run("doctor", pathlib.Path(scratch) / "absent", code=1, ranks=2)
        require("missing" in text and "absent" in text, f"a path that is not there fails:\n{text}")
        require("size" in error_of("doctor", scratch, "--size", 1, code=2), "a size too small is refused")


if __name__ == "__main__":
    main()
