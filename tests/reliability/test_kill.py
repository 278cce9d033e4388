"""Kill -9 at any moment of a run: what is resumed ends as if nothing had happened, and nobody pays twice.

Every point kills one process (some of them a second one, that was resuming), at a moment of the clock or at an event: at the
n-th begin or end of a call of some phase or of a write of some kind, or up to some milliseconds later. Then another process
goes on with the memory as it is. The model is deterministic and sensitive: whatever a prompt lacks changes what follows.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from reliability.kill_harness import Child, Kept, Servant, comparable, kept_in
from reliability.kill_scenarios import CONCURRENCY, SCENARIOS
from reliability.size import FULL, record, sized

from extagents.memory.lease import live

POINTS = sized(6, 100)  # for each kind of store
BY_TIME = 0.35  # of the points
TWICE = 0.2  # of the points: the resumed run is killed, too
TURNS = 8  # that are tried where a run is over before its kill
MOST_DELAY = 0.004  # seconds between an event and the kill that it sets off
# In the short size, so many of the scenarios: those with the most phases, and none that takes long.
CHOSEN = SCENARIOS if FULL else ("unsure", "iterative", "single", "survey")

Store = Literal["sqlite", "redis"]


@dataclass(frozen=True)
class Undisturbed:
    """A run of a scenario that nobody killed."""

    answer: dict[str, Any]
    kept: Kept
    calls: int
    seconds: float
    events: Counter[str]


@dataclass(frozen=True)
class Point:
    """Where a run is killed. `event` "" means by time, `seconds` after its start; `again`: the event of the second kill."""

    number: int
    scenario: str
    event: str = ""
    nth: int = 0
    delay: float = 0.0
    seconds: float = 0.0
    again: int = 0
    how: str = "resume"


# ------------------------------------------------------------------ what is at hand


@pytest.fixture(scope="module")
def undisturbed(servant: Servant, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Undisturbed]:
    """Every scenario, asked by a process that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    made = {}
    for number, name in enumerate(CHOSEN):
        memory = f"sqlite:///{folder}/{number}.sqlite"
        child = servant.start(name, memory, tenant="t").end()
        assert child.answer is not None, child.error
        events = Counter(one["event"] for one in child.told if one["event"].startswith(("begin ", "end ")))
        seconds = child.told[-1]["at"] - child.told[0]["at"]
        made[name] = Undisturbed(comparable(child.answer), kept_in(memory, "t"), child.calls, seconds, events)
    return made


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The memory's URL, with the number of the point still to be put in."""
    redis: str = request.getfixturevalue("shared_redis") if request.param == "redis" else ""
    return redis or f"sqlite:///{tmp_path}/{{}}.sqlite"


# ------------------------------------------------------------------ where to kill


def points(store: Store, known: dict[str, Undisturbed]) -> list[Point]:
    """The points of a store: the first for each phase are at the beginning or the end of it, the others anywhere."""
    rng = random.Random(f"kill {store}")
    homes: dict[str, list[str]] = {}
    for name, run in known.items():
        for event in run.events:
            homes.setdefault(event.partition(" ")[2], []).append(name)
    phases = sorted(homes)
    rng.shuffle(phases)
    made = []
    for number in range(POINTS):
        how = rng.choice(("resume", "ask again"))
        again = rng.randrange(1, 60) if rng.random() < TWICE else 0
        if number >= len(phases) and rng.random() < BY_TIME * POINTS / max(1, POINTS - len(phases)):
            name = rng.choice(list(known))
            point = Point(number, name, seconds=known[name].seconds * rng.random(), again=again, how=how)
        else:
            phase = phases[number % len(phases)]
            name = rng.choice(sorted(set(homes[phase])))
            event = f"{rng.choice(('begin', 'end'))} {phase}"
            delay = MOST_DELAY * rng.random() if number >= len(phases) and rng.random() < 0.5 else 0.0
            nth = rng.randint(1, known[name].events[event])
            point = Point(number, name, event=event, nth=nth, delay=delay, again=again, how=how)
        made.append(point)
    return made


# ------------------------------------------------------------------ one point


@dataclass
class Course:
    """What happened at a point."""

    point: Point
    killed: list[Child]
    last: Child
    left: Kept  # by the first process that was killed
    after: Kept
    hit: set[str]

    @property
    def calls(self) -> int:
        return sum(child.calls for child in (*self.killed, self.last))

    @property
    def unrecorded(self) -> int:
        """Calls that had begun when their process was killed, and that the memory did not know to be over."""
        later = sum(child.calls - child.count("end store settle") for child in self.killed[1:])
        return self.killed[0].calls - self.left.calls + later


def killed_at(servant: Servant, point: Point, memory: str, tenant: str) -> Child:
    """A run that was killed at the point, unless it was over by then."""
    if point.event:
        kill = {"event": point.event, "nth": point.nth, "delay": point.delay}
        return servant.start(point.scenario, memory, tenant=tenant, kill=kill).end()
    first = servant.start(point.scenario, memory, tenant=tenant)
    first.over(point.seconds)
    return first.kill()


def ran(servant: Servant, point: Point, memory: str) -> Course:
    """Begins a run, kills it at the point, and goes on with it to the end."""
    for turn in range(TURNS):
        tenant = f"point {point.number}, {turn}"
        first = killed_at(servant, point, memory, tenant)
        if first.answer is None:
            break
        # It was faster than its kill: once more, and earlier.
        point = replace(point, nth=max(1, point.nth // 2), delay=0.0, seconds=point.seconds / 2)
    killed = [first]
    left = kept_in(memory, tenant)
    how = point.how if left.record is not None else "ask again"  # what was never begun is not there to be resumed
    if point.again:
        kill = {"event": "", "nth": point.again, "delay": 0.0}
        killed.append(servant.start(point.scenario, memory, tenant=tenant, how=how, kill=kill).end())
    last = servant.start(point.scenario, memory, tenant=tenant, how=how).end()
    return Course(point, killed, last, left, kept_in(memory, tenant), hit_by(first))


def hit_by(child: Child) -> set[str]:
    """The phases that a kill hit: what was under way, and what had just begun or ended."""
    if child.answer is not None:
        return set()
    last = child.told[-1]["event"]
    return set(child.under_way()) | {last.partition(" ")[2] or "load"}


def problems(course: Course, whole: Undisturbed) -> Iterator[str]:
    """What is not as it was promised."""
    last, after = course.last, course.after
    if last.answer is None:
        yield f"not resumed: {last.error}"
        return
    if comparable(last.answer) != whole.answer:
        names = [name for name, value in comparable(last.answer).items() if value != whole.answer[name]]
        yield f"another answer: {[(name, last.answer[name], whole.answer[name]) for name in names]}"
    if after.reported != whole.kept.reported:
        lost = len(set(whole.kept.reported) - set(after.reported))
        more = len(set(after.reported) - set(whole.kept.reported))
        yield f"reports lost: {lost}, other ones: {more}, stored: {len(after.reported)} of {len(whole.kept.reported)}"
    if after.ledger != whole.kept.ledger:
        yield "another ledger"
    if course.calls > whole.calls + course.unrecorded:
        yield f"paid again: {course.calls} calls > {whole.calls} undisturbed + {course.unrecorded} in flight at the kill"
    open_calls = {name: n for name, n in course.killed[0].under_way().items() if not name.startswith("store ")}
    if sum(open_calls.values()) > CONCURRENCY:
        yield f"more in flight than allowed: {open_calls}"
    if course.unrecorded > 2 * CONCURRENCY * len(course.killed):  # as many may be answered and on their way to the memory
        yield f"{course.unrecorded} calls were not recorded at the kill"
    counted = course.calls if "budget" in SCENARIOS[course.point.scenario].settings else course.calls - course.unrecorded
    if after.calls < counted:
        yield f"the memory counts {after.calls} calls, the model {counted}"
    if last.answer["usage"]["calls"] != after.calls:
        yield f"the answer counts {last.answer['usage']['calls']} calls, the memory {after.calls}"
    stored = after.record
    if stored is None or stored.status != "done" or stored.answer is None:
        yield f"not stored as done: {stored and stored.status}"
    elif comparable(stored.answer) != comparable(last.answer):
        yield "another answer is stored than was given"
    elif live(stored.lease):
        yield f"somebody still works on it: {stored.lease}"


@pytest.mark.parametrize("url", ["sqlite", "redis"], indirect=True)
def test_a_run_killed_anywhere_ends_as_if_it_had_not_been(
    request: pytest.FixtureRequest, servant: Servant, undisturbed: dict[str, Undisturbed], url: str
) -> None:
    store: Store = request.node.callspec.params["url"]
    failures: list[str] = []
    hits, saved, hit_at_all, twice = Counter[str](), 0, 0, 0
    chosen = points(store, undisturbed)
    for point in chosen:
        course = ran(servant, point, url.format(point.number))
        whole = undisturbed[point.scenario]
        failures += [f"{point}: {problem}" for problem in problems(course, whole)]
        hits.update(course.hit)
        hit_at_all += bool(course.hit)
        twice += len(course.killed) > 1 and course.killed[1].answer is None
        saved += whole.calls - (course.calls - course.killed[0].calls)
    phases = {event.partition(" ")[2] for run in undisturbed.values() for event in run.events}
    record(
        f"killed runs, {store}",
        points=len(chosen),
        killed=hit_at_all,
        killed_twice=twice,
        phases=len(phases & set(hits)),
        hits=dict(sorted(hits.items())),
        calls_saved=saved,
        calls_undisturbed=sum(undisturbed[point.scenario].calls for point in chosen),
        failures=len(failures),
    )
    assert not failures, f"{len(failures)} in {len(chosen)} points:\n" + "\n".join(failures[:20])
    assert hit_at_all == len(chosen)
    if FULL:
        assert phases <= set(hits), f"never hit: {phases - set(hits)}"
