"""What the Ray executor is made of, without a cluster: what travels, what is refused, what is held while a read is away."""

from __future__ import annotations

import asyncio
import pickle
import sys
from typing import Any

import pytest
from sentinels import API_KEY, form_in

from extagents.account import Account, BudgetEnded, Closed, DeadlineEnded
from extagents.budget import Amount, Budget
from extagents.cli import doctor
from extagents.errors import LeaseLost, RunError, SettingsError, StoreError
from extagents.executors import cluster
from extagents.executors.cluster import Node
from extagents.executors.fleet import Fleet
from extagents.executors.orders import Purse, Recipe, Sealed, error_of, failure_of
from extagents.executors.reader_actor import KEYS, _found, print_of
from extagents.gate import CallFailed
from extagents.memory.open import open_memory
from extagents.opening import executor_of
from extagents.settings import Settings
from extagents.testing.redis_server import free_port
from extagents.types import Usage


@pytest.mark.parametrize(
    "error",
    [
        BudgetEnded("no more"),
        DeadlineEnded("time is up"),
        Closed("told to end"),
        CallFailed("auth", "refused", usage=Usage(calls=2), fatal=True, model="openai:m"),
        StoreError("The memory is full.", hint="Free some.", retryable=True),
        LeaseLost("monday"),
        SettingsError("No price is known.", hint="Give one."),
    ],
)
def test_an_error_travels_and_is_raised_as_what_it_was(error: Any) -> None:
    travelled = pickle.loads(pickle.dumps(failure_of(error)))  # noqa: S301 - our own
    made: Any = error_of(travelled, "monday")
    assert type(made) is type(error)
    assert str(made) == str(error)
    for name in ("kind", "usage", "fatal", "model", "hint", "retryable"):
        assert getattr(made, name, None) == getattr(error, name, None)


def test_an_error_of_a_library_travels_without_secrets() -> None:
    made = error_of(failure_of(KeyError(f"header {API_KEY}"), API_KEY), "monday")
    assert isinstance(made, RunError)
    assert "KeyError" in made.message
    assert form_in(str(made)) is None


def test_a_secret_is_known_by_its_print_where_the_environment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    salt = b"0" * 16
    monkeypatch.setenv("EXTAGENTS_API_KEY", "another")
    monkeypatch.setenv("OPENAI_API_KEY", f" {API_KEY}\n")
    assert _found(print_of(API_KEY, salt), salt, KEYS) == API_KEY
    assert _found(print_of(API_KEY, salt), b"1" * 16, KEYS) is None
    assert _found(None, salt, KEYS) is None
    assert form_in(repr(Sealed(API_KEY))) is None
    assert Sealed(API_KEY).opened() == API_KEY


async def test_what_is_away_is_held_and_what_comes_back_is_counted() -> None:
    account = Account("run", Budget(tokens=100))
    await account.lend("a", Amount(calls=1, tokens=60), keep=Amount())
    assert account.reserved == Amount(calls=1, tokens=60)
    waiting = asyncio.ensure_future(account.lend("b", Amount(calls=1, tokens=60), keep=Amount()))
    await asyncio.sleep(0)
    assert not waiting.done(), "it waits for what the first one may give back"
    account.take_back("a", Usage(calls=1, input_tokens=30))
    await waiting
    account.take_back("b", Usage(calls=1, input_tokens=30))
    with pytest.raises(BudgetEnded):
        await account.lend("c", Amount(calls=1, tokens=60), keep=Amount())
    assert account.usage == Usage(calls=2, input_tokens=60)
    assert not await account.changed()


async def test_what_is_away_is_held_in_the_batchs_account_too() -> None:
    batch = Account("batch", Budget(tokens=100))
    one, other = Account("one", parent=batch), Account("other", parent=batch)
    await one.lend("a", Amount(tokens=60), keep=Amount())
    waiting = asyncio.ensure_future(other.lend("a", Amount(tokens=60), keep=Amount()))
    await asyncio.sleep(0)
    assert not waiting.done()
    one.take_back("a", Usage(input_tokens=10))
    await waiting
    assert batch.usage.input_tokens == one.usage.input_tokens == 10
    purse = Purse.of(other, Amount(tokens=60))
    assert purse.above is not None
    assert purse.above.spent.tokens == 10


def recipe(concurrency: int) -> Recipe:
    unused: dict[str, Any] = {"window": None, "prices": None, "seed": None, "memory": None, "base_url": None}
    prints = {"salt": b"", "key_print": None, "memory_print": None, "secret_print": b""}
    named = {"version": "0", "model": "openai:m", "tenant": "t", "ttl": 1, "timeout": 1.0, "server_metrics": False}
    return Recipe(concurrency=concurrency, **unused, **prints, **named)


@pytest.mark.parametrize(
    ("concurrency", "nodes", "cpus", "processes"),
    [(64, 2, 8, 1), (256, 2, 8, 2), (256, 2, 1, 1), (1024, 1, 4, 4), (16, 4, 0, 1)],
)
def test_a_node_gets_a_process_for_each_64_reads_of_its_share_and_at_most_one_a_cpu(
    concurrency: int, nodes: int, cpus: float, processes: int
) -> None:
    fleet = Fleet(recipe(concurrency), None, None)
    assert fleet._wanted(Node("n", "127.0.0.1", cpus), nodes) == processes


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://head:10001", "Run this on a node"),
        ("nonsense", "no address of a Ray cluster"),
        (f"127.0.0.1:{free_port()}", "There is no Ray cluster at"),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(SettingsError) as refused:
        cluster.running_address()
    assert said in str(refused.value)
    assert refused.value.hint


def test_what_a_cluster_that_is_gone_left_behind_is_no_address(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert cluster.running_address() is None
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{free_port()}")
    assert cluster.running_address() is None


def test_without_ray_the_hint_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    settings = Settings(model="openai:m", executor="ray", memory="redis://127.0.0.1:1/0")
    with pytest.raises(SettingsError, match="not installed") as refused:
        executor_of(settings, "openai:m", open_memory(settings.memory))
    assert 'pip install "extagents[ray]"' in refused.value.hint
    [check] = doctor.executor(settings)
    assert (check.status, check.hint) == ("fail", refused.value.hint)


def test_the_doctor_says_what_cannot_be_distributed_and_where_no_cluster_is(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert doctor.executor(Settings(executor="local")) == []
    [check] = doctor.executor(Settings(model="openai:m", executor="ray", memory="memory://"))
    assert check.status == "fail"
    assert "redis://" in check.hint
    [check] = doctor.executor(Settings(model="openai:m", executor="ray", memory="redis://127.0.0.1:1/0"))
    assert check.status == "note"
    assert "ray start --head" in check.hint
