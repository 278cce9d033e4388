"""Answers questions over inputs far larger than any context window, with citations that hold.

>>> import extagents
>>> answer = extagents.ask("Who designed the parser that CPython replaced in 3.9?", over="docs/")
>>> print(answer.text, answer.citations)

Every name below is loaded when it is first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from extagents.budget import Budget
    from extagents.coordinator import Coordinator
    from extagents.corpus.corpus import Corpus
    from extagents.errors import (
        BudgetTooSmall,
        ExtAgentsError,
        InputError,
        ModelError,
        RunBusy,
        RunError,
        RunExists,
        SettingsError,
        StoreError,
        UsageError,
    )
    from extagents.memory.base import Memory, RunRecord
    from extagents.models.base import Model
    from extagents.once import aask, acompress, ask, asurvey, atable, compress, survey, table
    from extagents.settings import Settings
    from extagents.tabular import Table
    from extagents.types import (
        Answer,
        BatchProgress,
        BatchSummary,
        Citation,
        Compressed,
        Coverage,
        Document,
        Estimate,
        Fact,
        Hit,
        Span,
        Turn,
        Usage,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "BatchProgress",
    "BatchSummary",
    "Budget",
    "BudgetTooSmall",
    "Citation",
    "Compressed",
    "Coordinator",
    "Corpus",
    "Coverage",
    "Document",
    "Estimate",
    "ExtAgentsError",
    "Fact",
    "Hit",
    "InputError",
    "Memory",
    "Model",
    "ModelError",
    "RunBusy",
    "RunError",
    "RunExists",
    "RunRecord",
    "Settings",
    "SettingsError",
    "Span",
    "StoreError",
    "Table",
    "Turn",
    "Usage",
    "UsageError",
    "__version__",
    "aask",
    "acompress",
    "ask",
    "asurvey",
    "atable",
    "compress",
    "survey",
    "table",
]

_HOME = {
    "budget": ("Budget",),
    "coordinator": ("Coordinator",),
    "corpus.corpus": ("Corpus",),
    "errors": (
        "BudgetTooSmall",
        "ExtAgentsError",
        "InputError",
        "ModelError",
        "RunError",
        "RunBusy",
        "RunExists",
        "SettingsError",
        "StoreError",
        "UsageError",
    ),
    "memory.base": ("Memory", "RunRecord"),
    "models.base": ("Model",),
    "once": ("aask", "acompress", "ask", "asurvey", "atable", "compress", "survey", "table"),
    "settings": ("Settings",),
    "tabular": ("Table",),
    "types": (
        "Answer",
        "BatchProgress",
        "BatchSummary",
        "Citation",
        "Compressed",
        "Coverage",
        "Document",
        "Estimate",
        "Fact",
        "Hit",
        "Span",
        "Turn",
        "Usage",
    ),
}
_MODULES = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'extagents' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"extagents.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
