"""The reader process on a cluster's node: its own gate and limiter, the run's memory. It makes whole reads, many at a time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from hashlib import blake2b
from importlib import import_module
from typing import Any

from pydantic import SecretStr

from extagents.agents import reader
from extagents.agents.calls import Desk
from extagents.agents.reader import Sources, reader_prompt
from extagents.errors import SettingsError
from extagents.executors.orders import Failure, Order, Recipe, Reply, Sealed, failure_of
from extagents.gate import Gate
from extagents.journal import key_of
from extagents.limiter import Limiter
from extagents.memory.patience import end_of_run
from extagents.memory.redis import RedisMemory
from extagents.models.base import Prompt
from extagents.models.resolve import resolve
from extagents.types import Report, Usage

MOST_JOURNALS = 4  # runs whose journals are kept at a time
KEYS = ("EXTAGENTS_API_KEY", "OPENAI_API_KEY")
URLS = ("EXTAGENTS_MEMORY",)


def print_of(text: str, salt: bytes) -> bytes:
    """What a secret is known by to whoever has it, and tells nobody else anything."""
    return blake2b(text.encode("utf-8", "surrogatepass"), key=salt, digest_size=16).digest()


class ReaderActor:
    """Lives in a process of its own. `begin` comes first; then orders are read until the process is ended."""

    def __init__(self) -> None:
        self._gate: Gate | None = None
        self._memory: RedisMemory | None = None
        self._secrets: tuple[str, ...] = ()
        self._under_way: dict[int, asyncio.Task[Reply]] = {}
        self._journals: dict[str, tuple[int, asyncio.Task[dict[str, str]]]] = {}

    async def begin(self, recipe: Recipe, key: Sealed | None = None, memory: Sealed | None = None) -> Failure | str:
        """Makes gate and memory. Empty where that is done, "secrets" where they are needed and not in the environment here."""
        import extagents

        if extagents.__version__ != recipe.version:
            return Failure("settings", f"it has extagents {extagents.__version__}, the run {recipe.version}")
        api_key = key.opened() if key is not None else _found(recipe.key_print, recipe.salt, KEYS)
        url = memory.opened() if memory is not None else recipe.memory or _found(recipe.memory_print, recipe.salt, URLS)
        if url is None or (api_key is None and recipe.key_print is not None):
            return "secrets"
        self._secrets = tuple(filter(None, (api_key, url if recipe.memory is None else "")))
        try:
            return await self._made(recipe, api_key, url)
        except Exception as error:  # noqa: BLE001 - the edge of the process: it travels as a value, without its frames
            return failure_of(error, *self._secrets)

    async def _made(self, recipe: Recipe, api_key: str | None, url: str) -> str:
        model = resolve(
            recipe.model,
            base_url=recipe.base_url,
            # Without one here, what the environment of this node holds would be sent to whatever endpoint the run has.
            api_key=SecretStr(api_key or "none") if recipe.model.startswith("openai:") or api_key else None,
            window=recipe.window,
            prices=recipe.prices,
            seed=recipe.seed,
            server_metrics=recipe.server_metrics,
        )
        store = RedisMemory(url, recipe.tenant, ttl=recipe.ttl)
        if print_of((await store.secret()).hex(), recipe.salt) != recipe.secret_print:
            raise SettingsError(
                f"{store.url} is another store there than it is here.",
                hint="Give an address that means the same on every node.",
            )
        await model.describe()
        if recipe.model.startswith("openai:"):
            # The first reads come all at once, from several threads, and a library that two threads load is half there for one.
            await asyncio.to_thread(import_module, "openai")
        self._memory = store
        self._gate = Gate({"default": model}, limiter=Limiter(recipe.concurrency), memory=store, timeout=recipe.timeout)
        return ""

    async def read(self, order: Order) -> Reply:
        """Reads a shard. Whatever goes wrong is in the reply."""
        task = asyncio.ensure_future(self._replied(order))
        self._under_way[order.number] = task
        try:
            return await task
        finally:
            self._under_way.pop(order.number, None)

    async def stop(self, numbers: Iterable[int]) -> None:
        """Ends reads that nobody waits for any more; their replies say what they have cost."""
        for number in numbers:
            if (task := self._under_way.get(number)) is not None:
                task.cancel()

    async def _replied(self, order: Order) -> Reply:
        assert self._gate is not None
        assert self._memory is not None
        deadline = None if order.seconds is None else time.monotonic() + order.seconds
        end_of_run.set(deadline)
        account = order.purse.account(self._memory, deadline=deadline)
        desk = Desk(
            gate=self._gate,
            account=account,
            language=order.language,
            window=order.window,
            output_tokens=order.output_tokens,
            secret=order.secret,
            knowledge_tokens=order.knowledge_tokens,
            own=order.own,
        )
        try:
            report = await self._read(order, desk)
            return Reply(usage=account.usage, report=report)
        except asyncio.CancelledError:
            return Reply(usage=account.usage, failure=Failure("cancelled", ""))
        except Exception as error:  # noqa: BLE001 - the edge of the process: it travels as a value, without its frames
            return Reply(usage=account.usage, failure=failure_of(error, *self._secrets))

    async def _read(self, order: Order, desk: Desk) -> Report:
        sources = Sources(order.text, order.documents)
        prompt = reader_prompt(order.job, sources, desk)
        if prompt.version != order.version:
            raise SettingsError(
                "The prompts on a node are others than those here.", hint="Install the same version everywhere."
            )
        if order.journal:
            desk.account.answered = await self._journal(order.job.run, order.journal)
        if order.lost is not None and key_of(prompt) not in desk.account.answered:
            await desk.account.settle(order.lost, self._bound(prompt))
        return await reader.read(order.job, prompt, sources, desk)

    def _bound(self, prompt: Prompt[Any]) -> Usage:
        """The most that a call which nobody can tell anything of any more has cost."""
        assert self._gate is not None
        amount = self._gate.tight_bound(prompt)
        return Usage(calls=1, input_tokens=amount.tokens, cost=amount.cost or None)

    async def _journal(self, run: str, recent: int) -> dict[str, str]:
        """What the run's calls have brought, fetched once for all orders that ask for it."""
        kept = self._journals.pop(run, None)
        if kept is None or kept[0] < recent or (kept[1].done() and kept[1].exception() is not None):
            assert self._memory is not None
            kept = (recent, asyncio.ensure_future(self._memory.journal(run)))
        self._journals[run] = kept
        while len(self._journals) > MOST_JOURNALS:
            self._journals.pop(next(iter(self._journals)))
        return await asyncio.shield(kept[1])


def _found(wanted: bytes | None, salt: bytes, variables: Iterable[str]) -> str | None:
    """The secret of that print, if one of the variables of this process holds it."""
    for name in variables:
        told = os.environ.get(name, "").strip()
        if wanted is not None and told and print_of(told, salt) == wanted:
            return told
    return None
