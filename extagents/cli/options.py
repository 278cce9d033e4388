"""From parsed options to a `Coordinator`: what is not given is left to the settings (`EXTAGENTS_*`, then the defaults)."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from extagents.errors import InputError, SettingsError

if TYPE_CHECKING:
    import argparse

    from extagents.coordinator import Coordinator
    from extagents.settings import Settings

_SAME_NAME = (
    "model", "memory", "effort", "strategy", "rounds", "lanes", "heads", "shard_tokens", "window", "concurrency", "base_url",
    "seed", "tenant", "executor",
)  # fmt: skip
_BUDGET = {"max_tokens": "tokens", "max_cost": "cost", "max_calls": "calls", "deadline": "seconds"}


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings of environment and options together; one that cannot be is a `SettingsError`, in one line."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError as Unparsable

    from extagents.settings import Settings

    given: dict[str, Any] = {name: value for name in _SAME_NAME if (value := getattr(options, name, None)) is not None}
    ceilings = {field: value for name, field in _BUDGET.items() if (value := getattr(options, name, None)) is not None}
    if ceilings:
        given["budget"] = ceilings
    if getattr(options, "reader_model", None):
        given["models"] = {"reader": options.reader_model}
    try:
        # What the environment says of a budget's other ceilings and of other roles' models stays: sources are merged deeply.
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        # What pydantic calls a branch of a union or a mapping's key is no part of a name.
        place = tuple(part for part in first["loc"] if str(part).isidentifier() and part not in ("int", "str"))
        name = ".".join(str(part) for part in place)
        raise SettingsError(f"{name.replace('_', ' ')}: {first['msg']}.", hint=_where(options, place)) from None
    except Unparsable as error:
        # The library's message names the field and never its value.
        field = re.search(r'field "(\w+)"', str(error))
        name = "EXTAGENTS_" + (field[1].upper() if field else "…")
        raise SettingsError(f"The variable {name} is not the JSON that it must be.", hint="Mend or unset it.") from None


def _where(options: argparse.Namespace, loc: tuple[int | str, ...]) -> str:
    """Where a setting can be mended: the option, if it is one, and the variable."""
    variable = "EXTAGENTS_" + "__".join(str(part) for part in loc).upper()
    option = f"the option --{str(loc[0]).replace('_', '-')} or " if hasattr(options, str(loc[0])) else ""
    return f"Mend {option}the variable {variable}."


def coordinator_of(options: argparse.Namespace) -> Coordinator:
    """The coordinator that environment and options describe."""
    from extagents.coordinator import Coordinator

    return Coordinator(settings=settings_of(options))


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
