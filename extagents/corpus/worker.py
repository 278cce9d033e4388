"""A process that reads files for another one: names in on its standard input, what they hold out on its standard output.

It ends when its standard input does, in the middle of a file as well: no reader outlives the process that asked.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path

READY = b"ready\n"
_LEAST_MEMORY = 4 << 30


def main() -> None:
    """Reads until the standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    # What a library prints must not stand between the answers.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    _limit_memory()
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    from extagents.corpus.formats import Refused
    from extagents.corpus.reading import read_or_refuse
    from extagents.corpus.storing import to_bytes

    out.write(READY)
    out.flush()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    while True:
        order = json.loads(asked.get())
        outcome = read_or_refuse(Path(order.pop("path")), **order)
        try:
            answer = to_bytes(outcome)
        except (RecursionError, TypeError, ValueError) as error:
            answer = to_bytes(Refused(f"holds what cannot be written down ({type(error).__name__})"))
        out.write(len(answer).to_bytes(8, "big"))
        out.write(answer)
        out.flush()


def _listen(asked: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        asked.put(line)
    os._exit(0)


def _limit_memory() -> None:
    """At most three quarters of the machine's memory: a file that takes more is refused, and nothing else is killed for it."""
    try:
        import resource

        most = max(_LEAST_MEMORY, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    except (ImportError, ValueError, OSError, AttributeError):
        # Not every system can; the file's own limits still hold.
        return
