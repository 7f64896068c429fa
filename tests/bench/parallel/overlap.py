"""What share of the hidable communication a run's trace shows hidden; tests/bench/parallel/slow_link.sh defines both."""

import collections
import json
import pathlib
import sys


def spans_by_rank(events):
    """Complete events, and instants, of each rank in order of their beginning."""
    ranks = collections.defaultdict(list)
    for event in events:
        if event["ph"] in "Xi":
            ranks[event["pid"]].append((event["ts"], event["ts"] + event.get("dur", 0), event))
    return {rank: sorted(found, key=lambda entry: entry[:2]) for rank, found in sorted(ranks.items())}


def union(intervals):
    """The same time without overlaps."""
    merged = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def common(a, b):
    """Where two unions overlap."""
    pairs = ((max(x[0], y[0]), min(x[1], y[1])) for x in a for y in b)
    return [(begin, end) for begin, end in pairs if begin < end]


def length(intervals):
    """How long all of them are."""
    return sum(end - begin for begin, end in intervals)


def is_bucket(event):
    """Whether a span is a gradient bucket's collective."""
    return event.get("cat") == "communication" and event["args"].get("bytes", 0) >= SMALLEST_BUCKET


#: Fewer bytes are no bucket but an agreement, say on parameters in use.
SMALLEST_BUCKET = 65536


def parts_of_steps(spans):
    """Per step of a rank: buckets' collectives, compute spans, the first bucket's launch, the end of the backward pass."""
    steps = []
    for begin, end, step in (entry for entry in spans if entry[2].get("cat") == "step"):
        inside = [entry for entry in spans if begin <= entry[0] and entry[1] <= end and entry[2] is not step]
        main = step["tid"]
        waits = [(b, e) for b, e, event in inside if event["name"] == "wait for collective" and event["tid"] == main]
        steps.append({
            "buckets": [(b, e) for b, e, event in inside if event["ph"] == "X" and event["tid"] != main and is_bucket(event)],
            "compute": [(b, e) for b, e, event in inside if event.get("cat") == "compute" and event["tid"] == main],
            "waits": waits,
            "launches": [b for b, e, event in inside if event["name"] == "launch" and is_bucket(event)],
            "backward": max((e for b, e, event in inside if event["name"] == "backward"), default=begin),
        })
    return steps


def main():
    events = json.loads(pathlib.Path(sys.argv[1]).read_text())
    ranks = [parts_of_steps(spans) for spans in spans_by_rank(events).values()]
    hidable = hidden = communication = 0.0
    for step in zip(*ranks):
        if len({len(part["buckets"]) for part in step}) != 1:
            sys.exit("the ranks' traces hold different numbers of collectives in a step")
        # A collective begins when the last rank has come to it: before that nothing is on the wire.
        starts = [max(begin for begin, _ in same) for same in zip(*(part["buckets"] for part in step))]
        for part in step:
            sent = union((min(start, end), end) for start, (_, end) in zip(starts, part["buckets"]))
            total = length(sent)
            beside = common(sent, union(part["compute"]))
            beside = length(beside) - length(common(beside, union(part["waits"])))
            could = min(total, max(0.0, part["backward"] - min(part["launches"], default=part["backward"])))
            communication += total
            hidable += could
            hidden += min(could, beside)
    count = len(ranks[0]) * len(ranks)
    if hidable == 0:
        sys.exit("no communication could be hidden: the first bucket fills as the backward pass ends")
    print(f"{len(ranks)} ranks, {len(ranks[0])} steps; in a step {communication / count / 1e3:.1f} ms of communication, "
          f"{hidable / count / 1e3:.1f} ms hidable, {hidden / count / 1e3:.1f} ms hidden")
    print(f"hidden share of the hidable communication: {hidden / hidable:.3f}")


if __name__ == "__main__":
    main()
