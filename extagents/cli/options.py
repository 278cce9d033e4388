"""From parsed options to a `Coordinator`: what is not given is left to the settings (`EXTAGENTS_*`, then the defaults)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from extagents.errors import InputError, SettingsError

if TYPE_CHECKING:
    import argparse

    from extagents.budget import Budget
    from extagents.coordinator import Coordinator

_SAME_NAME = (
    "model", "memory", "effort", "strategy", "rounds", "shard_tokens", "window", "concurrency", "base_url", "seed", "tenant",
)  # fmt: skip
_BUDGET = {"max_tokens": "tokens", "max_cost": "cost", "max_calls": "calls", "deadline": "seconds"}


def budget_of(options: argparse.Namespace) -> Budget | None:
    """The ceilings given here over those of the environment; None where none is given here."""
    given = {field: value for name, field in _BUDGET.items() if (value := getattr(options, name, None)) is not None}
    if not given:
        return None
    from extagents.budget import Budget

    return Budget(**{**settings().budget.model_dump(), **given})


def settings() -> Any:
    """The settings of the environment; one that cannot be is a `SettingsError`, in one line."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError as Unparsable

    from extagents.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "__".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"EXTAGENTS_{name}: {first['msg']}.", hint="Mend or unset it.") from None
    except Unparsable as error:
        raise SettingsError(f"A variable EXTAGENTS_… cannot be read: {error}.", hint="Mend or unset it.") from None


def coordinator_of(options: argparse.Namespace) -> Coordinator:
    """The coordinator that the options describe."""
    from extagents.coordinator import Coordinator

    settings()
    arguments: dict[str, Any] = {name: value for name in _SAME_NAME if (value := getattr(options, name, None)) is not None}
    if getattr(options, "reader_model", None):
        arguments["models"] = {**settings().models, "reader": options.reader_model}
    budget = budget_of(options)
    if budget is not None:
        arguments["budget"] = budget
    return Coordinator(**arguments)


def question_of(text: str) -> str:
    """The question; `-` reads it from stdin. What is no valid UTF-8 becomes `?`."""
    if text == "-":
        if sys.stdin.isatty():
            sys.stderr.write("Question (end with Ctrl-D): ")
            sys.stderr.flush()
        text = sys.stdin.read()
    text = text.encode("utf-8", "replace").decode().strip()
    if not text:
        raise InputError("The question is empty.", hint='Give one: extagents ask "…" --over PATH')
    return text
