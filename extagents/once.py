"""One request, one team: what `extagents.ask` and its like do. A coordinator is made for the call and closed after it."""

from __future__ import annotations

from typing import Any

from extagents.coordinator import Coordinator
from extagents.types import Answer, Compressed

ASK = ("instructions", "history", "schema", "run", "resume")
SURVEY = ("words", "instructions", "run", "resume")
COMPRESS = ("tokens", "granularity", "run", "resume")
TABLE = ("run", "resume")


def _parted(options: dict[str, Any], names: tuple[str, ...]) -> tuple[Coordinator, dict[str, Any]]:
    """The team that the options describe, and those of them that are the request's own."""
    own = {name: options.pop(name) for name in names if name in options}
    return Coordinator(**options), own


def ask(question: str, over: Any, **options: Any) -> Answer:
    """Answers one question with a coordinator made for it: takes the options of `Coordinator` and of `Coordinator.ask`."""
    team, own = _parted(options, ASK)
    with team:
        return team.ask(question, over, **own)


async def aask(question: str, over: Any, **options: Any) -> Answer:
    """The same as `ask`, to be awaited."""
    team, own = _parted(options, ASK)
    async with team:
        return await team.aask(question, over, **own)


def survey(topic: str, over: Any, **options: Any) -> Answer:
    """A long cited text, by a coordinator made for it: takes the options of `Coordinator` and of `Coordinator.survey`."""
    team, own = _parted(options, SURVEY)
    with team:
        return team.survey(topic, over, **own)


async def asurvey(topic: str, over: Any, **options: Any) -> Answer:
    """The same as `survey`, to be awaited."""
    team, own = _parted(options, SURVEY)
    async with team:
        return await team.asurvey(topic, over, **own)


def compress(question: str, over: Any, **options: Any) -> Compressed:
    """Context for a model, by a coordinator made for it: takes the options of `Coordinator` and of `Coordinator.compress`."""
    team, own = _parted(options, COMPRESS)
    with team:
        return team.compress(question, over, **own)


async def acompress(question: str, over: Any, **options: Any) -> Compressed:
    """The same as `compress`, to be awaited."""
    team, own = _parted(options, COMPRESS)
    async with team:
        return await team.acompress(question, over, **own)


def table(question: str, over: Any, **options: Any) -> Answer:
    """The rows alone, by a coordinator made for it: takes the options of `Coordinator` and of `Coordinator.table`."""
    team, own = _parted(options, TABLE)
    with team:
        return team.table(question, over, **own)


async def atable(question: str, over: Any, **options: Any) -> Answer:
    """The same as `table`, to be awaited."""
    team, own = _parted(options, TABLE)
    async with team:
        return await team.atable(question, over, **own)
