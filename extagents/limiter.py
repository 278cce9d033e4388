"""One adaptive limiter for all calls of a process: how many calls, and how many tokens, an endpoint has in flight.

Additive increase, multiplicative decrease (Chiu and Jain 1989), as in TCP: an endpoint starts at its cap, is halved at
most once per round trip when it refuses or does not answer in time (a few scattered refusals are no sign of load and cut
nothing), and gets a place back with every success while it is short of places: one a round trip where it has been refused at
about that limit before. `Retry-After` holds for every call to that
endpoint. It also knows whether an endpoint was ever reached.

An engine that tells its load (`Load`) is asked each second while calls are in flight: a queue that grows there is cut before
calls time out in it, and before whoever goes first waits behind it.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from extagents.errors import CallError
from extagents.models.base import Load

Probe = Callable[[], Awaitable[Load | None]]
Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]

SCATTERED = 0.08  # share of refused calls up to which refusals are an endpoint's mood, not its load: no cut
WINDOW = 32  # calls, at least, over which that share is taken
KNOWN = 2  # cuts in a row at about the same limit, with answers between them, after which that limit is the endpoint's own
SAME = 1.5  # factor between two limits that are about the same
NEAR = 0.75  # of a known limit, from which on places come back one a round trip and no faster
LOOK_EVERY = 1.0  # seconds between two looks at an engine's load
QUEUE = 0.5  # of the requests that an engine works on, as many may wait there: they keep it busy, more only grow old
FULL = 0.95  # share of an engine's KV cache in use, from which on it gets no more calls than it has
FEWEST = 8  # the part of the cap (one in so many) that a queue never takes away: it may be made by others
BLIND = 5  # looks in a row that failed, after which an engine is not asked any more
LONGEST_PAUSE = 2.0  # seconds between probes of an endpoint that refuses everything and says nothing about when to return


@dataclass(slots=True)
class Place:
    """A call in flight: when it started (the limiter's clock) and how many tokens it may take."""

    started: float
    tokens: int


@dataclass
class Endpoint:
    """What is known of one endpoint. `limit` and `token_limit` are what it may have in flight now."""

    cap: int
    limit: float
    token_limit: float | None = None
    in_flight: int = 0
    tokens: int = 0
    cut_at: float = float("-inf")
    answers: float = 0.0  # recent calls that were answered, and that were refused: older ones count ever less
    troubles: float = 0.0
    good: float = 0.0  # the limit that calls last succeeded under before they were refused
    level: float = 0.0  # the limit at the last cut
    again: int = 0  # cuts in a row at about that limit
    fresh: bool = True  # whether a call begun after the last cut has succeeded
    paused_until: float = float("-inf")
    refusals: int = 0  # round trips that ended in a refusal since the last success
    silent_since: float = float("inf")  # first refusal or dropped call since the last success
    silenced: set[str] = field(default_factory=set)  # calls refused or dropped since
    successes: int = 0
    reached: bool = False  # whether it ever answered anything, be it a refusal
    unreached: int = 0  # consecutive calls that found no server
    failed: int = 0  # consecutive calls given up for good
    waiting: list[tuple[int, int, asyncio.Future[None], int]] = field(default_factory=list)
    waker: asyncio.Task[None] | None = None
    probe: Probe | None = None  # asks the engine for its load; None where it tells none
    watcher: asyncio.Task[None] | None = None
    blind: bool = False
    load: Load | None = None  # as last told, and as first
    first_load: Load | None = None
    held: bool = False  # no growth: the engine has as much as it can take

    @property
    def cached_share(self) -> float:
        """The share of prompt tokens that the engine found in its prefix cache since it was first asked."""
        return 0.0 if self.load is None else self.load.cached_share(self.first_load)


class Limiter:
    """Hands out places. All methods belong to one event loop; nothing is bound to a loop before the first call.

    `concurrency` is the cap of calls in flight per endpoint. `clock` and `sleep` can be replaced in tests.
    """

    def __init__(self, concurrency: int = 64, *, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self.concurrency = concurrency
        self._clock = clock
        self._sleep = sleep
        self._endpoints: dict[str, Endpoint] = {}
        self._order = 0

    def endpoint(self, key: str, *, cap: int | None = None, probe: Probe | None = None) -> Endpoint:
        """The state of an endpoint, made when first asked for; `cap` changes its cap from now on, `probe` who is asked for its
        load.
        """
        known = self._endpoints.get(key)
        if known is None:
            size = cap or self.concurrency
            known = self._endpoints[key] = Endpoint(cap=size, limit=float(size), good=float(size))
        elif cap is not None and cap != known.cap:
            if known.limit >= known.cap or known.limit > cap:
                known.limit = float(cap)
            known.cap = cap
            known.good = float(cap)
            self._admit(known)
        if probe is not None:
            known.probe = probe
        return known

    async def acquire(self, endpoint: Endpoint, tokens: int, *, priority: int = 1) -> Place:
        """Waits for a place: lower `priority` first, then first come, first served. Cancelling gives the place back."""
        if not self._ahead(endpoint, priority) and self._fits(endpoint, tokens):
            self._take(endpoint, tokens)
        else:
            self._order += 1
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(endpoint.waiting, (priority, self._order, future, tokens))
            self._admit(endpoint)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._give(endpoint, tokens)
                else:
                    future.cancel()
                self._admit(endpoint)
                raise
        return Place(started=self._clock(), tokens=tokens)

    def release(self, endpoint: Endpoint, place: Place) -> None:
        """Ends a call that says nothing about the endpoint's load (a cancelled one, an unusable answer)."""
        self._give(endpoint, place.tokens)
        self._admit(endpoint)

    def success(self, endpoint: Endpoint, place: Place) -> None:
        """Ends a call that was answered: one place more if the endpoint was short of them."""
        self._count(endpoint, answer=1.0)
        if not endpoint.fresh and place.started >= endpoint.cut_at:
            endpoint.fresh = True
            if endpoint.again < KNOWN:
                # The first answer after a storm: growing from one place again would take a round trip a doubling.
                endpoint.limit = max(endpoint.limit, endpoint.good / 2)
                if endpoint.token_limit is not None:
                    endpoint.token_limit = max(endpoint.token_limit, endpoint.limit * place.tokens)
        short = endpoint.limit < endpoint.cap or endpoint.token_limit is not None
        if short and not endpoint.held and (endpoint.waiting or endpoint.in_flight >= int(endpoint.limit)):
            step = self._step(endpoint)
            endpoint.limit = min(float(endpoint.cap), endpoint.limit + step)
            if endpoint.token_limit is not None:
                endpoint.token_limit += step * place.tokens
                if endpoint.limit >= endpoint.cap:
                    endpoint.token_limit = None
        self._give(endpoint, place.tokens)
        endpoint.refusals = endpoint.unreached = endpoint.failed = 0
        endpoint.silent_since = float("inf")
        endpoint.silenced.clear()
        endpoint.reached = True
        endpoint.successes += 1
        self._admit(endpoint)

    def trouble(self, endpoint: Endpoint, place: Place, *, retry_after: float | None = None, refused: bool = True) -> None:
        """Ends a call that was refused for load (`refused`) or not answered in time: half the places, once a round trip."""
        now = self._clock()
        self._count(endpoint, trouble=1.0)
        heavy = endpoint.troubles > SCATTERED * (endpoint.troubles + endpoint.answers)
        if heavy and place.started >= endpoint.cut_at:
            same = endpoint.level / SAME <= endpoint.limit <= endpoint.level * SAME
            endpoint.again = endpoint.again + 1 if same and not endpoint.refusals else 0
            endpoint.level = endpoint.limit
            if endpoint.fresh:
                endpoint.good, endpoint.fresh = endpoint.limit, False
            endpoint.limit = max(1.0, min(endpoint.limit, float(endpoint.in_flight)) / 2)
            endpoint.token_limit = max(float(place.tokens), endpoint.tokens / 2)
            endpoint.cut_at = now
            endpoint.refusals += 1
        pause = retry_after
        if refused and endpoint.limit <= 1.0:
            # Whoever names a time and refuses again then is asked ever more rarely, too: every refusal counts as a call.
            pause = max(pause or 0.0, min(LONGEST_PAUSE, 0.125 * 2 ** min(endpoint.refusals, 10)))
        if pause:
            endpoint.paused_until = max(endpoint.paused_until, now + pause)
        endpoint.reached = endpoint.reached or refused
        if refused:
            endpoint.silent_since = min(endpoint.silent_since, now)
        self._give(endpoint, place.tokens)
        self._admit(endpoint)

    def answered(self, endpoint: Endpoint, place: Place) -> None:
        """Ends a call that the server answered with an error that has nothing to do with load."""
        endpoint.reached = True
        endpoint.unreached = 0
        self.release(endpoint, place)

    def unreachable(self, endpoint: Endpoint, place: Place) -> None:
        """Ends a call that found no server."""
        endpoint.unreached += 1
        self.release(endpoint, place)

    def observe(self, endpoint: Endpoint, load: Load) -> None:
        """What the engine tells of itself: a queue beyond what keeps it busy is cut by as much (by half at most, and once until
        that has worked), and nothing grows while the queue is long, the cache full, or requests are put aside.
        """
        before, endpoint.load = endpoint.load, load
        if endpoint.first_load is None:
            endpoint.first_load = load
        put_aside = 0 if before is None else max(0, load.preempted - before.preempted)
        growing = before is None or load.waiting >= before.waiting
        endpoint.held = bool(put_aside) or load.waiting > QUEUE / 2 * load.running or load.cache_usage >= FULL
        # Its queue is everybody's: of what is too much there, this process takes back its own part.
        too_many = load.waiting - max(1.0, QUEUE * load.running)
        ours = endpoint.in_flight / max(1, endpoint.in_flight, load.running + load.waiting)
        surplus = max(too_many * ours if growing else 0.0, float(put_aside))
        if surplus > 0 and endpoint.in_flight <= endpoint.limit:
            fewest = max(1.0, endpoint.cap / FEWEST)
            fitting = max(endpoint.in_flight - surplus, endpoint.in_flight / 2, fewest)
            endpoint.limit = min(endpoint.limit, fitting)
        self._admit(endpoint)

    def silence(self, endpoint: Endpoint) -> float:
        """Seconds for which the endpoint has refused every call; 0 where the last one was answered."""
        return max(0.0, self._clock() - endpoint.silent_since)

    async def aclose(self) -> None:
        """Stops the timers; whoever still waits is cancelled."""
        for endpoint in self._endpoints.values():
            for task in (endpoint.waker, endpoint.watcher):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            for _, _, future, _ in endpoint.waiting:
                future.cancel()

    # ---- inside

    def _step(self, endpoint: Endpoint) -> float:
        """By how much a success raises the limit: fast after a storm, slowly where the endpoint's own limit is near."""
        if endpoint.again >= KNOWN and endpoint.limit > SAME * endpoint.level:
            endpoint.again = 0  # it bears more than it did
        if endpoint.again >= KNOWN:
            return 1.0 / endpoint.limit if endpoint.limit >= NEAR * endpoint.level else 1.0
        return 2.0 if endpoint.limit < endpoint.good / 2 else 1.0

    def _count(self, endpoint: Endpoint, *, answer: float = 0.0, trouble: float = 0.0) -> None:
        endpoint.answers += answer
        endpoint.troubles += trouble
        if endpoint.answers + endpoint.troubles > max(WINDOW, 2 * endpoint.limit):
            endpoint.answers /= 2
            endpoint.troubles /= 2

    def _ahead(self, endpoint: Endpoint, priority: int) -> bool:
        """Whether somebody who waits goes first."""
        while endpoint.waiting and endpoint.waiting[0][2].done():
            heapq.heappop(endpoint.waiting)
        return bool(endpoint.waiting) and endpoint.waiting[0][0] <= priority

    def _fits(self, endpoint: Endpoint, tokens: int) -> bool:
        if endpoint.in_flight >= max(1, int(endpoint.limit)):
            return False
        if endpoint.token_limit is not None and endpoint.in_flight and endpoint.tokens + tokens > endpoint.token_limit:
            return False
        return endpoint.paused_until == float("-inf") or self._clock() >= endpoint.paused_until

    def _take(self, endpoint: Endpoint, tokens: int) -> None:
        endpoint.in_flight += 1
        endpoint.tokens += tokens
        if endpoint.watcher is None and endpoint.probe is not None and not endpoint.blind:
            endpoint.watcher = asyncio.create_task(self._watch(endpoint))

    def _give(self, endpoint: Endpoint, tokens: int) -> None:
        endpoint.in_flight -= 1
        endpoint.tokens -= tokens

    def _admit(self, endpoint: Endpoint) -> None:
        """Lets in whoever fits now, and sets the timer where only a pause keeps them out."""
        while endpoint.waiting:
            _, _, future, tokens = endpoint.waiting[0]
            if future.done():
                heapq.heappop(endpoint.waiting)
                continue
            if not self._fits(endpoint, tokens):
                break
            heapq.heappop(endpoint.waiting)
            self._take(endpoint, tokens)
            future.set_result(None)
        if endpoint.waiting and endpoint.paused_until > self._clock() and (endpoint.waker is None or endpoint.waker.done()):
            endpoint.waker = asyncio.create_task(self._wake(endpoint))

    async def _wake(self, endpoint: Endpoint) -> None:
        while (remaining := endpoint.paused_until - self._clock()) > 0:
            await self._sleep(remaining)
        endpoint.waker = None
        self._admit(endpoint)

    async def _watch(self, endpoint: Endpoint) -> None:
        """Looks at the engine's load until nothing is in flight, or it turns out to tell none."""
        failed = 0
        try:
            while not endpoint.blind:
                await self._sleep(LOOK_EVERY)
                if not endpoint.in_flight or endpoint.probe is None:
                    return
                try:
                    load = await endpoint.probe()
                except CallError:  # calls meet the same trouble, and they are told
                    failed += 1
                    endpoint.blind = failed >= BLIND
                    continue
                failed = 0
                if load is None:
                    endpoint.blind = True
                else:
                    self.observe(endpoint, load)
        finally:
            endpoint.watcher = None
            endpoint.held = False
