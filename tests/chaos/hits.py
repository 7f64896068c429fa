"""What hits ranks and files of a supervised run, wherever it runs."""

import contextlib
import os
import signal
import time

from support.program import require


def send(pids, number=signal.SIGKILL):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def damage(job, how, draw):
    """Kills all ranks and damages, empties or removes a file of the newest checkpoint. False where there is no other: a run
    whose checkpoints are all damaged is refused."""
    there = lambda: sorted(job.output.glob("checkpoints/step-*/index.json"))
    if len(there()) < 2:
        return False
    send(job.ranks().values())
    file = draw.choice(sorted(there()[-1].parent.iterdir()))
    with contextlib.suppress(OSError):
        data = bytearray(file.read_bytes())
        if how == "remove":
            file.unlink()
            return True
        if how == "truncate":
            data = data[:draw.randrange(len(data))]
        else:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        file.write_bytes(data)
    return True


def require_stopped(job, code):
    """A request to stop ends a job with 85, or with 0 if it was done; an attempt that a fault had hit already, with what that
    fault ends it with."""
    at = job.started_last()
    hit_already = job.hit_last > at or "injecting" in job.text()[job.position(at):]
    require(code in (0, 85) or hit_already, f"a request to stop ends with 85, not {code}:\n{job.text()[-3000:]}")


def hit(job, kind, draw):
    """Does the fault; False when there was nothing to hit."""
    ranks = job.ranks()
    if not ranks:
        return False
    happened = hit_job(job, kind, ranks, draw)
    job.hit_last = time.time()
    return happened


def hit_job(job, kind, ranks, draw):
    if kind == "stop":
        send([draw.choice(sorted(ranks.values()))], signal.SIGSTOP)
    elif kind in ("kill", "kill-two"):
        send(ranks[rank] for rank in draw.sample(sorted(ranks), min(len(ranks), 1 + (kind == "kill-two"))))
    elif kind in ("truncate", "flip", "remove"):
        return damage(job, kind, draw)
    else:
        return job.meet(kind, draw)
    return True
