"""The base of everything that travels."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of everything that travels: immutable, and nothing undeclared gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Whole(Frozen):
    """A model's answer of which a part would be taken for the whole: one that was cut at the output limit is not used."""
