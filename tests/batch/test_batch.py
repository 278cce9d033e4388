"""A batch answers as single questions are answered, reads a shard for all who want it, and stops at nothing but its budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import crowd
import pytest

from extagents import BatchProgress, Budget, Coordinator, Corpus, Document, InputError, ModelError, RunBusy, SettingsError
from extagents.errors import CallError
from extagents.testing import ScriptedModel
from extagents.types import Reading, Readings

COUNT = 12
CORPUS = crowd.corpus(COUNT, documents=24, lines=24)


def team(model: ScriptedModel, **options: Any) -> Coordinator:
    return Coordinator(
        model, **{"memory": "memory://", "window": 16_000, "shard_tokens": 1_000, "strategy": "parallel", **options}
    )


def reads(model: ScriptedModel) -> list[Any]:
    return [prompt for prompt in model.calls if prompt.role == "reader"]


def test_the_answers_come_in_the_order_of_the_questions() -> None:
    numbers = [5, 2, 9, 0]
    with team(crowd.model()) as made:
        answers = made.batch(crowd.questions(numbers), over=CORPUS)
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in numbers]
    assert answers.ids == ("q5", "q2", "q9", "q0")
    assert all(citation.verified for answer in answers for citation in answer.citations)
    assert (answers.summary.questions, answers.summary.answered, answers.summary.not_done) == (4, 4, 0)


async def test_each_answer_comes_as_it_is_there_in_a_running_loop() -> None:
    seen = {}
    async with team(crowd.model()) as made:
        async for known, answer in made.abatch_as_completed(crowd.questions(range(COUNT)), over=CORPUS):
            seen[known] = answer.text
    assert seen == {f"q{n}": crowd.answer(n) for n in range(COUNT)}
    with team(crowd.model()) as made:
        assert dict(made.batch_as_completed([crowd.question(3)], over=CORPUS))["1"].text == crowd.answer(3)


def test_a_question_by_itself_is_answered_and_read_as_it_is_in_a_batch() -> None:
    """One question a read: what a question's readers are asked does not depend on the other questions."""
    together, alone = crowd.model(), crowd.model()
    with team(together) as made:
        made.batch(crowd.questions(range(COUNT)), over=CORPUS, questions_per_read=1)
    with team(alone) as made:
        made.batch(crowd.questions([4]), over=CORPUS, questions_per_read=1)

    def asked(model: ScriptedModel) -> Counter[tuple[str, ...]]:
        mine = [prompt for prompt in model.calls if crowd.question(4) in prompt.messages[-1].content]
        return Counter(_unfenced(prompt.messages[-1].content) for prompt in mine)

    assert asked(together) == asked(alone)
    assert sum(asked(alone).values()) > 10


def _unfenced(text: str) -> str:
    """The prompt without its fences, whose code is another one in every memory."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("=== text"))


def test_a_shard_is_read_by_one_question_first_and_then_by_all_others_before_the_next() -> None:
    """So that the server has its text in its prefix cache: nobody else reads a shard before the first has been answered."""
    done: set[tuple[str, int]] = set()
    begun: list[tuple[str, int]] = []
    broken = []

    async def read(prompt: Any) -> Reading:
        shard = (prompt.inputs.shard.id, prompt.inputs.round)
        if begun.count(shard) and shard not in done and prompt.inputs.round == 1:
            broken.append(shard)
        begun.append(shard)
        await asyncio.sleep(0)
        reading = crowd.read(prompt)
        assert isinstance(reading, Reading)
        done.add(shard)
        return reading

    model = crowd.model(reader=read)
    with team(model, effort="thorough", concurrency=4) as made:
        made.batch(crowd.questions(range(6)), over=CORPUS, questions_per_read=1)
    assert not broken
    first = [shard for shard, round_ in begun if round_ == 1]
    switches = sum(one != other for one, other in pairwise(first))
    assert len(first) == 6 * len(set(first))
    # Four reads at a time: neighbouring shards overlap, but nobody comes back to a shard much later.
    assert switches < len(first) / 2


def test_several_questions_stand_in_one_read_and_each_gets_its_own_facts() -> None:
    model = crowd.model()
    with team(model, effort="thorough") as made:
        answers = made.batch(crowd.questions(range(8)), over=CORPUS, questions_per_read=4)
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(8)]
    kinds = Counter(prompt.output for prompt in reads(model))
    assert kinds[Readings] > 0
    assert max(len(prompt.inputs.questions) for prompt in reads(model)) == 4
    single = crowd.model()
    with team(single, effort="thorough") as made:
        made.batch(crowd.questions(range(8)), over=CORPUS, questions_per_read=1)
    assert len(reads(model)) < 0.5 * len(reads(single))


def test_what_a_read_of_several_costs_is_shared_and_adds_up() -> None:
    model = crowd.model()
    with team(model) as made:
        answers = made.batch(crowd.questions(range(8)), over=CORPUS, questions_per_read=4)
    total = answers.summary.usage
    assert total.calls == len(model.calls) == sum(answer.usage.calls for answer in answers)
    assert total.input_tokens == sum(answer.usage.input_tokens for answer in answers)
    assert total.output_tokens == sum(answer.usage.output_tokens for answer in answers)


@pytest.mark.parametrize("reply", ["nonsense", CallError("context_length", "too long"), CallError("content_filter", "no")])
def test_where_a_read_of_several_fails_each_is_read_alone(reply: Any) -> None:
    def read(prompt: Any) -> Any:
        return reply if prompt.output is Readings else crowd.read(prompt)

    model = crowd.model(reader=read)
    with team(model) as made:
        answers = made.batch(crowd.questions(range(4)), over=CORPUS, questions_per_read=4)
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(4)]
    assert all(answer.coverage.failed == 0 for answer in answers)


def test_a_question_that_the_reader_left_out_is_read_alone() -> None:
    def read(prompt: Any) -> Any:
        found = crowd.read(prompt)
        return Readings(readings=found.readings[:-1]) if isinstance(found, Readings) else found

    model = crowd.model(reader=read)
    with team(model) as made:
        answers = made.batch(crowd.questions(range(4)), over=CORPUS, questions_per_read=4)
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(4)]
    assert {prompt.output for prompt in reads(model)} == {Reading, Readings}


@pytest.mark.parametrize(("able", "size"), [(8, 8), (4, 4), (2, 2), (1, 1)])
def test_as_many_questions_stand_in_a_read_as_the_reader_is_able_to_bear(
    able: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that finds nothing for half of the questions where more than `able` stand in a read."""
    monkeypatch.setattr("extagents.trial.ENOUGH", 5)

    def read(prompt: Any) -> Any:
        return crowd.read(prompt, overlooks=lambda place, count: count > able and place % 2 == 1)

    corpus = crowd.corpus(32, documents=16, lines=24)
    with team(crowd.model(reader=read, window=32_000), effort="thorough", window=32_000) as made:
        answers = made.batch(crowd.questions(range(32)), over=corpus)
    assert answers.summary.questions_per_read == size
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(32)]


def test_a_reader_that_mixes_questions_up_is_not_asked_several() -> None:
    def read(prompt: Any) -> Any:
        found = crowd.read(prompt)
        if not isinstance(found, Readings):
            return found
        everything = [fact for reading in found.readings for fact in reading.facts]
        return Readings(readings=[reading.model_copy(update={"facts": everything}) for reading in found.readings])

    with team(crowd.model(reader=read), effort="thorough") as made:
        answers = made.batch(crowd.questions(range(32)), over=crowd.corpus(32, documents=16, lines=24))
    assert answers.summary.questions_per_read == 1


# ------------------------------------------------------------------ what goes wrong


def test_a_question_that_cannot_be_asked_stops_no_other() -> None:
    with team(crowd.model()) as made:
        given: list[Any] = [
            crowd.question(1),
            {"id": "empty"},
            7,
            {"id": "lost", "question": crowd.question(2), "over": "nowhere"},
        ]
        answers = made.batch([*given, crowd.question(3)], over=CORPUS)
    assert [answer.text for answer in answers] == [crowd.answer(1), "", "", "", crowd.answer(3)]
    assert [answer.error and answer.error["type"] for answer in answers] == [None, *["InputError"] * 3, None]
    assert answers[3].error is not None
    assert "nowhere" in answers[3].error["message"]
    assert answers.summary.failed == 3


def test_a_question_whose_calls_fail_stops_no_other() -> None:
    def judge(prompt: Any) -> Any:
        return CallError("bad_request", "boom") if crowd.question(1) == prompt.inputs.question else crowd.judge(prompt)

    with team(crowd.model(reasoner=judge)) as made:
        answers = made.batch(crowd.questions([0, 1, 2]), over=CORPUS)
    assert [answer.text for answer in answers] == [crowd.answer(0), "", crowd.answer(2)]
    assert answers[1].error is not None or not answers[1].answered


def test_where_nothing_works_the_batch_says_so_once() -> None:
    def fail(prompt: Any) -> Any:
        return CallError("auth", "The key was refused.")

    with team(ScriptedModel(fail)) as made:
        with pytest.raises(ModelError, match="refused"):
            made.batch(crowd.questions(range(COUNT)), over=CORPUS)


def test_many_questions_that_fail_for_themselves_stop_no_other() -> None:
    def judge(prompt: Any) -> Any:
        withheld = crowd._number(prompt.inputs.question) < 9
        return CallError("content_filter", "withheld") if withheld else crowd.judge(prompt)

    corpus = crowd.corpus(12, documents=12, lines=12)
    with team(crowd.model(reasoner=judge)) as made:
        answers = made.batch(crowd.questions(range(12)), over=corpus)
    assert [answer.answered for answer in answers] == [False] * 9 + [True] * 3
    assert answers.summary.stopped_by is None


def test_a_ceiling_in_usd_needs_prices_before_anything_is_asked() -> None:
    model = crowd.model()
    with team(model) as made, pytest.raises(SettingsError, match="no price is known"):
        made.batch(crowd.questions(range(4)), CORPUS, budget=Budget(cost=0.5))
    assert not model.calls


def test_inputs_that_look_alike_are_not_taken_for_one_another() -> None:
    given = []
    for n in range(2):
        text = " ".join(crowd.steps(n)).ljust(400, ".")
        given.append({"question": crowd.question(n), "over": Corpus.load([Document(text=text, id="doc")], cache=False)})
    with team(crowd.model(), strategy="fused") as made:
        assert [answer.text for answer in made.batch(given)] == [crowd.answer(0), crowd.answer(1)]


def test_questions_of_the_same_words_are_each_answered_and_counted() -> None:
    model = crowd.model()
    with team(model) as made:
        asked = [{"id": str(n), "question": crowd.question(1)} for n in range(12)]
        answers = made.batch(asked, CORPUS, budget=Budget(calls=5_000), questions_per_read=4)
    assert {answer.text for answer in answers} == {crowd.answer(1)}
    assert answers.summary.usage.calls == len(model.calls)


def test_another_model_or_effort_asks_anew_under_the_same_name(tmp_path: Any) -> None:
    memory = f"sqlite:///{tmp_path}/memory.db"
    with team(crowd.model(name="one"), memory=memory) as made:
        made.batch(crowd.questions(range(2)), CORPUS, run="ours")
    for options in ({"name": "other"}, {"name": "one", "effort": "thorough"}):
        model = crowd.model(name=options.pop("name"))
        with team(model, memory=memory, **options) as made:
            assert made.batch(crowd.questions(range(2)), CORPUS, run="ours").summary.answered == 2
        assert model.calls


def test_a_finished_batch_leaves_the_next_of_its_name_a_whole_budget(tmp_path: Any) -> None:
    memory, used = f"sqlite:///{tmp_path}/memory.db", []
    for day in range(3):
        with team(crowd.model(), memory=memory) as made:
            answers = made.batch(crowd.questions([3 * day]), CORPUS, budget=Budget(calls=60), run="daily")
        assert [answer.text for answer in answers] == [crowd.answer(3 * day)]
        used.append(answers.summary.usage.calls)
    assert max(used) <= 60


def test_what_is_finished_is_given_though_the_budget_is_used_up(tmp_path: Any) -> None:
    memory = f"sqlite:///{tmp_path}/memory.db"
    with team(crowd.model(), memory=memory) as made:
        first = made.batch(crowd.questions(range(COUNT)), CORPUS, budget=Budget(calls=150), run="ours")
    assert first.summary.stopped_by == "budget"
    model = crowd.model()
    with team(model, memory=memory) as made:
        again = made.batch(crowd.questions(range(COUNT)), CORPUS, budget=Budget(calls=150), run="ours")
    assert again.summary.answered >= first.summary.answered
    assert again.summary.usage.calls <= 150


async def test_an_interrupt_while_an_own_input_is_loaded_loses_no_question(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from extagents import batch as module

    made = team(crowd.model(), memory="memory://")
    loads = 0
    real = module.load

    async def slow(*arguments: Any, **named: Any) -> Any:
        nonlocal loads
        loads += 1
        if loads == 3:
            made.interrupt()
            await asyncio.sleep(0)
        return await real(*arguments, **named)

    monkeypatch.setattr(module, "load", slow)
    given = [{"question": crowd.question(n), "over": [Document(text=" ".join(crowd.steps(n)), id=f"d{n}")]} for n in range(6)]
    async with made:
        answers = await made.abatch(given)
    assert len(answers) == 6
    assert answers.summary.stopped_by == "cancelled"
    assert answers.summary.answered + answers.summary.not_done == 6


async def test_an_interrupt_lets_a_read_of_several_under_way_end() -> None:
    reached, held = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def read(prompt: Any) -> Any:
        loop.call_soon_threadsafe(reached.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(held.wait(), loop))
        return crowd.read(prompt)

    model = crowd.model(reader=read)
    async with team(model) as made:
        under_way = asyncio.create_task(made.abatch(crowd.questions(range(4)), CORPUS, questions_per_read=4))
        await reached.wait()
        made.interrupt()
        held.set()
        answers = await under_way
    assert answers.summary.stopped_by == "cancelled"
    assert model.cancelled == 0


def test_an_iterator_that_is_closed_has_let_go_of_the_batch(tmp_path: Any) -> None:
    memory = f"sqlite:///{tmp_path}/memory.db"
    with team(crowd.model(), memory=memory) as made:
        coming = made.batch_as_completed(crowd.questions(range(4)), CORPUS, run="ours")
        next(coming)
        coming.close()
        assert made.batch(crowd.questions(range(4)), CORPUS, run="ours").summary.answered == 4


def test_whoever_only_watches_ends_nothing() -> None:
    def broken(progress: BatchProgress) -> None:
        raise ValueError("a user's mistake")

    with team(crowd.model()) as made:
        assert made.batch(crowd.questions(range(2)), CORPUS, on_progress=broken).summary.answered == 2


def test_few_questions_do_not_decide_for_more_than_they_could_try() -> None:
    def read(prompt: Any) -> Any:
        return crowd.read(prompt, overlooks=lambda place, count: count > 2 and place % 2 == 1)

    with team(crowd.model(reader=read, window=32_000), effort="thorough", window=32_000) as made:
        answers = made.batch(crowd.questions(range(2)), over=CORPUS)
    assert answers.summary.questions_per_read <= 2


def test_wrong_input_is_refused_before_anything_is_asked() -> None:
    model = crowd.model()
    with team(model) as made:
        with pytest.raises(InputError, match="no list"):
            made.batch("one question", over=CORPUS)
        with pytest.raises(InputError, match="no questions"):
            made.batch([], over=CORPUS)
        with pytest.raises(InputError, match="same id"):
            made.batch([{"id": "a", "question": "x"}, {"id": "a", "question": "y"}], over=CORPUS)
        with pytest.raises(InputError):
            made.batch(["x"], over="nowhere")
        with pytest.raises(SettingsError, match="one read"):
            made.batch(["x"], over=CORPUS, questions_per_read=0)
    assert not model.calls


def test_every_question_may_have_an_input_of_its_own() -> None:
    corpora = [[Document(text="\n".join(crowd.steps(n)), id=f"doc {n}")] for n in range(12)]
    given = [{"question": crowd.question(n), "over": corpora[n]} for n in range(12)]
    with team(crowd.model(), strategy="fused") as made:
        answers = made.batch(given)
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(12)]
    assert [answer.citations[0].document for answer in answers] == [f"doc {n}" for n in range(12)]


# ------------------------------------------------------------------ budget


@pytest.mark.parametrize("calls", [3, 20, 60, 200])
@pytest.mark.parametrize("per_read", [1, 4])
def test_a_batch_never_makes_more_calls_than_its_budget(calls: int, per_read: int) -> None:
    model = crowd.model()
    with team(model) as made:
        answers = made.batch(crowd.questions(range(COUNT)), CORPUS, budget=Budget(calls=calls), questions_per_read=per_read)
    assert len(model.calls) <= calls
    assert answers.summary.usage.calls == len(model.calls)
    if any(answer.partial for answer in answers):
        assert answers.summary.stopped_by == "budget"
    for answer in answers:
        assert answer.stopped_by in (None, "budget")
        assert answer.answered or answer.partial
    assert calls > 60 or any(answer.partial for answer in answers)


@pytest.mark.parametrize("per_read", [1, 4])
def test_a_question_never_makes_more_calls_than_its_own_budget(per_read: int) -> None:
    model = crowd.model()
    with team(model, budget=Budget(calls=9, tokens=60_000)) as made:
        answers = made.batch(crowd.questions(range(COUNT)), CORPUS, questions_per_read=per_read)
    assert all(answer.usage.calls <= 9 for answer in answers)
    assert all(answer.usage.input_tokens + answer.usage.output_tokens <= 60_000 for answer in answers)
    assert len(model.calls) == answers.summary.usage.calls
    assert answers.summary.stopped_by is None


def test_a_batch_that_its_budget_ended_goes_on_under_a_larger_one(tmp_path: Any) -> None:
    first, second = crowd.model(), crowd.model()
    memory = f"sqlite:///{tmp_path}/memory.db"
    with team(first, memory=memory) as made:
        made.batch(crowd.questions(range(COUNT)), CORPUS, budget=Budget(calls=40), run="ours")
    with team(second, memory=memory) as made:
        answers = made.batch(crowd.questions(range(COUNT)), CORPUS, budget=Budget(calls=5_000), run="ours")
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(COUNT)]
    asked = {_unfenced(prompt.messages[-1].content) for prompt in first.calls}
    again = [prompt.role for prompt in second.calls if _unfenced(prompt.messages[-1].content) in asked]
    assert not again
    assert answers.summary.usage.calls == len(first.calls) + len(second.calls)


# ------------------------------------------------------------------ ending


async def test_a_batch_that_is_cancelled_makes_no_call_afterwards() -> None:
    reached, held = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def read(prompt: Any) -> Any:
        loop.call_soon_threadsafe(reached.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(held.wait(), loop))
        return crowd.read(prompt)

    model = crowd.model(reader=read)
    async with team(model) as made:
        task = asyncio.create_task(made.abatch(crowd.questions(range(COUNT)), CORPUS))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        calls = len(model.calls)
        held.set()
        assert model.in_flight == 0
        assert (await made.aask(crowd.question(1), CORPUS)).answered
        assert all(
            crowd.question(1) in prompt.messages[-1].content for prompt in model.calls[calls:] if prompt.role == "reader"
        )


async def test_an_interrupt_ends_a_batch_and_a_later_start_goes_on(tmp_path: Any) -> None:
    memory = f"sqlite:///{tmp_path}/memory.db"
    seen = 0
    made: Coordinator

    def read(prompt: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 15:
            made.interrupt()
        return crowd.read(prompt)

    first = crowd.model(reader=read)
    async with team(first, memory=memory, concurrency=2) as made:
        answers = await made.abatch(crowd.questions(range(COUNT)), CORPUS, run="ours")
    assert answers.summary.stopped_by == "cancelled"
    assert answers.summary.not_done > 0
    assert all(answer.partial for answer in answers if not answer.answered)
    second = crowd.model()
    async with team(second, memory=memory) as made:
        answers = await made.abatch(crowd.questions(range(COUNT)), CORPUS, run="ours")
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(COUNT)]
    asked = {_unfenced(prompt.messages[-1].content) for prompt in first.calls}
    assert sum(_unfenced(prompt.messages[-1].content) in asked for prompt in second.calls) <= 2


async def test_a_finished_batch_is_not_asked_again(tmp_path: Any) -> None:
    memory = f"sqlite:///{tmp_path}/memory.db"
    async with team(crowd.model(), memory=memory) as made:
        first = await made.abatch(crowd.questions(range(4)), CORPUS, run="ours")
    model = crowd.model()
    async with team(model, memory=memory) as made:
        again = await made.abatch(crowd.questions(range(4)), CORPUS, run="ours")
        assert [answer.text for answer in again] == [answer.text for answer in first]
        assert not model.calls
        more = await made.abatch(crowd.questions(range(5)), CORPUS, run="ours")
    assert [answer.text for answer in more] == [crowd.answer(n) for n in range(5)]
    assert {crowd._number(prompt.inputs.question) for prompt in model.calls if prompt.role == "planner"} == {4}


async def test_two_processes_do_not_work_on_one_batch(tmp_path: Any) -> None:
    memory = f"sqlite:///{tmp_path}/memory.db"
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def plan(prompt: Any) -> Any:
        loop.call_soon_threadsafe(reached.set)
        return crowd.plan(prompt)

    async with team(crowd.model(planner=plan), memory=memory) as one, team(crowd.model(), memory=memory) as other:
        under_way = asyncio.create_task(one.abatch(crowd.questions(range(4)), CORPUS, run="ours"))
        await reached.wait()
        with pytest.raises(RunBusy):
            await other.abatch(crowd.questions(range(4)), CORPUS, run="ours")
        assert (await under_way).summary.answered == 4


def test_progress_is_told_and_ends_with_everything_done() -> None:
    told: list[BatchProgress] = []
    with team(crowd.model()) as made:
        made.batch(crowd.questions(range(6)), CORPUS, on_progress=told.append)
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert (told[-1].done, told[-1].answered, told[-1].under_way) == (6, 6, 0)
    assert told[-1].reads > 6
    assert told[0].usage.calls > 0


def test_a_deadline_ends_a_batch() -> None:
    with team(crowd.model(delay=0.2), concurrency=2) as made:
        answers = made.batch(crowd.questions(range(COUNT)), CORPUS, budget=Budget(seconds=1.0))
    assert answers.summary.stopped_by == "deadline"
    assert answers.summary.answered < COUNT


def test_many_questions_move_in_cohorts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extagents.batch.COHORT", 5)
    with team(crowd.model()) as made:
        answers = made.batch(crowd.questions(range(COUNT)), CORPUS, questions_per_read=4)
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(COUNT)]


def test_what_fits_the_window_is_read_once_for_each_after_the_first() -> None:
    small = [Document(text="\n".join(step for n in range(4) for step in crowd.steps(n)), id="all")]
    model = crowd.model()
    with team(model, strategy="fused") as made:
        answers = made.batch(crowd.questions(range(4)), small)
    assert [answer.text for answer in answers] == [crowd.answer(n) for n in range(4)]
    assert Counter(prompt.role for prompt in model.calls)["single"] == 4
