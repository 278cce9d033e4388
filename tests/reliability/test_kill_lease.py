"""One process works on a run: others are told so, a dead one is succeeded at once, one that slept too long writes nothing."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from reliability.kill_harness import RUN, Child, Kept, Servant, comparable, kept_in, wait_until
from reliability.size import FULL, record, sized

from extagents.memory.lease import live

SCENARIO = "ranked"
TENANT = "t"
AT_ONCE = sized(3, 12)  # processes that resume the same run at the same moment
TIMES = sized(1, 10)  # that they do
SHORT = {"lease_seconds": 0.6}
LONG = {"lease_seconds": 600.0}


@pytest.fixture(params=["sqlite", "redis"] if FULL else ["redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/m.sqlite"
    found: str = request.getfixturevalue("shared_redis")
    return found


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    return request.node.name


@pytest.fixture
def held(tmp_path: Path) -> dict[str, str]:
    """Readings with knowledge wait as long as this file is there."""
    file = tmp_path / "held"
    file.touch()
    return {"phase": "read again", "file": str(file)}


def let_go(held: dict[str, str]) -> None:
    Path(held["file"]).unlink()


@pytest.fixture(scope="module")
def whole(servant: Servant, tmp_path_factory: pytest.TempPathFactory) -> Child:
    """An undisturbed run."""
    return servant.start(SCENARIO, f"sqlite:///{tmp_path_factory.mktemp('whole')}/m.sqlite", tenant=TENANT).end()


@pytest.fixture(scope="module")
def answer(whole: Child) -> dict[str, Any]:
    assert whole.answer is not None
    return comparable(whole.answer)


def refused(child: Child) -> str:
    """What a process said that was refused because another works on the run; it made no call."""
    assert child.end().error is not None, child.answer
    assert child.error["type"] == "RunBusy", child.error
    assert child.calls == 0
    return f"{child.error['message']} {child.error['hint']}"


def unchanged(now: Kept, before: Kept) -> bool:
    """Whether nothing that a run stores has changed but its lease and what was spent."""

    def shown(kept: Kept) -> tuple[object, ...]:
        assert kept.record is not None
        return (kept.record.status, kept.record.state, kept.record.answer, kept.reported, kept.ledger, kept.notes, kept.told)

    return shown(now) == shown(before)


@pytest.mark.parametrize("how", ["resume", "ask again"])
def test_a_second_process_is_told_who_works_on_the_run_and_calls_nobody(
    servant: Servant, url: str, tenant: str, held: dict[str, str], answer: dict[str, Any], how: str
) -> None:
    first = servant.start(SCENARIO, url, tenant=tenant, held=held)
    first.wait_for("begin read again", nth=3)
    before = kept_in(url, tenant)
    second = servant.start(SCENARIO, url, tenant=tenant, how=how)
    said = refused(second)
    assert re.search(rf"{RUN!r} is under way by process {first.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", said), said
    assert "stop that process" in said
    assert unchanged(kept_in(url, tenant), before)
    let_go(held)
    assert comparable(first.end().answer) == answer
    assert comparable(servant.start(SCENARIO, url, tenant=tenant, how=how).end().answer) == answer


@pytest.mark.parametrize("turn", range(TIMES))
def test_of_many_that_resume_at_once_one_works(
    servant: Servant, url: str, tenant: str, held: dict[str, str], whole: Child, answer: dict[str, Any], turn: int
) -> None:
    dead = servant.start(SCENARIO, url, tenant=tenant, kill={"event": "begin read again", "nth": 3, "delay": 0.0}).end()
    recorded = kept_in(url, tenant).calls
    children = [servant.start(SCENARIO, url, tenant=tenant, how="resume", held=held) for _ in range(AT_ONCE)]
    wait_until(lambda: sum(one.error is not None for one in children) == AT_ONCE - 1, "more than one works, or none")
    let_go(held)
    winners = [one for one in children if one.end().error is None]
    assert [comparable(one.answer) for one in winners if one.answer is not None] == [answer]
    for one in children:
        if one is not winners[0]:
            refused(one)
    assert winners[0].calls <= whole.calls - recorded
    assert dead.calls + winners[0].calls <= whole.calls + (dead.calls - recorded)


def test_after_a_kill_a_resume_on_the_same_machine_starts_at_once(
    servant: Servant, url: str, tenant: str, answer: dict[str, Any]
) -> None:
    kill = {"event": "begin read again", "nth": 3, "delay": 0.0}
    servant.start(SCENARIO, url, tenant=tenant, settings=LONG, kill=kill).end()
    since = time.monotonic()
    second = servant.start(SCENARIO, url, tenant=tenant, how="resume", settings=LONG)
    second.wait_for("begin read again")
    waited = time.monotonic() - since
    assert comparable(second.end().answer) == answer
    record("resumed after a kill", store=url.partition(":")[0], lease_seconds=LONG["lease_seconds"], seconds=round(waited, 3))
    assert waited < LONG["lease_seconds"] / 10


def test_a_dead_process_that_nobody_asked_after_holds_nothing(servant: Servant, tmp_path: Path) -> None:
    memory, kill = f"sqlite:///{tmp_path}/m.sqlite", {"event": "end read", "nth": 2, "delay": 0.0}
    first = servant.start(SCENARIO, memory, tenant=TENANT, settings=LONG, kill=kill, unburied=True).end()
    os.kill(first.pid, 0)  # it is there still, as a zombie
    assert servant.start(SCENARIO, memory, tenant=TENANT, how="resume", settings=LONG).end().answer is not None


def test_a_process_on_another_machine_is_waited_for_until_its_lease_runs_out(
    servant: Servant, url: str, tenant: str, answer: dict[str, Any]
) -> None:
    kill = {"event": "begin read again", "nth": 3, "delay": 0.0}
    servant.start(SCENARIO, url, tenant=tenant, host="elsewhere", settings=LONG, kill=kill).end()
    said = refused(servant.start(SCENARIO, url, tenant=tenant, how="resume"))
    assert "on another machine" in said
    assert re.search(r"can be resumed in \d+ s", said), said
    tenant = f"{tenant}, short"
    servant.start(SCENARIO, url, tenant=tenant, host="elsewhere", settings=SHORT, kill=kill).end()
    assert comparable(once_free(servant, url, tenant).answer) == answer


def once_free(servant: Servant, url: str, tenant: str) -> Child:
    """The process that gets the run, at last, and ends it."""
    tried: list[Child] = []

    def free() -> bool:
        tried.append(servant.start(SCENARIO, url, tenant=tenant, how="resume", settings=LONG).end())
        return tried[-1].error is None or tried[-1].error["type"] != "RunBusy"

    wait_until(free, "the run never was free")
    return tried[-1]


def test_a_process_that_slept_longer_than_its_lease_writes_nothing_more_and_says_so(
    servant: Servant, url: str, tenant: str, held: dict[str, str], answer: dict[str, Any]
) -> None:
    first = servant.start(SCENARIO, url, tenant=tenant, held=held, settings=SHORT)
    first.wait_for("begin read again", nth=3)
    first.wait_for("end store renew", nth=6)
    kept = kept_in(url, tenant).record
    assert kept is not None
    assert kept.lease is not None
    assert kept.lease.until - kept.lease.since > 2 * SHORT["lease_seconds"]  # it lasts while its holder works
    first.wait_for("end store renew", nth=first.count("end store renew") + 1)  # a third of the lease until the next write
    os.kill(first.pid, signal.SIGSTOP)
    second = once_free(servant, url, tenant)
    assert comparable(second.answer) == answer
    before = kept_in(url, tenant)
    assert before.record is not None
    assert before.record.status == "done"
    let_go(held)
    os.kill(first.pid, signal.SIGCONT)
    assert first.end().error is not None, first.answer
    assert first.error["type"] == "LeaseLost", first.error
    assert "taken over by another process" in first.error["message"]
    after = kept_in(url, tenant)
    assert unchanged(after, before)
    assert not live(after.record.lease if after.record else None)
    assert after.calls >= first.calls + second.calls  # what it cost is counted all the same
    record("fenced off", store=url.partition(":")[0], refused_writer_calls=first.calls, changed=0)


def test_a_process_that_slept_while_another_still_works_does_not_disturb_it(
    servant: Servant, url: str, tenant: str, held: dict[str, str], tmp_path: Path, answer: dict[str, Any]
) -> None:
    own = {"phase": "read again", "file": str(tmp_path / "own")}
    Path(own["file"]).touch()
    first = servant.start(SCENARIO, url, tenant=tenant, held=own, settings=SHORT)
    first.wait_for("begin read again", nth=3)
    first.wait_for("end store renew", nth=first.count("end store renew") + 1)
    os.kill(first.pid, signal.SIGSTOP)
    tried: list[Child] = []

    def works() -> bool:
        if not tried or tried[-1].error is not None:
            tried.append(servant.start(SCENARIO, url, tenant=tenant, how="resume", held=held, settings=LONG))
        return tried[-1].count("begin read again") > 0

    wait_until(works, "the run never was free")
    let_go(own)
    os.kill(first.pid, signal.SIGCONT)
    assert first.end().error is not None, first.answer
    assert first.error["type"] == "LeaseLost", first.error
    let_go(held)
    assert comparable(tried[-1].end().answer) == answer
    kept = kept_in(url, tenant)
    assert kept.record is not None
    assert kept.record.status == "done"
