"""For tests of and with ExtAgents: models that answer by script or fail on purpose, endpoints on loopback, a made-up world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from extagents.testing.endpoint import FakeEndpoint
    from extagents.testing.faulty import FaultyModel
    from extagents.testing.islands import Archipelago, Asked, archipelago
    from extagents.testing.scripted import ScriptedModel

__all__ = ["Archipelago", "Asked", "FakeEndpoint", "FaultyModel", "ScriptedModel", "archipelago"]

_HOMES = {"FakeEndpoint": "endpoint", "FaultyModel": "faulty", "ScriptedModel": "scripted"}
_HOMES |= dict.fromkeys(("Archipelago", "Asked", "archipelago"), "islands")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
