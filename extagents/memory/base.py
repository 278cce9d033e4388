"""The memory's protocol: what runs leave behind, and what their agents share.

One protocol, several backends (`sqlite`, `redis`), one conformance suite (`extagents.testing.memory_conformance`).
The memory is the checkpoint: a run killed at any instant goes on from what was posted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import Field

from extagents.budget import Amount, Budget
from extagents.types import Answer, Compressed, Fact, Frozen, Report, Usage

RunStatus = Literal["running", "done", "partial", "failed"]
NOTHING = Amount()
SCHEMA_VERSION = 3  # of what is stored; 2 added leases and the journal of answered calls, 3 rows and tables


class Manifest(Frozen):
    """What a run was started with; written once. With the reports posted before a wave it decides every later prompt.

    `shards` is the packing: for every shard its id and its pieces as (document id, start, end).
    """

    run: str
    question: str
    created: float
    model: str
    settings: dict[str, Any]
    corpus: str
    packing: str
    shards: tuple[tuple[str, tuple[tuple[str, int, int], ...]], ...] = ()
    request: dict[str, Any] = Field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION


class Holder(Frozen):
    """A process that works on a run. `host` is a hash of machine, boot and process namespace.

    `born` is when the process started, in seconds since 1970: a later process may get the same number. `key` tells the runs
    of one process apart.
    """

    host: str
    pid: int
    born: float
    key: str


class Lease(Frozen):
    """Who may write to a run, from when until when (seconds since 1970, the store's clock).

    `token` is higher than that of every earlier lease of the run, and fences off those who held it: their writes are refused
    (Gray and Cheriton 1989; fencing as in Kleppmann 2016).
    """

    token: int
    holder: Holder
    since: float
    until: float


class RunRecord(Frozen):
    """A stored run. `state` is the coordinator's own small state (phase, round, plan), `answer` what it ended with.

    `lease` is the one that was taken last and not given back.
    """

    manifest: Manifest
    status: RunStatus
    updated: float
    state: dict[str, Any] = Field(default_factory=dict)
    answer: dict[str, Any] | None = None
    reports: int = 0
    spent: Usage = Usage()
    lease: Lease | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield None, self.manifest.run
        yield from {"status": self.status, "question": self.manifest.question, "reports": self.reports}.items()

    def _repr_html_(self) -> str:
        from extagents.display import run_card

        form = Compressed if self.state.get("goal") == "compress" else Answer
        return run_card(
            self.manifest.run,
            status=self.status,
            question=self.manifest.question,
            model=self.manifest.model,
            packing=self.manifest.packing,
            reports=self.reports,
            usage=self.spent,
            result=None if self.answer is None else form.model_validate(self.answer),
        )


class Note(Frozen):
    """One version of an agent's notes."""

    run: str
    name: str
    version: int
    content: dict[str, Any]


@runtime_checkable
class Memory(Protocol):
    """All coroutines raise `extagents.errors.StoreError` and nothing else when the store fails.

    A memory object belongs to one tenant. Names (of runs, notes, cache keys) may be any text. Writes take a `fence`, the token
    of the lease that the writer holds: `LeaseLost` is raised, and nothing changed, where the run has another by now. What was
    spent is the exception: `settle` always counts.
    """

    url: str

    # ---- runs
    async def create_run(self, manifest: Manifest, *, fence: int | None = None) -> bool:
        """Stores the manifest; False (and nothing changed) if a run of that name is there already."""
        ...

    async def load_run(self, run: str) -> RunRecord | None: ...

    async def list_runs(self) -> list[RunRecord]:
        """All runs, the most recently updated first. Manifests come without `shards`."""
        ...

    async def update_run(
        self,
        run: str,
        *,
        status: RunStatus | None = None,
        state: dict[str, Any] | None = None,
        answer: dict[str, Any] | None = None,
        manifest: Manifest | None = None,
        fence: int | None = None,
    ) -> None:
        """Replaces what is given, leaves the rest; a run that is not there is left alone."""
        ...

    async def forget_run(self, run: str) -> bool:
        """Deletes everything stored under the run; False if there was nothing."""
        ...

    # ---- leases
    async def acquire(self, run: str, holder: Holder, seconds: float, *, over: int | None = None) -> Lease:
        """The run's lease: the holder's own, if nobody else held it; else the one that another holds.

        A lease is free when it was given back, has run out, or has the token `over` (its holder is known to be gone). Taking it
        counts what is still reserved as spent, at its upper bound: whoever reserved it will not settle it any more.
        """
        ...

    async def renew(self, run: str, token: int, seconds: float) -> bool:
        """Makes the lease last `seconds` from now; False if the run has another by now, or none."""
        ...

    async def give_back(self, run: str, token: int) -> None:
        """Ends the lease. Of a run that was never begun nothing is left."""
        ...

    # ---- reports and the ledger of facts
    async def post(self, report: Report, *, cache_key: str | None = None, fence: int | None = None) -> bool:
        """Stores a report in one atomic step, keyed by (run, round, shard, version); False if it was there already.

        A report replaces one of the same key that says that its shard could not be read. The same step adds its facts to the
        ledger and, with `cache_key`, puts the findings into the tenant's read cache.
        """
        ...

    async def reports(self, run: str, *, before_wave: int | None = None, after_wave: int | None = None) -> list[Report]:
        """The run's reports with after_wave < wave < before_wave, by (round, shard, version), whatever order they came in."""
        ...

    async def knowledge(self, run: str, budget_tokens: int, *, without: str | None = None, question: int = 0) -> list[Fact]:
        """The top of the ledger under a token budget, facts of shard `without` left out: ExtAgents' synchronisation."""
        ...

    # ---- read cache, across runs of the tenant
    async def cached(self, keys: Sequence[str]) -> list[Report | None]:
        """For every key the report stored under it, or None."""
        ...

    # ---- notes
    async def write_note(self, run: str, name: str, content: dict[str, Any], *, fence: int | None = None) -> int:
        """Adds a version and returns its number (from 1); older versions stay."""
        ...

    async def read_note(self, run: str, name: str, version: int | None = None) -> Note | None:
        """The given or the newest version."""
        ...

    # ---- budget
    async def reserve(
        self, run: str, call: str, amount: Amount, budget: Budget, *, keep: Amount = NOTHING, fence: int | None = None
    ) -> bool:
        """Reserves `amount` under the name `call` if spent + reserved + amount + keep stays within the budget; atomic.

        Reserving again under a name that is still reserved replaces that reservation.
        """
        ...

    async def settle(self, run: str, call: str, usage: Usage, *, answered: tuple[str, str] | None = None) -> None:
        """Ends the reservation `call` and adds what was really used; without a reservation it only adds.

        `answered` is what the call brought, as (key, body), kept in the run's journal in the same atomic step: a run that is
        resumed does not pay for it again. The first body under a key stays.
        """
        ...

    async def journal(self, run: str) -> dict[str, str]:
        """What the run's calls brought: body by key."""
        ...

    async def spent(self, run: str) -> Usage: ...

    # ---- events
    async def append_event(self, run: str, event: dict[str, Any], *, fence: int | None = None) -> None: ...

    async def events(self, run: str) -> list[dict[str, Any]]:
        """In the order in which they were appended; at most the newest 10,000 are kept."""
        ...

    # ---- the rest
    async def secret(self) -> bytes:
        """32 random bytes, made once per tenant and kept: keys the nonces that fence documents off in prompts."""
        ...

    async def check(self) -> list[str]:
        """Warnings about how this store is set up (no persistence, an evicting policy); empty if all is well."""
        ...

    async def aclose(self) -> None: ...
