"""A run folder written by hand, with everything that a report can show but checkpoints."""

import json
import math

#: What write() can leave out, by the section that then goes.
PARTS = {"knn": "knn", "sampling": "sampling", "configuration": "configuration"}


def write(folder, without=(), steps=700):
    """Writes the folder; `without`: keys of PARTS to leave out."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({
        "model": "terrafm", "parameters": 21813120, "steps": steps, "steps_per_epoch": 100, "global_batch": 64,
        "replicas": 2, "corpus": "00112233aabbccdd", "sensors": ["s1", "s2_l2a"]}))
    lines = []
    for step in range(1, steps + 1):
        lines.append({"kind": "train", "step": step, "loss": 9 * math.exp(-step / 300), "loss_global": 3.0 / step,
                      "loss_local": 2.0 / step, "lr": 1e-4 * step, "gradient_norm": 1 + step % 7,
                      "epoch": step / 100, "images_per_second": 900.0 + step % 11, "step_seconds": 0.07,
                      "data_wait_share": 0.02, "communication_share": 0.1, "weight_decay": 0.04,
                      "teacher_momentum": 0.996 + 1e-6 * step, "teacher_temperature": 0.04, "centre_norm": 0.1 * step,
                      "a_number_of_tomorrow": step})
        if step % 100 == 0:
            lines.append({"kind": "validation", "step": step, "loss": 5.0, "loss_global": 2.0})
            if "knn" not in without:
                lines.append({"kind": "knn", "step": step, "accuracy": 0.4 + step / 2000})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if "configuration" not in without:
        (folder / "config.ini").write_text(
            "corpus = a/very/long/path/to/a/corpus/that/does/not/fit/a/phone/at/all  # command line\nresume = false"
            "  # default\n\n[model]\nfamily = terrafm  # configs/a-file-with-a-very-long-name-for-a-phone.ini:3\n"
            "size = small  # default\n\n[train]\nlr = 1e-3  # command line\n")
    if "sampling" not in without:
        (folder / "sampling.json").write_text(json.dumps({
            "tiles": 5000, "classes_before": [5, 60, 10, 40, 30, 2, 20, 6, 9, 1, 0, 3],
            "classes_after": [2, 30, 20, 30, 30, 9, 20, 9, 9, 5, 0, 9], "class_names": ["x"] * 12,
            "positions": [[(37 * i) % 340 - 170, (23 * i) % 130 - 60] for i in range(900)]}))
