"""One adaptive limiter: full speed from the start, half on trouble, back to full speed soon after."""

from __future__ import annotations

import asyncio

import pytest

from extagents.limiter import Endpoint, Limiter, Place


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
