"""The gate: budget, place, call, retry, parse, settle, in this order, whatever the model does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from extagents.budget import Amount, Budget
from extagents.errors import CallError, ModelError, SettingsError
from extagents.gate import Account, BudgetEnded, CallFailed, DeadlineEnded, Gate
from extagents.limiter import Limiter
from extagents.models.base import Completion, Message, ModelInfo, Prices, Prompt
from extagents.testing import FaultyModel, ScriptedModel
from extagents.types import PlannerInput, Reading, Usage, Verdict

VERDICT = Verdict(answerable=True, answer="Guido", confidence=0.9, facts=[1], queries=[])
READING = Reading(facts=[], queries=["who?"], continues=False)


def prompt(text: str = "Who?", *, output: Any = Verdict, role: Any = "reasoner", room: int = 100) -> Prompt[Any]:
    messages = (Message("system", "You answer."), Message("user", text))
    return Prompt(role, PlannerInput(question=text), output, messages, room, "v1")


class Store:
    """The two coroutines of the memory that the gate uses, as strict as the contract says."""

    def __init__(self) -> None:
        self.reserved: dict[str, Amount] = {}
        self.settled: list[tuple[str, Usage]] = []
        self.most = Amount()

    async def reserve(self, run: str, call: str, amount: Amount, budget: Budget, *, keep: Amount, fence: int | None) -> bool:
        await asyncio.sleep(0)
        others = {name: held for name, held in self.reserved.items() if name != call}
        total = sum(others.values(), self.spent) + amount
        wanted = total + keep
        for name in ("tokens", "calls", "cost"):
            ceiling = getattr(budget, name)
            if ceiling is not None and getattr(wanted, name) > ceiling + 1e-9:
                return False
        self.reserved[call] = amount
        self.most = total
        return True

    async def settle(self, run: str, call: str, usage: Usage, *, answered: tuple[str, str] | None) -> None:
        await asyncio.sleep(0)
        self.reserved.pop(call, None)
        self.settled.append((call, usage))

    @property
    def spent(self) -> Amount:
        return sum((Amount.of(usage) for _, usage in self.settled), Amount())


class Waits:
    """Instead of sleeping: notes for how long it would have been, and goes on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def clock(self) -> float:
        return self.now


def gate(model: Any, *, memory: Any = None, waits: Waits | None = None, **settings: Any) -> Gate:
    waits = waits or Waits()
    limiter = Limiter(settings.pop("concurrency", 64), clock=waits.clock, sleep=waits.sleep)
    return Gate({"default": model}, limiter=limiter, memory=memory, clock=waits.clock, sleep=waits.sleep, **settings)


def failing(times: int, error: Callable[[], BaseException], then: Any = VERDICT) -> ScriptedModel:
    """Fails so many times, then answers."""
    seen = 0

    def answer(_: Prompt[Any]) -> Any:
        nonlocal seen
        seen += 1
        return error() if seen <= times else then

    return ScriptedModel(answer)


@contextlib.asynccontextmanager
async def others(the_gate: Gate) -> AsyncIterator[None]:
    """Somebody who asks the same gate all the time, and is answered."""

    async def ask() -> None:
        while True:
            await the_gate.call(prompt("good"), Account("other"))
            await asyncio.sleep(0)

    task = asyncio.create_task(ask())
    try:
        await until(lambda: the_gate.limiter.endpoint(next(iter(the_gate.models.values())).endpoint).successes > 0)  # type: ignore[attr-defined]
        yield
    finally:
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Lets the others run until it holds."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


# ------------------------------------------------------------------ answers


async def test_a_typed_answer_passes_and_is_settled_once() -> None:
    store = Store()
    called = await gate(ScriptedModel(lambda _: VERDICT), memory=store).call(prompt(), Account("run"), call_id="c1")
    assert called.output == VERDICT
    assert [name for name, _ in store.settled] == ["c1"]
    assert store.settled[0][1] == called.usage
    assert called.usage.calls == 1


async def test_each_role_has_its_model() -> None:
    small, large = ScriptedModel(lambda _: READING, name="small"), ScriptedModel(lambda _: VERDICT, name="large")
    both = Gate({"default": large, "reader": small})
    assert (await both.call(prompt(output=Reading, role="reader"), Account("run"))).model == "small"
    assert (await both.call(prompt(), Account("run"))).model == "large"


async def test_prose_gets_one_repair_call_that_shows_what_was_wrong() -> None:
    model = ScriptedModel({"reasoner": ["It was Guido, I think.", VERDICT.model_dump_json()]})
    called = await gate(model).call(prompt(), Account("run"))
    assert called.output == VERDICT
    assert called.usage.calls == 2
    assert called.usage.retries == 1
    shown = model.calls[1].messages
    assert shown[: len(model.calls[0].messages)] == model.calls[0].messages  # the cached prefix stays
    assert shown[-2].content == "It was Guido, I think."
    assert "answerable" in shown[-1].content


async def test_prose_twice_fails_the_call_and_after_many_the_model() -> None:
    the_gate = gate(ScriptedModel(lambda _: "I would rather chat."))
    failures = []
    for _ in range(8):
        with pytest.raises(CallFailed) as caught:
            await the_gate.call(prompt(), Account("run"))
        failures.append(caught.value)
    assert [failure.kind for failure in failures] == ["malformed"] * 8
    assert [failure.fatal for failure in failures] == [False] * 7 + [True]
    assert failures[0].usage.calls == 2


async def test_a_cut_answer_is_asked_for_again_with_more_room() -> None:
    usage = Usage(calls=1, input_tokens=5, output_tokens=100)
    cut: Completion[Any] = Completion(text='{"answerable": true, "ans', usage=usage, finish="length")
    model = ScriptedModel({"reasoner": [cut, VERDICT]})  # type: ignore[list-item]
    called = await gate(model).call(prompt(room=100), Account("run"))
    assert called.output == VERDICT
    assert [call.max_output_tokens for call in model.calls] == [100, 200]
    assert model.calls[1].messages == model.calls[0].messages


async def test_a_cut_answer_with_all_that_is_required_is_taken() -> None:
    fact = {"claim": "c", "quote": "q", "relevance": 1}
    cut: Completion[Any] = Completion(text=json.dumps({"facts": [fact, fact]})[:-20], usage=Usage(calls=1), finish="length")
    model = ScriptedModel(lambda _: cut)
    called = await gate(model).call(prompt(output=Reading, role="reader"), Account("run"))
    assert len(called.output.facts) == 1
    assert len(model.calls) == 1


async def test_what_the_model_thought_is_kept_apart() -> None:
    thought: Completion[Any] = Completion(text=VERDICT.model_dump_json(), usage=Usage(calls=1), reasoning="hm")
    called = await gate(ScriptedModel(lambda _: thought)).call(prompt(), Account("run"))
    assert called.reasoning == "hm"


async def test_the_answer_streams_as_text_and_not_as_json() -> None:
    pieces: list[str] = []
    verdict = VERDICT.model_copy(update={"answer": 'a "long" answer that comes in several pieces'})
    await gate(ScriptedModel(lambda _: verdict)).call(prompt(), Account("run"), on_delta=pieces.append)
    assert "".join(pieces) == verdict.answer
    assert len(pieces) > 1


# ------------------------------------------------------------------ retries


@pytest.mark.parametrize("kind", ["server", "timeout", "connection", "rate_limit"])
async def test_what_passes_is_tried_again(kind: Any) -> None:
    model = failing(2, lambda: CallError(kind, "later"))
    called = await gate(model).call(prompt(), Account("run"))
    assert called.output == VERDICT
    assert called.usage.calls == 3
    assert called.usage.retries == 2


@pytest.mark.parametrize(
    ("kind", "fatal"),
    [("auth", True), ("not_found", True), ("context_length", False), ("bad_request", False)],
)
async def test_what_does_not_pass_is_raised_at_once(kind: Any, fatal: bool) -> None:
    model = failing(99, lambda: CallError(kind, "no"))
    with pytest.raises(CallFailed) as caught:
        await gate(model).call(prompt(role="reader"), Account("run"))
    assert (caught.value.kind, caught.value.fatal, len(model.calls)) == (kind, fatal, 1)


async def test_a_call_that_is_too_long_and_cannot_be_split_is_tried_once_more() -> None:
    called = await gate(failing(1, lambda: CallError("context_length", "no"))).call(prompt(), Account("run"))
    assert called.usage.calls == 2
    model = failing(99, lambda: CallError("context_length", "no"))
    with pytest.raises(CallFailed):
        await gate(model).call(prompt(), Account("run"))
    assert len(model.calls) == 2


@pytest.mark.parametrize("kind", ["content_filter", "malformed"])
async def test_what_may_be_a_mood_is_tried_three_times(kind: Any) -> None:
    called = await gate(failing(2, lambda: CallError(kind, "no"))).call(prompt(), Account("run"))
    assert called.usage.calls == 3
    model = failing(99, lambda: CallError(kind, "no"))
    with pytest.raises(CallFailed) as caught:
        await gate(model).call(prompt(), Account("run"))
    assert (caught.value.kind, caught.value.fatal, len(model.calls)) == (kind, False, 3)


async def test_a_model_that_was_usable_before_is_asked_once_more_after_two_unusable_answers() -> None:
    replies = iter([VERDICT, "Hm.", "Well.", VERDICT, "Hm.", "Well.", "Oh."])
    the_gate = gate(ScriptedModel(lambda _: next(replies)))
    assert (await the_gate.call(prompt(), Account("run"))).usage.calls == 1
    assert (await the_gate.call(prompt("another"), Account("run"))).usage.calls == 3
    with pytest.raises(CallFailed) as caught:
        await the_gate.call(prompt("a third"), Account("run"))
    assert caught.value.usage.calls == 3


async def test_where_showing_what_was_wrong_is_too_long_the_call_is_asked_as_it_was() -> None:
    replies = iter([VERDICT, "Hm.", CallError("context_length", "too long"), VERDICT])
    model = ScriptedModel(lambda _: next(replies))
    the_gate = gate(model)
    await the_gate.call(prompt(), Account("run"))
    assert (await the_gate.call(prompt("another", role="reader"), Account("run"))).output == VERDICT
    assert model.calls[-1].messages == model.calls[1].messages


async def test_hung_attempts_count_twice() -> None:
    model = failing(99, lambda: CallError("timeout", "hung"))
    with pytest.raises(CallFailed):
        await gate(model).call(prompt(), Account("run"))
    assert len(model.calls) == 3


async def test_a_server_that_wants_to_be_left_alone_for_an_hour_is_given_up_at_once() -> None:
    waits = Waits()
    model = failing(99, lambda: CallError("rate_limit", "Daily limit reached.", retry_after=3600.0))
    with pytest.raises(CallFailed) as caught:
        await gate(model, waits=waits).call(prompt(), Account("run"))
    assert (len(model.calls), caught.value.fatal, waits.now) == (1, True, 100.0)
    assert caught.value.message == "Daily limit reached. The server asks to come back in 3600 s."


async def test_an_endpoint_that_refuses_everything_is_given_up_after_two_minutes() -> None:
    waits = Waits()
    with pytest.raises(CallFailed) as caught:
        await gate(failing(9999, lambda: CallError("rate_limit", "slow down")), waits=waits).call(prompt(), Account("run"))
    assert 120.0 <= waits.now - 100.0 <= 125.0
    assert caught.value.fatal
    assert caught.value.message.startswith("slow down. Nothing was answered for 12")


async def test_a_call_that_alone_is_refused_is_given_up_though_others_are_answered() -> None:
    waits = Waits()
    model = ScriptedModel(lambda call: CallError("rate_limit", "no") if call.messages[-1].content == "bad" else VERDICT)
    the_gate = gate(model, waits=waits)

    async with others(the_gate):
        with pytest.raises(CallFailed) as caught:
            await the_gate.call(prompt("bad"), Account("run"))
    assert not caught.value.fatal
    assert 25 <= sum(call.messages[-1].content == "bad" for call in model.calls) <= 40


async def test_a_further_attempt_tells_nothing_twice() -> None:
    told: list[str] = []

    class Breaks(ScriptedModel):
        async def complete(self, prompt: Any, *, timeout: float | None = None, on_delta: Any = None) -> Any:
            self.calls.append(prompt)
            on_delta('{"answerable": true, "answer": "Guido van')
            if len(self.calls) == 1:
                raise CallError("timeout", "stalled")
            on_delta(' Rossum", "confidence": 1')
            usage = Usage(calls=1, input_tokens=1, output_tokens=1)
            return Completion(text="", usage=usage, output=VERDICT.model_copy(update={"answer": "Guido van Rossum"}))

    await gate(Breaks(lambda _: VERDICT)).call(prompt(), Account("run"), on_delta=told.append)
    assert told == ["Guido van", " Rossum"]


async def test_waits_grow_and_end_after_six_attempts() -> None:
    waits = Waits()
    model = failing(99, lambda: CallError("server", "down"))
    with pytest.raises(CallFailed) as caught:
        await gate(model, waits=waits).call(prompt(), Account("run"))
    assert len(model.calls) == 6
    assert len(waits.seconds) == 5
    assert waits.seconds[-1] > waits.seconds[0] >= 0.5
    assert caught.value.usage.calls == 6
    assert caught.value.as_error(run_id="run").retryable


async def test_retry_after_is_obeyed() -> None:
    waits = Waits()
    model = failing(1, lambda: CallError("rate_limit", "slow down", retry_after=17.0))
    await gate(model, waits=waits).call(prompt(), Account("run"))
    assert waits.now - 100.0 >= 17.0


async def test_a_long_storm_of_refusals_costs_no_call() -> None:
    model = failing(25, lambda: CallError("rate_limit", "slow down", retry_after=1.0))
    called = await gate(model).call(prompt(), Account("run"))
    assert called.usage.calls == 26
    assert called.usage.input_tokens < 100  # the refused ones are settled at no tokens


async def test_a_model_that_hangs_is_left_and_settled_at_its_upper_bound() -> None:
    first = True

    async def hang() -> Any:
        await asyncio.get_running_loop().create_future()

    def answer(_: Prompt[Any]) -> Any:
        nonlocal first
        was, first = first, False
        return hang() if was else VERDICT

    store = Store()
    the_gate = gate(ScriptedModel(answer), memory=store, timeout=0.01)
    called = await the_gate.call(prompt(), Account("run"))
    assert called.output == VERDICT
    assert Amount.of(store.settled[0][1]).tokens == the_gate.upper_bound(prompt()).tokens


async def test_mixed_faults_end_in_the_right_answer() -> None:
    rates = {"rate_limit": 0.1, "server": 0.1, "malformed": 0.1, "truncated": 0.05, "connection": 0.05}
    faulty = FaultyModel(ScriptedModel(lambda _: VERDICT), seed=3, rates=rates)
    the_gate, account = gate(faulty), Account("run")
    called = await asyncio.gather(*(the_gate.call(prompt(f"q{n}"), account) for n in range(60)), return_exceptions=True)
    good = [item for item in called if not isinstance(item, BaseException)]
    assert all(item.output == VERDICT for item in good)
    assert len(good) >= 57
    assert all(isinstance(item, CallFailed) for item in called if isinstance(item, BaseException))
    assert faulty.faults.total() > 10


async def test_a_faulty_model_fails_the_same_way_again() -> None:
    async def faults() -> dict[str, int]:
        faulty = FaultyModel(ScriptedModel(lambda _: VERDICT), seed=1, rates={"server": 0.3})
        the_gate = gate(faulty)
        for n in range(20):
            await the_gate.call(prompt(f"q{n}"), Account("run"))
        return dict(faulty.faults)

    assert await faults() == await faults() != {}


# ------------------------------------------------------------------ out of reach


async def test_an_endpoint_never_reached_fails_fast_for_everybody() -> None:
    model = failing(10_000, lambda: CallError("connection", "refused", usage=Usage(calls=1)))
    the_gate = gate(model)
    results = await asyncio.gather(*(the_gate.call(prompt(f"q{n}"), Account("run")) for n in range(50)), return_exceptions=True)
    assert all(isinstance(result, CallFailed) and result.fatal and result.kind == "connection" for result in results)
    assert len(model.calls) <= 60
    failed = results[0]
    assert isinstance(failed, CallFailed)
    error = failed.as_error(run_id="run")
    assert isinstance(error, ModelError)
    assert "refused" in str(error)
    assert "--base-url" in error.hint


def gone() -> CallError:
    """Nobody listens any more."""
    return CallError("connection", "refused", usage=Usage(calls=1))


async def test_a_server_that_is_not_there_for_a_minute_costs_no_call() -> None:
    waits = Waits()
    model = ScriptedModel(lambda _: gone() if 100.0 < waits.now < 160.0 else VERDICT)
    the_gate = gate(model, waits=waits)
    await the_gate.call(prompt(), Account("run"))
    waits.now += 1
    assert (await the_gate.call(prompt("another"), Account("run"))).output == VERDICT
    assert waits.now < 165.0


async def test_a_server_that_drops_every_call_for_a_minute_costs_no_call() -> None:
    waits = Waits()
    model = ScriptedModel(lambda _: CallError("connection", "broke") if 100.0 < waits.now < 160.0 else VERDICT)
    the_gate = gate(model, waits=waits)
    await the_gate.call(prompt(), Account("run"))
    waits.now += 1
    called = await asyncio.gather(*(the_gate.call(prompt(f"q{n}"), Account("run")) for n in range(8)))
    assert all(one.output == VERDICT for one in called)
    assert waits.now < 175.0


async def test_a_server_that_goes_away_for_good_is_given_up_after_two_minutes() -> None:
    waits = Waits()
    model = ScriptedModel(lambda _: gone() if waits.now > 100.0 else VERDICT)
    the_gate = gate(model, waits=waits)
    await the_gate.call(prompt(), Account("run"))
    waits.now += 1
    with pytest.raises(CallFailed) as caught:
        await the_gate.call(prompt("another"), Account("run"))
    assert caught.value.fatal
    assert 120.0 <= waits.now - 101.0 <= 125.0


@pytest.mark.parametrize("kind", ["connection", "rate_limit"])
async def test_a_call_that_is_dropped_or_refused_with_nobody_beside_it_fails_alone(kind: Any) -> None:
    model = ScriptedModel(lambda call: CallError(kind, "no") if call.messages[-1].content == "bad" else VERDICT)
    the_gate = gate(model)
    await the_gate.call(prompt(), Account("run"))
    with pytest.raises(CallFailed) as caught:
        await the_gate.call(prompt("bad"), Account("run"))
    assert not caught.value.fatal
    assert kind != "connection" or len(model.calls) == 7
    assert (await the_gate.call(prompt("good"), Account("run"))).output == VERDICT


async def test_a_prompt_that_breaks_the_connection_fails_alone_after_six_attempts() -> None:
    async def breaks() -> Any:
        before = the_gate.limiter.endpoint(model.endpoint).successes
        await until(lambda: the_gate.limiter.endpoint(model.endpoint).successes > before)
        return CallError("connection", "gone")

    model = ScriptedModel(lambda call: breaks() if call.messages[-1].content == "bad" else VERDICT)
    the_gate = gate(model)
    async with others(the_gate):
        with pytest.raises(CallFailed) as caught:
            await the_gate.call(prompt("bad"), Account("run"))
    assert not caught.value.fatal
    assert sum(call.messages[-1].content == "bad" for call in model.calls) == 6


# ------------------------------------------------------------------ budget and deadline


@pytest.mark.parametrize("with_store", [True, False])
@pytest.mark.parametrize("ceiling", [Budget(tokens=3000), Budget(calls=7), Budget(cost=0.01)])
async def test_a_hundred_concurrent_calls_never_exceed_the_budget(ceiling: Budget, with_store: bool) -> None:
    store = Store()
    model = ScriptedModel(lambda _: VERDICT, prices=Prices(input=2.0, output=8.0))
    faulty = FaultyModel(model, seed=1, rates={"server": 0.1, "malformed": 0.1, "timeout": 0.05})
    the_gate, account = gate(faulty, memory=store if with_store else None), Account("run", ceiling)
    results = await asyncio.gather(*(the_gate.call(prompt(f"q{n}"), account) for n in range(100)), return_exceptions=True)
    spent = Amount.of(account.usage)
    assert ceiling.tokens is None or spent.tokens <= ceiling.tokens
    assert ceiling.calls is None or spent.calls <= ceiling.calls
    assert ceiling.cost is None or spent.cost <= ceiling.cost
    assert any(isinstance(result, BudgetEnded) for result in results)
    assert sum(not isinstance(result, BaseException) for result in results) >= 1
    assert account.reserved == Amount()
    if with_store:
        assert store.reserved == {}
        assert store.spent.tokens == spent.tokens


async def test_a_call_waits_for_what_others_hold_instead_of_giving_up() -> None:
    """Upper bounds are far above what calls cost: two that do not fit together fit one after the other."""
    gone = asyncio.Event()

    async def wait() -> Verdict:
        await gone.wait()
        return VERDICT

    model = ScriptedModel(lambda _: wait())
    the_gate = gate(model)
    bound = the_gate.upper_bound(prompt()).tokens
    account = Account("run", Budget(tokens=bound + bound // 2))
    tasks = [asyncio.create_task(the_gate.call(prompt(), account)) for _ in range(2)]
    await until(lambda: model.in_flight == 1)
    gone.set()
    assert [(await task).output for task in tasks] == [VERDICT, VERDICT]
    assert model.most_in_flight == 1


async def test_what_is_kept_is_for_the_final_answer() -> None:
    the_gate = gate(ScriptedModel(lambda _: VERDICT))
    account = Account("run", Budget(calls=2), keep=Amount(calls=1))
    await the_gate.call(prompt(), account)
    with pytest.raises(BudgetEnded) as caught:
        await the_gate.call(prompt(), account)
    assert caught.value.stopped_by == "budget"
    assert (await the_gate.call(prompt(), account, final=True)).output == VERDICT


async def test_a_resumed_run_counts_what_it_had_spent() -> None:
    the_gate = gate(ScriptedModel(lambda _: VERDICT))
    with pytest.raises(BudgetEnded):
        await the_gate.call(prompt(), Account("run", Budget(calls=3), spent=Usage(calls=3)))


async def test_a_ceiling_in_usd_needs_prices() -> None:
    model = ScriptedModel(lambda _: VERDICT, name="openai:unheard-of")
    with pytest.raises(SettingsError, match="no price is known for openai:unheard-of"):
        await gate(model).call(prompt(), Account("run", Budget(cost=1.0)))


async def test_cached_tokens_cost_their_own_price() -> None:
    usage = Usage(calls=1, input_tokens=1_000_000, output_tokens=500_000, cached_tokens=400_000)
    completion: Completion[Any] = Completion(text="", output=VERDICT, usage=usage)
    model = ScriptedModel(lambda _: completion, prices=Prices(input=2.0, output=8.0, cached=0.5))
    called = await gate(model).call(prompt(), Account("run"))
    assert called.usage.cost == pytest.approx(0.6 * 2.0 + 0.4 * 0.5 + 0.5 * 8.0)


async def test_nothing_starts_after_the_deadline() -> None:
    model = ScriptedModel(lambda _: VERDICT)
    with pytest.raises(DeadlineEnded) as caught:
        await gate(model).call(prompt(), Account("run", deadline=99.0))
    assert caught.value.stopped_by == "deadline"
    assert model.calls == []


async def test_a_call_under_way_ends_at_the_deadline_and_is_settled_at_its_upper_bound() -> None:
    async def hang() -> Any:
        await asyncio.get_running_loop().create_future()

    store = Store()
    model = ScriptedModel(lambda _: hang())
    the_gate = Gate({"default": model}, memory=store)  # type: ignore[arg-type]
    with pytest.raises(DeadlineEnded):
        await the_gate.call(prompt(), Account("run", Budget(tokens=10_000), deadline=time.monotonic() + 0.02))
    assert model.cancelled == 1
    assert store.reserved == {}
    assert store.spent.tokens == the_gate.upper_bound(prompt()).tokens


async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    waits = Waits()
    model = failing(9, lambda: CallError("server", "down", retry_after=60.0))
    with pytest.raises(DeadlineEnded):
        await gate(model, waits=waits).call(prompt(), Account("run", deadline=130.0))
    assert waits.seconds == []
    assert len(model.calls) == 1


async def test_a_cancelled_call_is_settled_at_its_upper_bound() -> None:
    started = asyncio.Event()

    async def hang() -> Any:
        started.set()
        await asyncio.get_running_loop().create_future()

    store = Store()
    the_gate = gate(ScriptedModel(lambda _: hang()), memory=store)
    task = asyncio.create_task(the_gate.call(prompt(), Account("run", Budget(tokens=10_000))))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await the_gate.aclose()
    assert store.reserved == {}
    assert store.spent == Amount(calls=1, tokens=the_gate.upper_bound(prompt()).tokens)


async def test_a_call_cancelled_before_it_was_sent_costs_nothing() -> None:
    started = asyncio.Event()

    async def hang() -> Any:
        started.set()
        await asyncio.get_running_loop().create_future()

    store = Store()
    the_gate = gate(ScriptedModel(lambda _: hang()), memory=store, concurrency=1)
    account = Account("run", Budget(tokens=10_000))
    first = asyncio.create_task(the_gate.call(prompt(), account))
    await started.wait()
    second = asyncio.create_task(the_gate.call(prompt(), account))
    await until(lambda: len(store.reserved) == 2)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await the_gate.aclose()
    assert store.spent == Amount()
    assert len(store.reserved) == 1
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_the_upper_bound_holds_for_any_script() -> None:
    """A byte-level encoding never makes more tokens than there are bytes."""
    chinese = prompt("谁设计了这个解析器？" * 50)
    assert (
        gate(ScriptedModel(lambda _: VERDICT)).upper_bound(chinese).tokens >= len(("谁设计了这个解析器？" * 50).encode()) + 100
    )


async def test_near_the_ceiling_tokens_are_counted_where_the_models_own_encoding_is_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Counter:
        exact = True

        def __init__(self, encoding: str) -> None:
            assert encoding == "own"

        def count(self, text: str) -> int:
            return len(text) // 4

    class Encoded(ScriptedModel):
        async def describe(self) -> ModelInfo:
            return ModelInfo(name="encoded", encoding="own")

    long = prompt("word " * 2000)
    the_gate = gate(Encoded(lambda _: VERDICT))
    account = Account("run", Budget(tokens=the_gate.upper_bound(long).tokens // 2))
    with pytest.raises(BudgetEnded):
        await the_gate.call(long, account)
    monkeypatch.setattr("extagents.corpus.tokens.TokenCounter", Counter)
    assert (await the_gate.call(long, account)).output == VERDICT


async def test_a_local_model_passes_by_the_limiter() -> None:
    model = ScriptedModel(lambda _: VERDICT, local=True)
    the_gate = gate(model, concurrency=1)
    endpoint = the_gate.limiter.endpoint(model.endpoint)
    await the_gate.limiter.acquire(endpoint, 1)  # the only place is taken
    called = await asyncio.wait_for(the_gate.call(prompt(), Account("run", Budget(cost=1.0))), 1)
    assert called.usage.cost == 0.0


async def test_one_scripts_storm_is_nothing_to_the_next() -> None:
    limiter = Limiter(4)
    stormy = Gate({"default": failing(99, lambda: CallError("rate_limit", "no", retry_after=600.0))}, limiter=limiter)
    with pytest.raises(DeadlineEnded):
        await stormy.call(prompt(), Account("run", deadline=time.monotonic() + 5.0))
    calm = Gate({"default": ScriptedModel(lambda _: VERDICT)}, limiter=limiter)
    await asyncio.wait_for(calm.call(prompt(), Account("run")), 1)


async def test_concurrency_is_the_cap_of_calls_in_flight() -> None:
    gone = asyncio.Event()

    async def wait() -> Verdict:
        await gone.wait()
        return VERDICT

    model = ScriptedModel(lambda _: wait())
    the_gate = gate(model, concurrency=256)
    tasks = [asyncio.create_task(the_gate.call(prompt(f"q{n}"), Account("run"))) for n in range(300)]
    await until(lambda: model.in_flight == 256)
    gone.set()
    await asyncio.gather(*tasks)
    assert model.most_in_flight == 256
