"""How long the work under way here may wait for its memory."""

from __future__ import annotations

import time
from contextvars import ContextVar

LAST_SECONDS = 0.5  # what a memory that answers gets even after the end, so that the answer can be stored
# A `time.monotonic()` value in seconds; tasks inherit it from the run that starts them. None: as long as the memory waits.
end_of_run: ContextVar[float | None] = ContextVar("end_of_run", default=None)


def seconds_left() -> float | None:
    """Seconds that one call may still take, waiting and trying again included; None where the run has no deadline."""
    end = end_of_run.get()
    return None if end is None else max(end - time.monotonic(), LAST_SECONDS)
