"""Readers on a Ray cluster: each read is made whole on some node, over the memory that all share; the run stays here.

What a read may cost is held in the run's account here while it is away, and reserved and settled in the memory there: one
budget for all. A node that dies costs time: its reads are made again elsewhere, and what it had answered is found in the
run's journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from extagents.account import Closed
from extagents.agents import reader
from extagents.agents.calls import Desk
from extagents.agents.reader import ReadJob, Sources
from extagents.budget import Amount
from extagents.errors import RunError, SettingsError
from extagents.executors import cluster
from extagents.executors.fleet import Fleet, Member
from extagents.executors.orders import Order, Purse, Recipe, Reply, Sealed, error_of
from extagents.executors.reader_actor import print_of
from extagents.gate import BudgetEnded, CallFailed, DeadlineEnded, Gate, Stop
from extagents.journal import key_of
from extagents.memory.base import Memory
from extagents.memory.redis import RedisMemory
from extagents.models.base import Prompt
from extagents.observing import CallBegan, CallEnded
from extagents.prompts import Own
from extagents.redaction import scrub
from extagents.settings import Settings
from extagents.types import Finding, Report, Usage

MOST_DEATHS = 4  # readers that may be lost over one shard: it may be what ends them
STOP_SECONDS = 2.0  # for a read that is stopped to say what it has cost


@dataclass(slots=True)
class _Away:
    """A read that is made elsewhere, and what it has cost so far."""

    name: str
    bound: Usage
    usage: Usage = field(default_factory=Usage)


class RayExecutor:
    """Reads on the nodes of a Ray cluster. `reader` is the readers' model string, `memory` the run's.

    At most `settings.concurrency` reads are away at a time, over all runs. Raises `SettingsError` for what cannot be sent: a
    model object, a model without a server, a memory of one machine.
    """

    def __init__(self, settings: Settings, reader: Any, memory: Memory) -> None:
        self._model, self._memory = _sendable(reader), _shared(memory)
        self._settings = settings
        self._fleet: Fleet | None = None
        self._connecting: asyncio.Future[None] | None = None
        self._starting = asyncio.Lock()
        self._places = asyncio.Semaphore(settings.concurrency)
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"RayExecutor({self._model!r}, {self._memory.url!r})"

    @property
    def reads(self) -> dict[str, int]:
        """How many reads each node has made, by the node's id."""
        return {} if self._fleet is None else dict(self._fleet.read)

    async def start(self, gate: Gate) -> None:
        """Connects to the cluster and starts readers on every node; returns when the first are there."""
        async with self._starting:
            if self._fleet is not None:
                return
            cluster.load()
            if self._connecting is None or (self._connecting.done() and self._connecting.exception() is not None):
                self._connecting = asyncio.ensure_future(asyncio.to_thread(cluster.connect))
            await asyncio.shield(self._connecting)
            fleet = await self._manned(gate)
            try:
                await fleet.start()
            except BaseException:
                await asyncio.shield(fleet.aclose())
                raise
            self._fleet = fleet

    async def _manned(self, gate: Gate) -> Fleet:
        import extagents

        settings, memory, salt = self._settings, self._memory, secrets.token_bytes(16)
        info = await gate.describe("reader")
        key = "" if settings.api_key is None else settings.api_key.get_secret_value()
        base_url = None if settings.base_url is None else settings.base_url.get_secret_value()
        if self._model.startswith("openai:"):
            # What the environment of a node says of endpoints and keys is about other work than this run's.
            from extagents.models.openai_compatible import OPENAI

            key = (key or os.environ.get("OPENAI_API_KEY") or "").strip()
            base_url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
        url = memory.address
        recipe = Recipe(
            version=extagents.__version__,
            model=self._model,
            base_url=base_url,
            window=info.window,
            prices=info.prices,
            seed=settings.seed,
            timeout=settings.timeout,
            concurrency=settings.concurrency,
            server_metrics=settings.server_metrics,
            tenant=memory.tenant,
            ttl=memory.ttl,
            memory=None if url.secret else url.get_secret_value(),
            salt=salt,
            key_print=print_of(key, salt) if key else None,
            memory_print=print_of(url.get_secret_value(), salt) if url.secret else None,
            secret_print=print_of((await memory.secret()).hex(), salt),
        )
        return Fleet(recipe, Sealed(key) if key else None, Sealed(url.get_secret_value()) if url.secret else None)

    async def aclose(self) -> None:
        """Ends the readers, and Ray where it was started here."""
        connecting, self._connecting = self._connecting, None
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            await fleet.aclose()
        if connecting is not None:
            await asyncio.wait((connecting,))
            if not connecting.cancelled() and connecting.exception() is None:
                await asyncio.to_thread(cluster.disconnect)

    # ------------------------------------------------------------------ one read

    async def read(self, job: ReadJob, prompt: Prompt[Any], sources: Sources, desk: Desk) -> Report:
        account, name = desk.account, f"read:{job.round}:{sources.text.id}"
        if key_of(prompt) in account.answered:
            return await reader.read(job, prompt, sources, desk)  # paid already: there is nothing to send
        if account.closed:
            raise Closed("the run was told to end")
        scope = asyncio.timeout(_left(desk))
        with _traced(desk, prompt, name) as told:
            try:
                async with scope:
                    account.scopes.add(scope)
                    report = await self._placed(job, prompt, sources, desk, name)
            except TimeoutError:
                if not scope.expired():
                    raise
                raise DeadlineEnded("the run's time is up") from None
            finally:
                account.scopes.discard(scope)
            told(report)
        return report

    async def _placed(self, job: ReadJob, prompt: Prompt[Any], sources: Sources, desk: Desk, call_id: str) -> Report:
        await self.start(desk.gate)
        account, gate = desk.account, desk.gate
        async with self._places:
            while True:
                await gate.describe("reader")
                amount = gate.upper_bound(prompt)
                if not account.covers(amount, keep=account.keep):
                    amount = gate.tight_bound(prompt)
                away = _Away(account.name(f"away:{call_id}", "reader"), _usage_of(amount))
                await account.lend(away.name, amount, keep=account.keep)
                try:
                    order = self._order(job, prompt, sources, desk, amount)
                    return await self._made(order, call_id, away)
                except BudgetEnded:
                    ended = True
                finally:
                    account.take_back(away.name, away.usage)
                    account.roles["reader"] = account.roles.get("reader", Usage()) + away.usage
                # What others hold now may be free later: only where nobody holds anything, the budget has ended.
                if ended and not await account.changed():
                    raise BudgetEnded(f"the budget does not cover another call of up to {amount.tokens} tokens")

    def _order(self, job: ReadJob, prompt: Prompt[Any], sources: Sources, desk: Desk, amount: Amount) -> Order:
        name = f"{'reader' if job.table is None else 'table_rows'}.{desk.language}.md"
        named = {section.document for section in sources.text.sections}
        documents = {id: sources.documents[id].model_copy(update={"text": ""}) for id in named if id in sources.documents}
        return Order(
            number=next(self._numbers),
            job=job,
            text=sources.text,
            documents={id: document.model_copy(update={"metadata": {}}) for id, document in documents.items()},
            version=prompt.version,
            language=desk.language,
            window=desk.window,
            output_tokens=desk.output_tokens,
            knowledge_tokens=desk.knowledge_tokens,
            secret=desk.secret,
            own=Own(tuple(text for text in desk.own.texts if text[0] == name)),
            purse=Purse.of(desk.account, amount),
            seconds=_left(desk),
            journal=1 if desk.account.answered else 0,
        )

    async def _made(self, order: Order, call_id: str, away: _Away) -> Report:
        """The order's report, from whichever member lives to give it."""
        assert self._fleet is not None
        fleet, deaths = self._fleet, 0
        gone = _gone()
        while True:
            member = await fleet.taken()
            member.reads += 1
            try:
                reply = await self._reply(member, order, away)
            except gone as error:
                fleet.lose(member)
                deaths += 1
                if deaths > MOST_DEATHS:
                    away.usage = away.usage + away.bound
                    return _given_up(order, error, away.usage)
                order = replace(order, journal=1 + fleet.gone, lost=call_id)
                continue
            finally:
                member.reads -= 1
            fleet.read[member.node.id] += 1
            away.usage = away.usage + reply.usage
            if reply.failure is not None:
                raise error_of(reply.failure, order.job.run)
            assert reply.report is not None
            if deaths:  # what the reader that is gone had paid is in the report, and nowhere else here
                away.usage = _more(away.usage, reply.report.usage)
            return reply.report

    async def _reply(self, member: Member, order: Order, away: _Away) -> Reply:
        """What the member replies; where nobody waits for it any more, it is stopped there and asked what it has cost."""
        reply: asyncio.Future[Reply] = asyncio.ensure_future(_awaited(member.actor.read.remote(order)))
        reply.add_done_callback(_seen)
        try:
            return await asyncio.shield(reply)
        except asyncio.CancelledError:
            stopping = asyncio.ensure_future(_stopped(member, order, reply))
            while not stopping.done():
                with contextlib.suppress(asyncio.CancelledError):  # a run that ends says so to every read, more than once
                    await asyncio.shield(stopping)
            away.usage = away.usage + (stopping.result() or away.bound)
            raise
        except Exception as error:
            if isinstance(error, _gone()):
                raise
            text = scrub(" ".join(str(getattr(error, "cause", None) or error).split())[:300], *self._settings.secrets)
            raise RunError(
                f"A reader on node {member.node.address} failed: {text}", hint="This is a bug; please report it."
            ) from None


# ------------------------------------------------------------------ small parts


async def _awaited(reference: Any) -> Reply:
    reply: Reply = await reference
    return reply


async def _stopped(member: Member, order: Order, reply: asyncio.Future[Reply]) -> Usage | None:
    """Stops a read where it is made; what it has cost, or None where nobody says so in time."""
    member.actor.stop.remote((order.number,))
    await asyncio.wait((reply,), timeout=STOP_SECONDS)
    if reply.done() and not reply.cancelled() and reply.exception() is None:
        return reply.result().usage
    reply.cancel()
    return None


def _seen(reply: asyncio.Future[Reply]) -> None:
    """What comes when nobody waits any more is no news."""
    if not reply.cancelled():
        reply.exception()


def _gone() -> tuple[type[Exception], ...]:
    """What Ray raises where the process or the node that had an order is no more, or cannot be reached."""
    from ray import exceptions

    return (exceptions.RayActorError, exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.ObjectLostError)


def _left(desk: Desk) -> float | None:
    """Seconds until the run's deadline. Raises `DeadlineEnded` when it has passed."""
    if desk.account.deadline is None:
        return None
    left = desk.account.deadline - time.monotonic()
    if left <= 0:
        raise DeadlineEnded("the run's time is up")
    return left


def _usage_of(amount: Amount) -> Usage:
    return Usage(calls=amount.calls, input_tokens=amount.tokens, cost=amount.cost or None)


def _more(one: Usage, other: Usage) -> Usage:
    return one if one.calls >= other.calls else other


def _given_up(order: Order, error: Exception, usage: Usage) -> Report:
    job = order.job
    return Report(
        run=job.run,
        round=job.round,
        wave=job.wave,
        shard=job.shard.id,
        version=order.version,
        findings=(Finding(),),
        usage=usage,
        failure=f"{MOST_DEATHS + 1} readers were lost over it ({type(error).__name__}).",
    )


@contextlib.contextmanager
def _traced(desk: Desk, prompt: Prompt[Any], name: str) -> Iterator[Any]:
    """Tells whoever watches the run of a call, as the gate does of one that is made here."""
    if desk.account.trace is None:
        yield lambda report: None
        return
    model = desk.gate.model("reader").name
    began = CallBegan("reader", model, name, prompt.max_output_tokens, prompt.messages)
    with desk.account.trace.call(began) as ended:

        def told(report: Report) -> None:
            if report.failure is None:
                ended(CallEnded("answered", usage=report.usage, model=model))
            else:
                ended(CallEnded("failed", kind="call", usage=report.usage))

        try:
            yield told
        except CallFailed as failure:
            ended(CallEnded("failed", kind=failure.kind, usage=failure.usage, error=failure))
            raise
        except Stop as stop:
            ended(CallEnded("stopped", kind=stop.stopped_by, error=stop))
            raise
        except Exception as error:
            ended(CallEnded("failed", kind=type(error).__name__, error=error))
            raise


def _sendable(model: object) -> str:
    """The readers' model, by name. Raises `SettingsError` for one that cannot be made anew on another machine, or need not."""
    if not isinstance(model, str):
        raise SettingsError(
            f"The executor ray makes the readers' model on every node; a {type(model).__name__} object cannot be sent there.",
            hint="Give the readers' model as a string: openai:NAME or langchain:PROVIDER:NAME.",
        )
    name = model.strip()
    if name == "extractive":
        raise SettingsError(
            "The extractive model runs beside the corpus; there is nothing to read on other machines.",
            hint="Leave the executor at local, or give a language model: --model openai:NAME.",
        )
    if name.startswith("vllm:"):
        served = name.removeprefix("vllm:")
        raise SettingsError(
            f"{name} lives in one process; the executor ray would load it once for every reader process.",
            hint=f"Serve it (vllm serve {served}) and give --model openai:{served} --base-url http://HOST:8000/v1.",
        )
    return name


def _shared(memory: Memory) -> RedisMemory:
    if not isinstance(memory, RedisMemory):
        raise SettingsError(
            f"The executor ray needs a memory that every node reaches; {memory.url} is of this machine alone.",
            hint="Give one in Redis or Valkey: --memory redis://HOST:PORT/DB, or EXTAGENTS_MEMORY.",
        )
    return memory
