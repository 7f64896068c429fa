"""Runs on GPUs what cannot be run where there are none, and writes one report: OUTPUT/report.txt, OUTPUT/report.json, and
each stage's log. A stage that fails does not keep the others from running.

Exit codes: 0 every stage passed, 1 one failed, 2 bad usage, 3 none failed and some were skipped."""

import argparse
import datetime
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

from acceptance.report import write_report
from support.program import (BINARY, SMALL_MODELS, SOURCE, checkpoint_tensors, command, curve, launcher, metrics,
                             newest_checkpoint)

STEPS = 8
RECIPE = ["--train.micro_batch_size", 4, "--train.micro_batches", 4, "--train.steps", STEPS, "--train.warmup_steps", 2,
          "--train.lr", "2e-3", "--train.validation_tiles", 8, "--checkpoint.every", 0]


class Skipped(Exception):
    """A stage that cannot run here, with its reason."""


class Failed(Exception):
    """A stage that ran and did not do what it must; what it found nevertheless."""

    def __init__(self, what, facts=None):
        super().__init__(what)
        self.facts = facts or {}


def require(holds, what, facts=None):
    if not holds:
        raise Failed(what, facts)


def fault_of(output):
    """The line of an output that tells what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("terramill:", "FAILED:", "[  FAILED  ]"))]
    return (told or lines[-1:] or ["no output"])[0]


class Site:
    """Where the acceptance runs, and what the stages share."""

    def __init__(self, options):
        self.options = options
        self.folder = options.output.resolve()
        self.device = options.device
        self.ranks = options.ranks
        self.gpus = None
        self.log = None
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        os.environ["GTEST_COLOR"] = "no"

    def on_gpu(self):
        return self.device == "cuda"

    def families(self):
        return ["mpmae"] if self.options.tiny else list(SMALL_MODELS)

    def call(self, words, code=0, environment=None):
        """Runs a command; its output goes to the stage's log and is returned. Failed when it ends with another code."""
        words = [str(word) for word in words]
        started = time.monotonic()
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", env={**os.environ, **(environment or {})}, check=False)
        seconds = time.monotonic() - started
        self.log.write(f"$ {' '.join(words)}\n{done.stdout}\n[code {done.returncode}, {seconds:.1f} s]\n\n")
        self.log.flush()
        if code is not None and done.returncode != code:
            raise Failed(f"code {done.returncode}, not {code}: {fault_of(done.stdout)}")
        return done

    def terramill(self, *arguments, ranks=1, code=0):
        return self.call(command(arguments, ranks), code)

    def binary(self, name):
        path = BINARY.parent / name
        if not path.exists():
            raise Skipped(f"{name} is not built (jobs/build.sh --target {name})")
        return path

    def corpus(self):
        """The given corpus, or an invented one."""
        if self.options.corpus:
            return self.options.corpus
        made = self.folder / "corpus"
        if not made.exists():
            raw = self.folder / "raw"
            self.terramill("corpus", "synth", "--output", raw, "--tiles", self.options.tiles, "--seed", 1)
            self.terramill("corpus", "build", "--source", "mmearth-tiles", "--input", raw, "--output", made,
                           "--shard-tiles", 64, "--validation-share", "0.1")
        return made

    def small_run(self, family, name, *more, ranks=1, code=0):
        """A small model trained for a few steps, in float32 and, on GPUs, deterministically."""
        run = self.folder / "runs" / f"{family}-{name}"
        where = ["--train.device", self.device, *(["--train.deterministic", "true"] if self.on_gpu() else [])]
        self.terramill("pretrain", "--corpus", self.corpus(), "--output", run, *SMALL_MODELS[family], *RECIPE, *where, *more,
                       ranks=ranks, code=code)
        return run


def counted(output):
    """What a GoogleTest binary counted: {"passed", "failed", "skipped"}; each case once, as rank 0 prints it."""
    return {word: len(set(re.findall(rf"\[ +{mark} +\] (\S+\.\S+?)(?: \(|$)", output, re.MULTILINE)))
            for word, mark in (("passed", "OK"), ("failed", "FAILED"), ("skipped", "SKIPPED"))}


def environment(site):
    text = site.terramill("doctor", "--json", code=None).stdout
    require("{" in text, "terramill doctor says nothing")
    report, _ = json.JSONDecoder().raw_decode(text[text.index("{"):])
    findings = {finding["name"]: finding for finding in report["findings"]}
    site.gpus = len(findings["CUDA"]["facts"]["devices"])
    for finding in report["findings"]:
        require(finding["verdict"] != "missing", f"{finding['name']}: {finding['advice']}")
    return findings["CUDA"]["value"], {name: finding["facts"] for name, finding in findings.items()}


def parity(site):
    """The official models' numbers, computed on the device."""
    facts, sums = {}, {"passed": 0, "failed": 0, "skipped": 0}
    for name in ("parity_terrafm", "parity_mpmae", "parity_terrafm_training"):
        words = [site.binary(name)]
        if site.options.tiny:
            words.append("--gtest_filter=*Dino.*:*Rules*")
        done = site.call(words, code=None, environment={"TERRAMILL_TEST_DEVICE": site.device})
        facts[name] = counted(done.stdout)
        require(done.returncode == 0, f"{name}: {facts[name]['failed']} cases failed")
        for key, value in facts[name].items():
            sums[key] += value
    if sums["passed"] == 0:
        raise Skipped("no parity vectors: set TERRAMILL_SHARED to the folder that holds parity/")
    return f"{sums['passed']} cases passed, {sums['skipped']} skipped", facts


def groups(site):
    """Process groups of both axes."""
    if site.ranks < 2:
        raise Skipped("a group needs two ranks")
    ranks = site.ranks - site.ranks % 2
    done = site.call([*launcher(ranks), site.binary("mpi_parallel"), "--gtest_filter=ProcessGroup.*:Mesh.*:NcclOptions.*"])
    facts = counted(done.stdout)
    if site.on_gpu():
        require("[       OK ] ProcessGroup.NcclGroupsOfBothAxesSumOnGpus" in done.stdout, "the cases on NCCL did not run")
    return f"{facts['passed']} cases passed on {ranks} ranks", facts


def layouts(site):
    """dp x tp layouts end with the weights of one rank."""
    if site.ranks < 2:
        raise Skipped("layouts need two ranks")
    facts = {}
    for family in site.families():
        words = [sys.executable, SOURCE / "tests/mpi/train/tensor_parallel.py", "--family", family,
                 "--device", site.device, "--ranks", min(site.ranks, 4)]
        done = site.call(words, environment={"PYTHONPATH": str(SOURCE / "tests")})
        facts[family] = [line for line in done.stdout.splitlines() if "weights within" in line]
    return f"{sum(map(len, facts.values()))} layouts and moves within 1e-9 of 1 x 1, in float64", facts


def link(site):
    """Bandwidth of the largest collectives, against the link's limit where it was given."""
    if site.ranks < 2:
        raise Skipped("a link has two ends")
    file = site.folder / "link.jsonl"
    size = 1 << 16 if site.options.tiny else 1 << 28
    site.terramill("bench", "link", "--output", file, "--device", site.device, "--max-bytes", size, ranks=site.ranks)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    # Sizes grow from line to line: the largest stays.
    facts = {f"{line['scope']} {line['collective']}": line["bytes_per_second"] / 1e9 for line in lines}
    best = facts["all all-reduce"]
    text = f"all-reduce {best:.3g} GB/s a rank"
    if not site.options.link:
        return text + "; no limit given (--link)", facts
    share = best / site.options.link
    require(share >= 0.7, f"{text}: {share:.2f} of the link's {site.options.link:g} GB/s")
    return f"{text}: {share:.2f} of the link's {site.options.link:g}", facts


def rates(site, config, precision):
    """Medians over the later half of a short run's steps."""
    run = site.folder / "runs" / f"{config.stem}-{precision}"
    site.terramill("pretrain", "--config", config, "--corpus", site.corpus(), "--output", run, "--train.device", site.device,
                   "--train.precision", precision, "--train.micro_batches", site.ranks, "--train.micro_batch_size",
                   site.options.micro_batch, "--train.steps", site.options.steps, "--train.warmup_steps", 1,
                   "--train.validate_every", 0, "--train.validation_tiles", 1, "--train.knn_every", 0,
                   "--checkpoint.every", 0, ranks=site.ranks)
    lines = metrics(run)[site.options.steps // 2:]
    return {key: statistics.median(line[key] for line in lines)
            for key in ("images_per_second", "tflops_per_second", "mfu") if key in lines[0]}


def speed(site):
    """Images per second and MFU of the shipped configurations."""
    facts, faults = {}, []
    for config in site.options.configs:
        for precision in site.options.precisions:
            name = f"{config.stem}, {precision}"
            try:
                facts[name] = rates(site, config, precision)
            except Failed as fault:
                faults.append(name)
                facts[name] = f"failed: {fault}"
    require(not faults, f"{', '.join(faults)} did not run", facts)
    known = {name: fact["mfu"] for name, fact in facts.items() if "mfu" in fact}
    text = ", ".join(f"{name} {mfu:.1%}" for name, mfu in known.items())
    return f"MFU: {text}" if known else "measured; the device's peak is not known, so no MFU", facts


def same_weights(a, b):
    return checkpoint_tensors(newest_checkpoint(a)) == checkpoint_tensors(newest_checkpoint(b))


def determinism(site):
    """Two runs of one layout end with the same bits."""
    for family in site.families():
        first, second = (site.small_run(family, name, ranks=min(site.ranks, 2)) for name in ("once", "twice"))
        require(same_weights(first, second) and curve(first) == curve(second), f"{family}: two runs differ")
    return "two runs of each model are bit-identical", {}


def restart(site):
    """A run that stops and resumes ends with the bits of one that did not."""
    for family in site.families():
        whole = site.folder / "runs" / f"{family}-once"
        if not whole.exists():
            whole = site.small_run(family, "once", ranks=min(site.ranks, 2))
        site.small_run(family, "stops", "--train.stop_after", STEPS // 2, ranks=min(site.ranks, 2), code=85)
        resumed = site.small_run(family, "stops", "--resume", ranks=min(site.ranks, 2))
        require(same_weights(whole, resumed) and curve(whole) == curve(resumed), f"{family}: the resumed run differs")
    return "stopped and resumed runs of each model are bit-identical to whole ones", {}


def watch(site):
    """NaN check and flight recorder: on while training, and a collective that hangs leaves its record."""
    asked = ["--train.nan_check", "true", "--train.flight_recorder", 100, "--train.collective_timeout", 120]
    if not site.on_gpu():
        site.small_run("mpmae", "watched", *asked, code=2)
        require("computes on the CPU" in pathlib.Path(site.log.name).read_text(), "it is refused because this is a CPU")
        return "refused on the CPU, as it must be", {}
    site.small_run("mpmae", "watched", *asked, ranks=site.ranks)
    if site.ranks < 2:
        return "training runs with both; one rank has no collective that could hang", {}
    folder = site.folder / "flight-recorder"
    done = site.call([*launcher(2), site.binary("deserted_collective"), "cuda", folder], code=None)
    require(done.returncode != 0, "a collective that hangs ends the job")
    require((folder / "rank_0").exists(), f"a collective that hangs leaves {folder}/rank_0")
    return "a collective that hung ended the job and left its record", {}


STAGES = {stage.__name__: stage
          for stage in (environment, parity, groups, layouts, link, speed, determinism, restart, watch)}


def run_stage(site, name):
    """One stage's entry of the report."""
    entry = {"name": name, "verdict": "passed", "text": "", "facts": {}, "log": f"{name}.log"}
    started = time.monotonic()
    with open(site.folder / entry["log"], "w") as site.log:
        try:
            if name != "environment" and site.on_gpu() and not site.gpus:
                raise Skipped("no GPU answers")
            entry["text"], entry["facts"] = STAGES[name](site)
        except Skipped as reason:
            entry.update(verdict="skipped", text=str(reason))
        except Failed as fault:
            entry.update(verdict="failed", text=str(fault), facts=fault.facts)
        except (OSError, KeyError, ValueError, IndexError) as fault:
            entry.update(verdict="failed", text=f"{type(fault).__name__}: {fault}")
        except SystemExit as fault:  # what the tests' own helpers raise
            entry.update(verdict="failed", text=str(fault).splitlines()[0])
        site.log.write(f"{entry['verdict']}: {entry['text']}\n")
    entry["seconds"] = round(time.monotonic() - started, 1)
    return entry


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="gpu-acceptance.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the report; must not exist")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu tests this script")
    parser.add_argument("--ranks", type=int, help="one per GPU; default: $SLURM_NTASKS, else the GPUs here")
    parser.add_argument("--stages", default=",".join(STAGES), help="some of them, by commas (%(default)s)")
    parser.add_argument("--corpus", type=pathlib.Path, help="a corpus to train on; default: an invented one")
    parser.add_argument("--link", type=float, help="what a rank's link can do at most each way, GB/s; the all-reduce "
                        "must reach 0.7 of it")
    parser.add_argument("--configs", type=pathlib.Path, nargs="+",
                        default=sorted(path for path in (SOURCE / "configs").glob("*.ini") if "quickstart" not in path.name),
                        help="configurations whose speed is measured; default: all shipped ones")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bf16"], help="in which (%(default)s)")
    parser.add_argument("--micro-batch", type=int, default=16, help="tiles at once while measuring speed (%(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="steps while measuring speed (%(default)s)")
    parser.add_argument("--tiles", type=int, default=1000, help="of the invented corpus (%(default)s)")
    parser.add_argument("--tiny", action="store_true", help="the least of every stage")
    options = parser.parse_args(arguments)
    options.stages = options.stages.split(",")
    for name in options.stages:
        if name not in STAGES:
            parser.error(f"there is no stage {name}; there are {', '.join(STAGES)}")
    if options.output.exists():
        parser.error(f"{options.output} exists already")
    return options


def main():
    options = options_of(sys.argv[1:])
    options.output.mkdir(parents=True)
    started = datetime.datetime.now(datetime.timezone.utc)
    if options.ranks is None and "SLURM_NTASKS" in os.environ:
        options.ranks = int(os.environ["SLURM_NTASKS"])
    site = Site(options)
    stages = []
    # Whether GPUs answer decides on all other stages.
    for name in ["environment", *(name for name in options.stages if name != "environment")]:
        stages.append(run_stage(site, name))
        print(f"{stages[-1]['verdict']:8} {name:12} {stages[-1]['seconds']:7.1f} s  {stages[-1]['text']}", flush=True)
        if site.ranks is None:
            site.ranks = max(site.gpus or 0, 1)
    about = {"host": socket.gethostname(), "started": started.isoformat(timespec="seconds"), "device": options.device,
             "gpus": site.gpus, "ranks": site.ranks, "launcher": launcher(site.ranks)[:-2],
             "slurm_job": os.environ.get("SLURM_JOB_ID")}
    return write_report(site.folder, about, stages)


if __name__ == "__main__":
    sys.exit(main())
