"""Points of a scaling experiment written by hand: strong and weak scaling of two configurations over four nodes."""

import json

LAYOUTS = [(1, 1, 1), (1, 2, 1), (1, 4, 1), (2, 4, 1), (4, 8, 1), (1, 1, 2), (1, 2, 2), (2, 2, 2), (4, 4, 2)]


def point(config="terrafm-small-majortom-p16", scaling="weak", nodes=1, dp=1, tp=1, repetition=0):
    """One point; its times follow a simple model, with a share of noise that depends on the arguments alone."""
    micro_batches = 2 * dp if scaling == "weak" else 16
    images = -(-micro_batches // dp) * 8
    noise = 1 + 0.02 * ((37 * repetition + 11 * dp + 5 * tp + nodes) % 5 - 2)
    compute = images * (0.02 / tp + 0.002) * noise
    reduction = 2 * (dp - 1) / dp * 8e7 / tp / (1e8 if nodes > 1 else 1e9) + 2 * (dp - 1) * 1e-4
    tensor = 0.03 * (tp - 1)
    hidden = min(reduction, 0.3 * compute)
    phases = {"compute": compute, "communication_exposed": tensor + reduction - hidden,
              "communication_hidden": hidden, "data_wait": 0.001 * images, "checkpoint": 0.0}
    seconds = compute + phases["communication_exposed"] + phases["data_wait"] + 0.01
    batch = micro_batches * 8
    return {
        "format": "terramill-bench", "version": 1, "device": "NVIDIA A100-SXM4-80GB", "processor": "a processor",
        "nodes": nodes, "ranks": dp * tp, "dp": dp, "tp": tp, "zero": False, "model": config.split("-")[0],
        "config": config, "parameters": 20000000, "scaling": scaling, "micro_batch_size": 8,
        "micro_batches": micro_batches, "global_batch": batch, "codec": "deflate", "precision": "float32",
        "reduction": "fast", "checkpointing": False, "repetition": repetition, "warmup_steps": 1, "steps": 2,
        "step_seconds": [seconds, seconds], "images_per_second": batch / seconds, "flops_per_image": 5e10,
        "gradient_bytes": 8e7 / tp, "tp_bytes": 1e7 * (tp - 1), "tp_calls": 96 * (tp > 1), "phases": phases,
        "mfu": None, "peak_flops": None}


def points():
    """All points, three repetitions each."""
    return [point(config, scaling, *layout, repetition)
            for config in ("terrafm-small-majortom-p16", "mpmae-atto-mmearth64-p8")
            for scaling in ("strong", "weak") for layout in LAYOUTS for repetition in range(3)]


def write(path, chosen=None):
    """Writes the points, or those chosen, one a line."""
    path.write_text("".join(json.dumps(one) + "\n" for one in (points() if chosen is None else chosen)))
