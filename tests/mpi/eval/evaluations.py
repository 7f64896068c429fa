"""`eval knn` and `eval linear` on an invented corpus: the same bytes on 1, 2 and 3 ranks, the baselines beside the
checkpoint, an encoder of one schema on tiles of the other, and refusals that say what to do."""

import json
import pathlib
import tempfile

from support.program import SHARED, SMALL_MODEL, SOURCE, error_of, invented_corpus, newest_checkpoint, require, run

SMALL_TERRAFM = [
    "--model.family", "terrafm", "--model.image_size", "32", "--model.patch_size", "8", "--terrafm.embed_dim", "16",
    "--terrafm.depth", "2", "--terrafm.heads", "2", "--terrafm.fusion_heads", "4", "--dino.hidden_dim", "16",
    "--dino.bottleneck_dim", "8", "--dino.out_dim", "32", "--dino.local_crops", "1", "--dino.local_size", "16",
]
RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--train.steps", "3", "--train.warmup_steps",
          "1", "--loader.threads", "1"]
SPLIT = ["--label", "land_cover", "--test-share", "0.3", "--split-seed", "3"]


def check(result, metrics, tiles):
    """What holds of every result."""
    names = ["pretrained", "untrained", "band_statistics"]
    require(list(result["results"]) == names, "checkpoint, untrained weights and band statistics stand side by side")
    split = result["split"]
    require(sum(split[key] for key in ("training_tiles", "validation_tiles", "test_tiles")) == tiles,
            f"every labelled tile is in one split: {split}")
    for name, entry in result["results"].items():
        require(list(entry["metrics"]) == metrics, f"{name} has the metrics {metrics}")
        for metric, estimate in entry["metrics"].items():
            low, high = estimate["interval"]
            require(0 <= low <= high <= 1, f"{name}, {metric}: {estimate}")
            # Rare classes are missing from most resamples: a mean over classes may lie outside of its interval.
            require(metric in ("macro_f1", "mAP") or low <= estimate["mean"] <= high, f"{name}, {metric}: {estimate}")
        require(result["multi_label"] or sum(map(sum, entry["confusion"])) == split["test_tiles"],
                "the confusion matrix holds all test tiles")
    require(len(result["results"]["untrained"]["runs"]) == result["protocol"]["seeds"], "a run per seed")
    weights = result["results"]["untrained"]["weights"]
    require(len(set(weights)) == len(weights) and result["model"]["weights"] not in weights, "weights differ")
    for name, gaps in result["differences"].items():
        baseline = name.removeprefix("pretrained - ")
        for metric in metrics:
            gap = (result["results"]["pretrained"]["metrics"][metric]["mean"]
                   - result["results"][baseline]["metrics"][metric]["mean"])
            require(abs(gaps[metric]["mean"] - gap) < 1e-12, f"{name} is their difference in {metric}")


def on_every_rank_count(scratch, *arguments):
    """The result, which must be the same bytes for 1, 2 and 3 ranks."""
    texts = []
    for ranks in (1, 2, 3):
        output = scratch / f"result-{ranks}.json"
        printed = run("eval", *arguments, "--output", output, "--json", ranks=ranks)
        texts.append(output.read_bytes())
        require(json.loads(printed) == json.loads(texts[-1]), "--json prints what --output holds")
    require(texts[0] == texts[1] == texts[2], f"eval {arguments[0]}: 1, 2 and 3 ranks give the same bytes")
    return json.loads(texts[0])


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        corpus, trained = invented_corpus(scratch, tiles=90), scratch / "run"
        run("pretrain", "--corpus", corpus, "--output", trained, *SMALL_MODEL, *RECIPE)
        of_run = ["--checkpoint", trained, "--corpus", corpus, *SPLIT, "--batch-size", "16", "--bootstrap", "50"]
        single = ["accuracy", "top5", "macro_f1", "micro_f1"]

        knn = on_every_rank_count(scratch, "knn", *of_run, "--k", "5", "--seeds", "2")
        check(knn, single, 90)
        linear = on_every_rank_count(scratch, "linear", *of_run, "--epochs", "4", "--class-weights", "balanced")
        check(linear, single, 90)
        require(knn["split"] == linear["split"], "both look at the same split")
        require(len(linear["results"]["pretrained"]["learning_rates"]) == 1, "the probe says which rate it chose")
        print("knn and linear: 1, 2 and 3 ranks give the same bytes")

        one = json.loads(run("eval", "knn", *of_run, "--k", "5", "--seeds", "2", "--json"))
        of_run[1] = newest_checkpoint(trained)
        require(json.loads(run("eval", "knn", *of_run, "--k", "5", "--seeds", "2", "--json")) == one,
                "a run's folder stands for its newest checkpoint")
        alone = json.loads(run("eval", "knn", *of_run, "--k", "5", "--seeds", "2", "--batch-size", "7", "--json"))
        require(alone["results"] == one["results"], "a tile's features do not depend on its batch")
        table = run("eval", "knn", *of_run)
        require("pretrained - untrained" in table and knn["split"]["hash"] in table, "the table names the split")

        require("--test-share" in error_of("eval", "knn", *of_run[:4], "--label", "land_cover", code=2),
                "without test tiles the advice is to hash some")
        require("labels" in error_of("eval", "knn", *of_run[:4], "--test-share", "0.2", code=2),
                "a corpus without labels is refused")
        require("class token" in error_of("eval", "knn", *of_run, "--pooling", "cls", code=2),
                "an MP-MAE has no class token")

        dino = scratch / "dino"
        run("pretrain", "--corpus", corpus, "--output", dino, *SMALL_TERRAFM, *RECIPE)
        of_dino = ["knn", "--checkpoint", dino, "--corpus", corpus, *SPLIT, "--batch-size", "16", "--bootstrap", "20"]
        teacher = on_every_rank_count(scratch, *of_dino)
        check(teacher, single, 90)
        student = json.loads(run("eval", *of_dino, "--weights", "student", "--pooling", "mean", "--sensor", "s2_l2a",
                                 "--json"))
        require(student["model"]["weights"] != teacher["model"]["weights"],
                "teacher and student have their own weights")
        require(list(student["model"]["input"]) == ["sentinel2"] and "sentinel1" in teacher["model"]["input"],
                "--sensor chooses what TerraFM looks at")
        require("sensor" in error_of("eval", *of_dino, "--sensor", "s3", code=2), "an unknown sensor is refused")
        print("TerraFM: 1, 2 and 3 ranks give the same bytes")

        chips = SHARED / "data/real/eurosat_ms"
        if chips.exists():
            real = scratch / "eurosat"
            run("corpus", "build", "--source", "geotiff", "--input", chips, "--mapping",
                SOURCE / "data-prep/eurosat-ms.ini", "--output", real)
            of_real = ["--checkpoint", trained, "--corpus", real, "--test-share", "0.3", "--bootstrap", "20"]
            require("--input" in error_of("eval", "knn", *of_real, code=2), "the advice names the modality to take")
            check(json.loads(run("eval", "knn", *of_real, "--input", "s2_l1c", "--json")), single, 202)
            check(json.loads(run("eval", "knn", "--checkpoint", dino, *of_real[2:], "--json")), single, 202)
            run("corpus", "build", "--source", "geotiff", "--input", SHARED / "data/real/bigearthnet_pairs",
                "--mapping", SOURCE / "data-prep/bigearthnet.ini", "--tile-size", "40", "--output",
                scratch / "bigearthnet")
            of_pairs = ["--checkpoint", dino, "--corpus", scratch / "bigearthnet", "--test-share", "0.3", "--bootstrap",
                        "20"]
            many = ["micro_f1", "macro_f1", "mAP"]
            check(json.loads(run("eval", "knn", *of_pairs, "--k", "3", "--json")), many, 54)
            check(json.loads(run("eval", "linear", *of_pairs, "--validation-share", "0.3", "--json")), many, 54)
            print("encoders of schema mmearth look at tiles of schema majortom")


if __name__ == "__main__":
    main()
