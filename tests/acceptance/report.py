"""The report of an acceptance: text for people, JSON for programs."""

import json

CODES = {"passed": 0, "failed": 1, "incomplete": 3}


def verdict_of(stages):
    """Of them all: failed where one failed, incomplete where one was skipped, else passed."""
    verdicts = {stage["verdict"] for stage in stages}
    return "failed" if "failed" in verdicts else "incomplete" if "skipped" in verdicts else "passed"


def write_report(folder, about, stages):
    """Writes report.json and report.txt; returns the exit code."""
    verdict = verdict_of(stages)
    report = {"format": "terramill-gpu-acceptance", "version": 1, "verdict": verdict, **about, "stages": stages}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    lines = [f"Terramill on {about['device']}: {verdict}", ""]
    lines += [f"{key:10} {value}" for key, value in about.items()]
    lines.append("")
    for stage in stages:
        lines.append(f"{stage['verdict']:8} {stage['name']:12} {stage['seconds']:7.1f} s  {stage['text']}")
    lines.append("")
    for stage in stages:
        if stage["facts"] and stage["name"] != "environment":
            lines.append(stage["name"])
            lines += [f"  {key}: {value}" for key, value in stage["facts"].items()]
    (folder / "report.txt").write_text("\n".join(lines) + "\n")
    print(f"{verdict}: {folder / 'report.txt'}, {folder / 'report.json'}")
    return CODES[verdict]
