"""A vLLM server, imitated: it is known by what it lists, tells its load, and lets others go before readers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from sentinels import API_KEY

from extagents import limiter
from extagents.errors import CallError
from extagents.gate import Account, Gate
from extagents.limiter import Limiter
from extagents.models.base import Load, Message, Prompt
from extagents.models.openai_compatible import OpenAICompatible
from extagents.models.vllm_server import load_of
from extagents.testing import FakeEndpoint
from extagents.testing.endpoint import Fault, refusal, vllm_listing, vllm_metrics
from extagents.types import PlannerInput, Verdict

TEXT = Verdict(answerable=True, answer="Guido", confidence=0.9, facts=[1], queries=[]).model_dump_json()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def prompt(role: Any = "reasoner") -> Prompt[Any]:
    return Prompt(role, PlannerInput(question="Who?"), Verdict, (Message("user", "Who?"),), 100, "v1")


def a_vllm(script: Callable[[dict[str, Any]], Any] = lambda _: TEXT, **changes: Any) -> FakeEndpoint:
    settings = {"models": vllm_listing(), "metrics": lambda: vllm_metrics(running=3, waiting=2), **changes}
    return FakeEndpoint(script, **settings)


# ------------------------------------------------------------------ figures


def test_the_load_is_read_from_the_page_of_metrics() -> None:
    told = Load(running=7, waiting=3, cache_usage=0.25, preempted=2, looked_up=1000, found=600)
    page = vllm_metrics(running=7, waiting=3, cache_usage=0.25, preempted=2, looked_up=1000, found=600)
    assert load_of(page) == told
    assert told.cached_share() == 0.6


def test_engines_of_one_server_are_added_up() -> None:
    page = "".join(
        f'vllm:num_requests_running{{engine="{n}"}} {n}.0\nvllm:num_requests_waiting{{engine="{n}"}} 1.0\n'
        f'vllm:kv_cache_usage_perc{{engine="{n}"}} 0.{n}\n'
        for n in (2, 5)
    )
    load = load_of(page)
    assert load is not None
    assert (load.running, load.waiting, load.cache_usage) == (7, 2, 0.5)


@pytest.mark.parametrize("page", ["", "<html>no</html>", "process_cpu_seconds_total 3.0\n", "vllm:num_requests_running oops\n"])
def test_another_page_tells_no_load(page: str) -> None:
    assert load_of(page) is None


def test_the_cached_share_is_told_since_an_earlier_look() -> None:
    before, now = Load(looked_up=1000, found=0), Load(looked_up=3000, found=1500)
    assert (now.cached_share(), now.cached_share(before), before.cached_share(before)) == (0.5, 0.75, 0.0)


# ------------------------------------------------------------------ asking for them


async def test_a_vllm_is_asked_for_its_load_with_the_key() -> None:
    async with a_vllm() as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url, api_key=API_KEY)
        load = await model.load()
        assert await model.load() == load == Load(running=3, waiting=2)
        await model.aclose()
    assert endpoint.listed == 1
    assert endpoint.looking[0]["Authorization"] == f"Bearer {API_KEY}"


@pytest.mark.parametrize(
    ("models", "settings"),
    [
        ([{"id": "fake", "owned_by": "sglang", "max_model_len": 4096}], {}),
        ([], {}),
        (vllm_listing("another") + vllm_listing("second"), {}),
        (vllm_listing(), {"server_metrics": False}),
    ],
)
async def test_whoever_is_no_vllm_or_not_to_be_asked_is_not_asked(
    models: list[dict[str, Any]], settings: dict[str, Any]
) -> None:
    async with a_vllm(models=models) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url, **settings)
        assert await model.load() is None
        await model.aclose()
    assert endpoint.looked == 0


async def test_a_page_kept_from_us_tells_nothing_and_a_broken_one_is_an_error_of_its_own() -> None:
    for fault in (Fault(404), Fault(403, "no")):
        async with a_vllm(metrics=lambda fault=fault: fault) as endpoint:  # type: ignore[misc]
            model = OpenAICompatible("fake", base_url=endpoint.base_url)
            assert await model.load() is None
            await model.aclose()
    for fault in (Fault(500, f"oops {API_KEY}"), Fault(reset=True)):
        async with a_vllm(metrics=lambda fault=fault: fault) as endpoint:  # type: ignore[misc]
            model = OpenAICompatible("fake", base_url=endpoint.base_url, api_key=API_KEY)
            with pytest.raises(CallError) as caught:
                await model.load()
            assert API_KEY not in str(caught.value)
            await model.aclose()


async def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


async def test_a_queue_at_the_server_takes_places_away_while_calls_are_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "LOOK_EVERY", 0.01)
    go = asyncio.Event()
    waiting = 12

    async def script(_: dict[str, Any]) -> str:
        await go.wait()
        return TEXT

    async with a_vllm(script, metrics=lambda: vllm_metrics(running=4, waiting=waiting, looked_up=10, found=5)) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        gate = Gate({"default": model}, limiter=Limiter(16))
        calls = [asyncio.create_task(gate.call(prompt("reader"), Account("run"))) for _ in range(16)]
        state = gate.limiter.endpoint(model.endpoint)
        await until(lambda: state.limit < 16)
        assert state.limit == 8  # half at most
        assert state.load == Load(running=4, waiting=12, looked_up=10, found=5)
        waiting = 0
        go.set()
        assert all(called.output.answer == "Guido" for called in await asyncio.gather(*calls))
        await until(lambda: state.watcher is None)
        await model.aclose()


async def test_metrics_that_fail_fail_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "LOOK_EVERY", 0.001)
    gone = asyncio.Event()

    async def script(_: dict[str, Any]) -> str:
        await gone.wait()
        return TEXT

    async with a_vllm(script, metrics=lambda: Fault(500)) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        gate = Gate({"default": model}, limiter=Limiter(4))
        call = asyncio.create_task(gate.call(prompt(), Account("run")))
        state = gate.limiter.endpoint(model.endpoint)
        await until(lambda: state.blind)
        gone.set()
        assert (await call).usage.retries == 0
        await model.aclose()
    assert endpoint.looked == limiter.BLIND
    assert state.limit == 4


# ------------------------------------------------------------------ priority


async def test_others_go_before_readers() -> None:
    async with a_vllm() as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        await model.complete(prompt())  # not yet known to be a vLLM
        await model.describe()
        for role in ("reasoner", "reader", "planner"):
            await model.complete(prompt(role))
        await model.complete(prompt(), on_delta=lambda _: None)
        await model.aclose()
    assert [body.get("priority") for body in endpoint.requests] == [None, -1, None, -1, -1]


async def test_a_vllm_that_refuses_priority_is_asked_for_it_once() -> None:
    async with a_vllm(priority=False) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        await model.describe()
        for _ in range(3):
            assert (await model.complete(prompt())).text == TEXT
        await model.aclose()
    assert [body.get("priority") for body in endpoint.requests] == [-1, None, None, None]


async def test_no_other_endpoint_hears_of_priority() -> None:
    async with FakeEndpoint(lambda _: TEXT) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        await model.describe()
        await model.complete(prompt())
        await model.aclose()
    assert "priority" not in endpoint.requests[0]


# ------------------------------------------------------------------ guided decoding


@pytest.mark.parametrize("stream", [False, True])
async def test_a_vllm_is_asked_for_guided_answers_under_every_name_it_had(stream: bool) -> None:
    def script(body: dict[str, Any]) -> Any:
        for name in ("response_format", "structured_outputs"):
            if name in body:
                return refusal(400, f"{name}: extra inputs are not permitted; guided decoding is not available under it")
        return TEXT

    async with a_vllm(script) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        await model.describe()
        await model.complete(prompt(), on_delta=(lambda _: None) if stream else None)
        await model.aclose()
    first, second, third = endpoint.requests
    assert first["response_format"]["type"] == "json_schema"
    assert second["structured_outputs"]["json"] == first["response_format"]["json_schema"]["schema"]
    assert third["guided_json"] == second["structured_outputs"]["json"]
    assert "response_format" not in third
