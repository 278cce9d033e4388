"""The reader processes of one executor: so many on every node, made anew where one is gone, and on nodes that join."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from extagents.errors import ExtAgentsError, RunError, SettingsError
from extagents.executors import cluster
from extagents.executors.cluster import Node
from extagents.executors.orders import Failure, Recipe, Sealed
from extagents.executors.reader_actor import ReaderActor

logger = logging.getLogger(__name__)

READS_A_PROCESS = 64  # in flight, of one that has a core to itself: what one process of Python bears at a second a call
WATCHED_EVERY = 2.0  # seconds between two looks at which nodes are there
START_SECONDS = 90.0  # for a process to be there: on a node that was just added, Ray itself comes up first
AGAIN_SECONDS = 15.0  # before a node on which readers could not be started is tried again
EMPTY_SECONDS = 60.0  # without a single reader, after which the run fails


@dataclass(slots=True, eq=False)
class Member:
    """One reader process. `reads` are in flight."""

    node: Node
    actor: Any
    reads: int = 0


@dataclass(slots=True, eq=False)
class Fleet:
    """Starts, finds and replaces reader processes. All methods belong to one event loop."""

    recipe: Recipe
    key: Sealed | None
    memory: Sealed | None
    members: list[Member] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)  # by node: reads that brought a reply
    gone: int = 0  # processes that were lost
    _starting: dict[asyncio.Task[None], str] = field(default_factory=dict)
    _replacing: set[asyncio.Task[None]] = field(default_factory=set)
    _refused: dict[str, tuple[float, ExtAgentsError]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _watch: asyncio.Task[None] | None = None
    _kind: Any = None

    async def start(self) -> None:
        """Starts readers on every node and returns when the first are there. Raises what keeps all of them from starting."""
        self._kind = cluster.load().remote(ReaderActor)
        await self.look()
        while not self.members:
            if not self._starting:
                raise self._trouble()
            await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
        self._watch = asyncio.create_task(self._watched())

    async def taken(self) -> Member:
        """The member with the fewest reads in flight; waits for one where there is none. Raises `RunError` after a minute."""
        end = time.monotonic() + EMPTY_SECONDS
        while not self.members:
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                raise self._trouble() from None
        return min(self.members, key=lambda member: member.reads)

    def lose(self, member: Member) -> bool:
        """Takes out a member that is gone; False if that was known."""
        if member not in self.members:
            return False
        self.members.remove(member)
        self.gone += 1
        task = asyncio.create_task(self._replaced(member))
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)
        return True

    async def look(self) -> None:
        """Sees which nodes are there, and starts readers where some are missing."""
        async with self._looking:
            found = await asyncio.to_thread(cluster.nodes)
            present = {node.id for node in found}
            self._refused = {node: told for node, told in self._refused.items() if node in present}
            now = time.monotonic()
            for node in found:
                if node.id in self._refused and now - self._refused[node.id][0] < AGAIN_SECONDS:
                    continue
                there = sum(member.node.id == node.id for member in self.members)
                there += sum(starting == node.id for starting in self._starting.values())
                for _ in range(self._wanted(node, len(found)) - there):
                    self._begin(self._started(node), node.id)

    def _wanted(self, node: Node, count: int) -> int:
        """How many processes a node gets: as many as its share of the reads keeps busy, at most one a core."""
        return max(1, min(int(node.cpus), math.ceil(self.recipe.concurrency / count / READS_A_PROCESS)))

    def _begin(self, work: Any, node: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._starting[task] = node
        task.add_done_callback(self._starting.pop)

    async def _replaced(self, member: Member) -> None:
        await asyncio.to_thread(_ended, [member.actor])
        try:
            await self.look()
        except RunError as error:
            logger.warning("%s", error.message)

    async def _watched(self) -> None:
        while True:
            await asyncio.sleep(WATCHED_EVERY)
            try:
                await self.look()
            except RunError as error:
                logger.debug("%s", error.message)  # reads that wait say so

    async def _started(self, node: Node) -> None:
        """Starts one process; where that fails, the node is left alone for a while."""
        actor = None
        try:
            actor = await asyncio.to_thread(self._made, node)
            async with asyncio.timeout(START_SECONDS):
                said = await actor.begin.remote(self.recipe)
                if said == "secrets":
                    said = await actor.begin.remote(self.recipe, self.key, self.memory)
            if isinstance(said, Failure):
                raise SettingsError(f"No reader could be started on node {node.address}: {said.message}", hint=said.hint)
        except asyncio.CancelledError:
            await self._discarded(actor)
            raise
        except Exception as error:  # noqa: BLE001 - Ray's own errors have many types: all mean that this node has no reader
            await self._discarded(actor)
            self._refuse(node, error)
        else:
            self._refused.pop(node.id, None)
            self.members.append(Member(node, actor))
            self._changed.set()

    def _made(self, node: Node) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # A reader waits for a model and takes no core from others' work; a lost one is replaced here, with its secrets.
        return self._kind.options(
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2 * self.recipe.concurrency + 16,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        ).remote()

    def _refuse(self, node: Node, error: Exception) -> None:
        if not isinstance(error, ExtAgentsError):
            reason = "it did not come up in time" if isinstance(error, TimeoutError) else _first_line(error)
            hint = "Is the same version of extagents installed there, with the extra ray?"
            error = SettingsError(f"No reader could be started on node {node.address}: {reason}.", hint=hint)
        if node.id not in self._refused and self.members:
            logger.warning("%s The others go on without it.", error)
        self._refused[node.id] = (time.monotonic(), error)

    def _trouble(self) -> ExtAgentsError:
        """Why there is no reader."""
        for _, error in self._refused.values():
            return error
        return RunError("The Ray cluster has no node that readers could run on.", hint="See `ray status`.", retryable=True)

    async def _discarded(self, actor: Any) -> None:
        if actor is not None:
            await asyncio.shield(asyncio.to_thread(_ended, [actor]))

    async def aclose(self) -> None:
        """Ends all processes."""
        tasks = [*self._replacing, *self._starting, *([self._watch] if self._watch is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        members, self.members = self.members, []
        await asyncio.to_thread(_ended, [member.actor for member in members])


def _ended(actors: list[Any]) -> None:
    """Ends processes of a cluster that may be gone."""
    ray = cluster.load()
    for actor in actors:
        try:
            ray.kill(actor)
        except Exception:  # noqa: BLE001 - it is gone with its cluster
            continue


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if "Error" in line), lines[0] if lines else "")
    return f"{type(error).__name__} {told}"[:300].strip().rstrip(".")
