"""What is known of well-known models: window, prices and encoding, from `known.json`."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from extagents.models.base import ModelInfo
from extagents.types import Prices


@cache
def _models() -> dict[str, dict[str, Any]]:
    text = files("extagents.models").joinpath("known.json").read_text(encoding="utf-8")
    models: dict[str, dict[str, Any]] = json.loads(text)["models"]
    return models


def known(name: str) -> ModelInfo:
    """What is known of a model by the longest name that its own begins with; an `ORGANISATION/` in front does not count.

    `gpt-4o-mini-2024-07-18` is a `gpt-4o-mini`, `gpt-5.9` is no `gpt-5`.
    """
    plain = name.casefold().rpartition("/")[2]
    found = [key for key in _models() if plain == key or (plain.startswith(key) and plain[len(key)] in "-:@")]
    data = _models()[max(found, key=len)] if found else {}
    prices = data.get("prices")
    return ModelInfo(
        name=name,
        window=data.get("window"),
        prices=Prices(**prices) if prices is not None else None,
        encoding=data.get("encoding"),
    )
