"""The base of everything that travels."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of everything that travels: immutable, and nothing undeclared gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid")
