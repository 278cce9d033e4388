"""What travels between a run and the readers on other machines: an order there, a reply back; never the corpus, never a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from extagents.account import Account, BudgetEnded, Closed, DeadlineEnded
from extagents.agents.reader import ReadJob
from extagents.budget import Amount, Budget
from extagents.errors import ExtAgentsError, LeaseLost, RunError, SettingsError, StoreError
from extagents.gate import CallFailed
from extagents.memory.base import Memory
from extagents.prompts import Own
from extagents.prompts.loader import Language
from extagents.redaction import scrub
from extagents.types import Document, Prices, Report, ShardText, Usage

FailureKind = Literal["budget", "deadline", "closed", "call", "lease", "store", "settings", "cancelled", "bug"]
_STOPS = {"budget": BudgetEnded, "deadline": DeadlineEnded, "closed": Closed}


class Sealed:
    """A text that nobody is to see on its way: no representation shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Sealed(***)"

    def opened(self) -> str:
        """The text."""
        return self._text


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a reader process is made from. Of secrets it holds prints alone, keyed with `salt`: enough to know them by.

    `memory` is the URL where it holds no password, else None; `window` is in tokens, `timeout` and `ttl` in seconds.
    """

    version: str
    model: str
    base_url: str | None
    window: int | None
    prices: Prices | None
    seed: int | None
    timeout: float
    concurrency: int
    server_metrics: bool
    tenant: str
    ttl: int
    memory: str | None
    salt: bytes
    key_print: bytes | None
    memory_print: bytes | None
    secret_print: bytes


@dataclass(frozen=True, slots=True)
class Purse:
    """A run's account as another process sees it. `spent` is what is used or held elsewhere, `keep` what may not be touched.

    `above` is the account of the batch that the run belongs to.
    """

    run: str
    budget: Budget
    keep: Amount
    spent: Amount
    fence: int | None
    above: Purse | None = None

    @classmethod
    def of(cls, account: Account, own: Amount) -> Purse:
        """The account, without what it holds for the call that is to be made (`own`)."""
        known = Amount.of(account.usage) + account.reserved
        above = None if account.parent is None else cls.of(account.parent, own)
        return cls(account.run_id, account.budget, account.keep, known.less(own), account.fence, above)

    def account(self, memory: Memory, *, deadline: float | None = None, answered: Mapping[str, str] | None = None) -> Account:
        """An account of its own over the same memory, whose `usage` begins at nothing."""
        account = Account(
            self.run,
            self.budget,
            memory=memory,
            deadline=deadline,
            keep=self.keep,
            spent=Usage(calls=self.spent.calls, input_tokens=self.spent.tokens, cost=self.spent.cost),
            answered=answered,
            fence=self.fence,
            parent=None if self.above is None else self.above.account(memory),
        )
        account.usage = Usage()
        return account


@dataclass(frozen=True, slots=True)
class Order:
    """One read for another process. `documents` are those of the shard's sections, without their texts; `seconds` are left.

    `journal` is 0, or how recent the run's journal must be from which what is paid already is answered. `lost` names the
    reservation of an earlier reader of this order that is gone: what it had under way counts as spent, unless it is answered.
    """

    number: int
    job: ReadJob
    text: ShardText
    documents: dict[str, Document]
    version: str
    language: Language
    window: int
    output_tokens: int
    knowledge_tokens: int
    secret: bytes
    own: Own
    purse: Purse
    seconds: float | None
    journal: int = 0
    lost: str | None = None

    def __repr__(self) -> str:
        return f"Order({self.number}, {self.job.shard.id!r})"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a read brought no report, in plain values."""

    kind: FailureKind
    message: str
    hint: str = ""
    told: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a read brought, or why it brought nothing, and what its calls cost."""

    usage: Usage
    report: Report | None = None
    failure: Failure | None = None


def failure_of(error: BaseException, *secrets: str) -> Failure:
    """The error as it travels. Only what has no type of ours is told in a library's words, and without the secrets."""
    for kind, stop in _STOPS.items():
        if isinstance(error, stop):
            return Failure(kind, str(error))  # type: ignore[arg-type]
    if isinstance(error, CallFailed):
        return Failure("call", error.message, error.hint, (error.kind, error.usage, error.fatal, error.model))
    if isinstance(error, LeaseLost):
        return Failure("lease", error.message, error.hint)
    if isinstance(error, StoreError):
        return Failure("store", error.message, error.hint, (error.retryable,))
    if isinstance(error, ExtAgentsError):
        return Failure("settings", error.message, error.hint)
    return Failure("bug", scrub(f"{type(error).__name__}: {error}", *secrets))


def error_of(failure: Failure, run: str) -> Exception:
    """The error as it is raised in the run's own process: of the type that a reader in this process would raise."""
    if (stop := _STOPS.get(failure.kind)) is not None:
        return stop(failure.message)
    if failure.kind == "call":
        kind, usage, fatal, model = failure.told
        return CallFailed(kind, failure.message, usage=usage, fatal=fatal, model=model)
    if failure.kind == "lease":
        return LeaseLost(run)
    if failure.kind == "store":
        return StoreError(failure.message, hint=failure.hint, run_id=run, retryable=failure.told[0])
    if failure.kind == "settings":
        return SettingsError(failure.message, hint=failure.hint, run_id=run)
    if failure.kind == "cancelled":
        return RunError("A reader on the cluster was stopped from outside.", hint="Resume the run.", run_id=run, retryable=True)
    return RunError(f"A reader on the cluster failed: {failure.message}", hint="This is a bug; please report it.", run_id=run)
