"""One adaptive limiter: full speed from the start, half on trouble, back to full speed soon after."""

from __future__ import annotations

import asyncio

import pytest

from extagents.errors import CallError
from extagents.limiter import Endpoint, Limiter, Place
from extagents.models.base import Load


class Clock:
    """Time that passes only when told. Whoever sleeps is woken in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.now + seconds, event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        await settle()
        end = self.now + seconds
        while due := [item for item in self._sleepers if item[0] <= end]:
            first = min(due, key=lambda item: item[0])
            self._sleepers.remove(first)
            self.now = max(self.now, first[0])
            first[1].set()
            await settle()
        self.now = end
        await settle()


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def places(limiter: Limiter, endpoint: Endpoint, count: int, tokens: int = 10) -> list[Place]:
    return [await limiter.acquire(endpoint, tokens) for _ in range(count)]


async def test_all_places_are_there_from_the_start(clock: Clock) -> None:
    limiter = Limiter(256, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    await places(limiter, endpoint, 256)
    waiting = asyncio.create_task(limiter.acquire(endpoint, 10))
    await settle()
    assert endpoint.in_flight == 256
    assert not waiting.done()
    waiting.cancel()


async def test_trouble_halves_the_places_once_a_round_trip(clock: Clock) -> None:
    limiter = Limiter(64, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    held = await places(limiter, endpoint, 64)
    clock.now = 1.0
    for place in held[:30]:
        limiter.trouble(endpoint, place)
    assert endpoint.limit == 32
    clock.now = 2.0
    for place in held[30:]:
        limiter.release(endpoint, place)
    later = await places(limiter, endpoint, 32)
    limiter.trouble(endpoint, later[0])
    assert endpoint.limit == 16


async def test_tokens_in_flight_are_halved_too(clock: Clock) -> None:
    limiter = Limiter(64, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    held = await places(limiter, endpoint, 10, tokens=1000)
    clock.now = 1.0
    limiter.trouble(endpoint, held.pop())
    assert endpoint.token_limit == 5000
    big = asyncio.create_task(limiter.acquire(endpoint, 4500))
    await settle()
    assert not big.done()
    while endpoint.tokens > 500 and held:
        limiter.release(endpoint, held.pop())
    await settle()
    assert big.done()


async def test_retry_after_holds_everybody_back(clock: Clock) -> None:
    limiter = Limiter(8, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    (place,) = await places(limiter, endpoint, 1)
    limiter.trouble(endpoint, place, retry_after=30.0)
    waiting = asyncio.create_task(limiter.acquire(endpoint, 10))
    await clock.advance(29.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert waiting.done()


async def test_another_endpoint_is_not_held_back(clock: Clock) -> None:
    limiter = Limiter(8, clock=clock, sleep=clock.sleep)
    one, other = limiter.endpoint("a"), limiter.endpoint("b")
    (place,) = await places(limiter, one, 1)
    limiter.trouble(one, place, retry_after=30.0)
    await asyncio.wait_for(limiter.acquire(other, 10), 1)


async def test_first_come_first_served_but_reasoning_before_reading(clock: Clock) -> None:
    limiter = Limiter(1, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    (place,) = await places(limiter, endpoint, 1)
    order: list[str] = []

    async def go(name: str, priority: int) -> None:
        mine = await limiter.acquire(endpoint, 1, priority=priority)
        order.append(name)
        limiter.success(endpoint, mine)

    tasks = [asyncio.create_task(go(name, priority)) for name, priority in (("r1", 2), ("r2", 2), ("think", 0), ("r3", 2))]
    await settle()
    limiter.success(endpoint, place)
    await asyncio.gather(*tasks)
    assert order == ["think", "r1", "r2", "r3"]


async def test_a_cancelled_waiter_loses_no_place(clock: Clock) -> None:
    limiter = Limiter(1, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    (place,) = await places(limiter, endpoint, 1)
    first, second = (asyncio.create_task(limiter.acquire(endpoint, 1)) for _ in range(2))
    await settle()
    limiter.success(endpoint, place)  # hands the place to `first`, which is cancelled before it can take it
    first.cancel()
    await asyncio.wait_for(second, 1)
    assert endpoint.in_flight == 1


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.0])
async def test_full_speed_is_back_within_ten_seconds_after_a_storm(
    clock: Clock, retry_after: float | None, seconds: float
) -> None:
    limiter = Limiter(256, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    storm_end = 40.0
    stop = False

    async def lane() -> None:
        while not stop:
            place = await limiter.acquire(endpoint, 8000, priority=2)
            if 5.0 < clock() < storm_end:
                await clock.sleep(0.05)
                limiter.trouble(endpoint, place, retry_after=retry_after)
            else:
                await clock.sleep(seconds)
                limiter.success(endpoint, place)

    tasks = [asyncio.create_task(lane()) for _ in range(256)]
    await clock.advance(storm_end)
    assert endpoint.limit <= 8
    await clock.advance(10.0)
    assert endpoint.in_flight == 256
    stop = True
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await limiter.aclose()


async def test_scattered_refusals_leave_most_of_the_speed(clock: Clock) -> None:
    """Three refusals in a hundred, whatever the load, say nothing about the load."""
    limiter = Limiter(256, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    done = calls = 0

    async def lane() -> None:
        nonlocal done, calls
        while True:
            place = await limiter.acquire(endpoint, 8000, priority=2)
            calls += 1
            mine = calls
            if mine * 37 % 1000 < 30:
                await clock.sleep(0.01)
                limiter.trouble(endpoint, place)
            else:
                await clock.sleep(0.7 + mine * 7919 % 100 * 0.006)
                done += 1
                limiter.success(endpoint, place)

    tasks = [asyncio.create_task(lane()) for _ in range(256)]
    await clock.advance(20.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done > 0.9 * 256 * 20


async def test_an_endpoint_that_bears_few_calls_is_hardly_ever_asked_for_more(clock: Clock) -> None:
    limiter = Limiter(64, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    bears, seconds = 8, 0.05
    in_flight = answered = refused = 0

    async def lane(number: int) -> None:
        nonlocal in_flight, answered, refused
        while True:
            place = await limiter.acquire(endpoint, 1000)
            in_flight += 1
            if in_flight > bears:
                await clock.sleep(0.002)
                in_flight, refused = in_flight - 1, refused + 1
                limiter.trouble(endpoint, place)
                await clock.sleep(0.5 + number / 256)
            else:
                await clock.sleep(seconds * (0.8 + 0.4 * number / 128))
                in_flight, answered = in_flight - 1, answered + 1
                limiter.success(endpoint, place)

    tasks = [asyncio.create_task(lane(number)) for number in range(128)]
    await clock.advance(2.0)
    answered = refused = 0
    await clock.advance(8.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert answered > 0.85 * bears * 8.0 / seconds
    assert refused < 0.15 * answered


# ------------------------------------------------------------------ an engine that tells its load


async def test_a_queue_at_the_engine_is_cut_by_what_is_too_much(clock: Clock) -> None:
    limiter = Limiter(16, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    await places(limiter, endpoint, 16)
    limiter.observe(endpoint, Load(running=10, waiting=6))
    assert endpoint.limit == 15  # five of ten may wait
    limiter.observe(endpoint, Load(running=10, waiting=12))
    assert endpoint.limit == 15  # it takes a round trip until that shows


async def test_a_queue_is_cut_by_half_at_most_and_never_below_an_eighth(clock: Clock) -> None:
    limiter = Limiter(64, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    held = await places(limiter, endpoint, 64)
    limits = []
    for _ in range(6):
        limiter.observe(endpoint, Load(running=1, waiting=1000))
        limits.append(endpoint.limit)
        while endpoint.in_flight > endpoint.limit:
            limiter.success(endpoint, held.pop())
    assert limits == [32, 16, 8, 8, 8, 8]


async def test_a_queue_made_by_others_takes_only_our_part(clock: Clock) -> None:
    limiter = Limiter(64, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    await places(limiter, endpoint, 30)
    limiter.observe(endpoint, Load(running=180, waiting=120))
    assert endpoint.limit == pytest.approx(30 - 30 * 30 / 300)


async def test_a_queue_that_shrinks_is_left_alone(clock: Clock) -> None:
    limiter = Limiter(16, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    held = await places(limiter, endpoint, 16)
    limiter.observe(endpoint, Load(running=8, waiting=8))
    assert endpoint.limit == 12
    while endpoint.in_flight > 12:
        limiter.success(endpoint, held.pop())
    limiter.observe(endpoint, Load(running=8, waiting=7))
    assert endpoint.limit == 12


@pytest.mark.parametrize("load", [Load(running=8, waiting=4), Load(running=8, cache_usage=0.96), Load(running=8, preempted=1)])
async def test_an_engine_that_has_enough_gets_no_more(clock: Clock, load: Load) -> None:
    limiter = Limiter(16, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    limiter.observe(endpoint, Load(running=8))
    endpoint.limit = 8.0
    held = await places(limiter, endpoint, 8)
    limiter.observe(endpoint, load)
    before = endpoint.limit
    limiter.success(endpoint, held.pop())
    assert endpoint.limit == before <= 8
    held += await places(limiter, endpoint, int(before) - endpoint.in_flight)
    limiter.observe(endpoint, Load(running=8, waiting=1, preempted=load.preempted))
    limiter.success(endpoint, held.pop())
    assert endpoint.limit > before


async def test_requests_put_aside_cost_as_many_places(clock: Clock) -> None:
    limiter = Limiter(16, clock=clock, sleep=clock.sleep)
    endpoint = limiter.endpoint("a")
    await places(limiter, endpoint, 16)
    limiter.observe(endpoint, Load(running=16, preempted=40))
    assert endpoint.limit == 16  # those were before our time
    limiter.observe(endpoint, Load(running=13, preempted=43))
    assert endpoint.limit == 13


async def test_an_engine_is_looked_at_each_second_while_calls_are_in_flight(clock: Clock) -> None:
    limiter = Limiter(4, clock=clock, sleep=clock.sleep)
    looks = 0

    async def probe() -> Load:
        nonlocal looks
        looks += 1
        return Load(running=1, looked_up=100 * looks, found=90 * looks)

    endpoint = limiter.endpoint("a", probe=probe)
    place = await limiter.acquire(endpoint, 10)
    await clock.advance(3.5)
    assert looks == 3
    assert endpoint.cached_share == 0.9
    limiter.success(endpoint, place)
    await clock.advance(60)
    assert (looks, endpoint.watcher) == (3, None)
    await limiter.acquire(endpoint, 10)
    await clock.advance(1.5)
    assert looks == 4
    await limiter.aclose()


@pytest.mark.parametrize("fails", [False, True])
async def test_an_engine_that_tells_nothing_is_left_alone(clock: Clock, fails: bool) -> None:
    limiter = Limiter(4, clock=clock, sleep=clock.sleep)
    looks = 0

    async def probe() -> Load | None:
        nonlocal looks
        looks += 1
        if fails:
            raise CallError("connection", "gone")
        return None

    endpoint = limiter.endpoint("a", probe=probe)
    held = [await limiter.acquire(endpoint, 10)]
    await clock.advance(100)
    assert looks == (5 if fails else 1)
    limiter.success(endpoint, held.pop())
    await limiter.acquire(endpoint, 10)
    await clock.advance(100)
    assert looks == (5 if fails else 1)


async def test_the_engines_queue_stays_short_and_the_engine_busy(clock: Clock) -> None:
    """64 callers, an engine that works on 8 requests at a time and lets the others queue, first come, first served."""
    limiter = Limiter(64, clock=clock, sleep=clock.sleep)
    running = 0
    queue: list[asyncio.Event] = []
    waits: list[int] = []
    done = 0

    async def probe() -> Load:
        return Load(running=running, waiting=len(queue))

    endpoint = limiter.endpoint("a", probe=probe)

    async def lane(number: int) -> None:
        nonlocal running, done
        while True:
            place = await limiter.acquire(endpoint, 1000)
            if running >= 8:
                turn = asyncio.Event()
                queue.append(turn)
                await turn.wait()
            running += 1
            await clock.sleep(2.0 * (0.8 + 0.4 * number / 64))
            running -= 1
            if queue:
                queue.pop(0).set()
            done += 1
            waits.append(len(queue))
            limiter.success(endpoint, place)

    tasks = [asyncio.create_task(lane(number)) for number in range(64)]
    await clock.advance(60.0)
    done, waits[:] = 0, []
    await clock.advance(60.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await limiter.aclose()
    assert done >= 0.95 * 8 * 60.0 / 2.0
    assert max(waits) <= 8
