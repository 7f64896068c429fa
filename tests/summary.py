"""Prints failures' output, the reasons of skips and the closing line of a CTest run.

usage: summary.py RESULTS.xml CTEST_STATUS    (RESULTS.xml as ctest --output-junit writes it)

A test is skipped when it says so itself: exit code 77 with the reason as its last line (scripts), GTEST_SKIP (one
GoogleTest case per test), or "ALL TESTS SKIPPED" (MPI binaries). Skipped cases inside a passed MPI binary are told, but
the binary counts as passed. Lines of passed tests that begin with "note: ", such as a measured time, are repeated.
Exits with 1 when a test failed or none ran.
"""

import collections
import re
import sys
import xml.etree.ElementTree as xml


def skip_reasons(output):
    """The texts given to GTEST_SKIP, or else the last line of a script."""
    reasons = re.findall(r": Skipped\n(.*?)\n(?=\n|\[)", output + "\n[", re.DOTALL)
    if reasons:
        return [" ".join(reason.split()) for reason in dict.fromkeys(reasons)]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return [lines[-1] if lines else "no reason given"]


def cpu_seconds(cases):
    """Seconds per first part of the name, longest first."""
    total = collections.Counter()
    for case in cases:
        total[case.get("name").split(".")[0]] += float(case.get("time") or 0)
    return total.most_common(8)


def main():
    path, ctest_status = sys.argv[1], int(sys.argv[2])
    try:
        cases = list(xml.parse(path).getroot().iter("testcase"))
    except (OSError, xml.ParseError) as fault:
        print(f"run: ctest left no results ({fault})")
        print("0 passed, 0 failed, 0 skipped")
        return 1

    passed, failed, skipped = [], [], []
    for case in cases:
        outcome = failed
        if case.find("skipped") is not None:
            # CTest marks what it could not start at all the same way.
            message = case.find("skipped").get("message", "")
            outcome = skipped if message.startswith("SKIP_") else failed
        elif case.get("status") == "run" and case.find("failure") is None:
            outcome = passed
        elif case.get("status") == "disabled":
            outcome = skipped
        outcome.append(case)

    for case in failed:
        print(f"\n==== FAILED {case.get('name')} ====")
        fault = case.find("failure") if case.find("failure") is not None else case.find("skipped")
        print(case.findtext("system-out") or "(no output)")
        cause = fault.get("message") if fault is not None else ""
        print(f"---- {case.get('name')}: {cause or 'failed or timed out'} after {float(case.get('time') or 0):.0f} s")

    by_reason = collections.defaultdict(list)
    for case in skipped:
        for reason in skip_reasons(case.findtext("system-out") or ""):
            by_reason[reason.removeprefix("skipped: ")].append(case.get("name"))
    for case in passed:
        output = case.findtext("system-out") or ""
        if ": Skipped\n" in output:
            for reason in skip_reasons(output):
                by_reason[reason].append(f"a part of {case.get('name')}")

    print()
    for case in passed:
        for line in (case.findtext("system-out") or "").splitlines():
            if line.startswith("note: "):
                print(f"{line}\n         {case.get('name')}")
    print("longest: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in cpu_seconds(cases)))
    for reason, names in sorted(by_reason.items()):
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        print(f"skipped: {reason}\n         {shown}")
    for case in failed:
        print(f"failed:  {case.get('name')}")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not cases or ctest_status != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
