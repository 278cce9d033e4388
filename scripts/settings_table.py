"""Writes docs/settings.md from the settings themselves: python scripts/settings_table.py > docs/settings.md"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from extagents.budget import Budget
from extagents.settings import Settings

HEAD = """\
# Settings

Each is an argument of `extagents.Coordinator` (those that have one), an option of the command line (`--shard-tokens`), and a
variable (`EXTAGENTS_SHARD_TOKENS`); the first that is given counts. A budget's ceilings are `EXTAGENTS_BUDGET__TOKENS` and so
on; a model for one role is `EXTAGENTS_MODELS__READER`. What cannot be is refused before anything is spent.

Beside them: `OPENAI_API_KEY` and `OPENAI_BASE_URL` as everywhere, `EXTAGENTS_DATA` and `EXTAGENTS_CACHE` for the folders of the
embedded memory and of what was indexed, and `EXTAGENTS_DEBUG=1` for tracebacks.

"""


def default_of(field: Any) -> str:
    """A field's default as a user would write it."""
    if field.default is PydanticUndefined:
        value = field.default_factory()
        return "none" if not value or isinstance(value, BaseModel) else str(value)
    return "–" if field.default is None else f"`{field.default}`"


def table(model: type[BaseModel]) -> str:
    """One line a field."""
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        description = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{name}` | {default_of(field)} | {description} |")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    hard = "Hard: what a call may cost at most is reserved before it starts."
    return f"{HEAD}{table(Settings)}\n\n## Budget\n\n{hard}\n\n{table(Budget)}\n"


if __name__ == "__main__":
    print(page(), end="")
