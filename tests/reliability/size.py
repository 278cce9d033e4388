"""How large the tests of reliability are, and where what they measured is written.

`make test` runs them small, with a fixed seed; `make test-reliability` sets EXTAGENTS_TEST_FULL and runs them in full.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", int, float)
FULL = bool(os.environ.get("EXTAGENTS_TEST_FULL"))


def sized(short: N, full: N) -> N:
    """The first in `make test`, the second in `make test-reliability`."""
    return full if FULL else short


def record(name: str, **figures: object) -> None:
    """Adds a line of figures to the file that EXTAGENTS_TEST_FIGURES names, if it names one."""
    path = os.environ.get("EXTAGENTS_TEST_FIGURES")
    if path:
        with Path(path).open("a", encoding="utf-8") as out:
            out.write(json.dumps({"name": name, "full": FULL, **figures}) + "\n")
