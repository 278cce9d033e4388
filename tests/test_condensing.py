"""Compressed context in whole runs: one pass over it where the ladder is unsure, and as the result that `compress` gives."""

import pytest
import world

from extagents import Budget, Coordinator, Document
from extagents.errors import CallError, InputError, ModelError, RunExists
from extagents.settings import Settings
from extagents.types import Plan, SinglePass, Verdict

UNSURE = Verdict(answerable=False, answer="", confidence=0.0, facts=[], queries=[])


def team(model=None, **options) -> Coordinator:
    options.setdefault("memory", "memory://")
    options.setdefault("effort", "thorough")
    options.setdefault("window", 8_000)
    options.setdefault("settings", Settings(without=frozenset({"memory"})))
    return Coordinator(model or world.model(), **options)


def roles(model) -> list[str]:
    return [call.role for call in model.calls]


def holds(context, documents) -> None:
    texts = {document.id: document.text for document in documents}
    assert context.spans
    for span in context.spans:
        assert context.text[span.out_start : span.out_end] == texts[span.document][span.start : span.end] != ""


# ------------------------------------------------------------------ a pass over compressed context


async def test_an_unsure_ladder_is_followed_by_one_pass_over_compressed_context():
    model = world.model(reasoner=lambda _: UNSURE)
    found = []
    async for event in team(model).astream(world.QUESTION, world.corpus()):
        if event.type == "candidate":
            found.append(event.candidate)
        elif event.type == "answer":
            answer = event.answer
    assert roles(model).count("single") == 1
    assert [(candidate.path, candidate.answer) for candidate in found] == [("single", world.ANSWER)]
    assert answer.answer == world.ANSWER
    assert {citation.quote for citation in answer.citations} == set(world.STEPS)
    shown = next(call for call in model.calls if call.role == "single").inputs.shard.sections
    texts = {document.id: document.text for document in world.documents()}
    assert all(section.text == texts[section.document][section.start : section.end] for section in shown)
    places = [(section.document, section.start) for section in shown]
    assert places == sorted(places)


async def test_a_sure_ladder_is_followed_by_nothing():
    model = world.model()
    await team(model).aask(world.QUESTION, world.corpus())
    assert "single" not in roles(model)


async def test_the_pass_may_be_left_out():
    model = world.model(reasoner=lambda _: UNSURE)
    settings = Settings(without=frozenset({"memory", "single"}))
    answer = await team(model, settings=settings).aask(world.QUESTION, world.corpus())
    assert "single" not in roles(model)
    assert not answer.answered


@pytest.mark.parametrize("quote", ["nobody wrote this anywhere", world.STEPS[0]])
async def test_an_answer_that_its_quotes_do_not_hold_is_no_candidate(quote):
    lie = SinglePass(
        facts=[{"claim": "x", "quote": quote, "relevance": 1.0}], answerable=True, answer="Atlantis", confidence=1.0
    )
    model = world.model(reasoner=lambda _: UNSURE, single=lambda _: lie)
    answer = await team(model).aask(world.QUESTION, world.corpus())
    assert "single" in roles(model)
    assert answer.candidates == ()
    assert not answer.answered


async def test_a_pass_that_fails_costs_a_notice_and_not_the_run():
    def fail(_):
        raise CallError("bad_request", "no such luck")

    model = world.model(reasoner=lambda _: UNSURE, single=fail)
    answer = await team(model).aask(world.QUESTION, world.corpus())
    assert not answer.answered
    assert any("pass over compressed context failed" in notice for notice in answer.notices)


# ------------------------------------------------------------------ the context as a result


async def test_compress_keeps_what_was_found_and_says_where_it_stands():
    model = world.model()
    documents = world.documents()
    context = await team(model).acompress(world.QUESTION, documents, tokens=400)
    assert all(step in context.text for step in world.STEPS)
    holds(context, documents)
    assert context.tokens <= 400
    assert context.ratio > 20
    assert [fact.quote for fact in context.facts] == [world.STEPS[1], world.STEPS[0]]
    assert set(roles(model)) == {"planner", "reader"}
    assert context.coverage.shards_read == context.coverage.shards > 4
    assert context.coverage.rounds == 2
    assert context.usage.calls == len(model.calls)
    assert (context.partial, context.stopped_by, context.model) == (False, None, "scripted")


async def test_a_second_step_that_only_knowledge_reveals_is_found_and_nothing_is_read_for_nothing():
    model = world.model()
    context = await team(model, shard_tokens=1_000).acompress(world.QUESTION, world.documents(), tokens=400)
    again = roles(model).count("reader") - context.coverage.shards
    assert 0 < again <= 12 < context.coverage.shards


async def test_quick_reads_less_than_balanced_and_balanced_less_than_thorough():
    documents = world.documents(100)
    read = {}
    for effort in ("quick", "balanced", "thorough"):
        context = await team(effort=effort).acompress(world.QUESTION, documents, tokens=400)
        assert world.STEPS[0] in context.text
        assert not context.partial
        read[effort] = context.coverage.tokens_read
    assert read["quick"] < read["balanced"] < read["thorough"] == context.coverage.tokens


@pytest.mark.parametrize("strategy", ["single", "parallel", "iterative"])
async def test_whatever_the_strategy_the_readers_read(strategy):
    model = world.model()
    context = await team(model, strategy=strategy).acompress(world.QUESTION, world.documents(20), tokens=400)
    assert all(step in context.text for step in world.STEPS)
    assert set(roles(model)) == {"planner", "reader"}


async def test_an_interrupt_ends_with_what_was_found():
    def read_and_stop(prompt):
        reading = world.read(prompt)
        if reading.facts:
            one.interrupt()
        return reading

    one = team(world.model(reader=read_and_stop), concurrency=1)
    context = await one.acompress(world.QUESTION, world.documents(), tokens=400)
    assert (context.partial, context.stopped_by) == (True, "cancelled")
    assert context.coverage.shards_read < context.coverage.shards
    assert context.usage.calls > 1


async def test_a_count_reads_everything_whatever_the_effort():
    model = world.model(planner=lambda _: Plan(**{**world.plan().model_dump(), "kind": "aggregate"}))
    context = await team(model, effort="quick").acompress(world.QUESTION, world.documents(80), tokens=400)
    assert context.coverage.tokens_read == context.coverage.tokens


async def test_nothing_found_is_an_empty_text_with_a_notice():
    context = await team().acompress(world.QUESTION, world.documents(steps=()), tokens=400)
    assert (context.text, context.spans, context.tokens, context.partial) == ("", (), 0, False)
    assert "Nothing in the input that matters to the question was found." in context.notices


async def test_what_does_not_fit_is_said():
    context = await team().acompress(world.QUESTION, world.documents(), tokens=30)
    assert world.STEPS[1] in context.text
    assert "1 of 2 places found do not fit into 30 tokens." in context.notices


async def test_a_budget_that_ends_gives_what_was_found_so_far():
    context = await team(budget=Budget(calls=8)).acompress(world.QUESTION, world.documents(80), tokens=400)
    assert (context.partial, context.stopped_by) == (True, "budget")
    assert context.usage.calls <= 8
    assert context.coverage.shards_read < context.coverage.shards
    assert world.STEPS[0] in context.text


async def test_a_run_in_which_nothing_could_be_read_is_an_error():
    def fail(_):
        raise CallError("content_filter", "withheld")

    with pytest.raises(ModelError, match="withheld"):
        await team(world.model(reader=fail)).acompress(world.QUESTION, world.documents(), tokens=400)


async def test_a_resumed_run_gives_other_tokens_without_another_call():
    model = world.model()
    async with team(model) as one:
        first = await one.acompress(world.QUESTION, world.documents(), tokens=400, run="mine")
        calls = len(model.calls)
        with pytest.raises(RunExists):
            await one.acompress(world.QUESTION, world.documents(), tokens=100, run="mine")
        second = await one.acompress(world.QUESTION, world.documents(), tokens=100, run="mine", resume=True)
    assert len(model.calls) == calls
    assert second.tokens <= 100 < first.tokens
    assert second.facts == first.facts


async def test_runs_of_the_two_kinds_are_not_mixed_up():
    async with team() as one:
        await one.acompress(world.QUESTION, world.documents(), tokens=400, run="context")
        await one.aask(world.QUESTION, world.documents(), run="answer")
        with pytest.raises(RunExists, match="of another kind: it compressed its input"):
            await one.aask(world.QUESTION, world.documents(), run="context", resume=True)
        with pytest.raises(RunExists, match="of another kind: it answered its question"):
            await one.acompress(world.QUESTION, world.documents(), run="answer", resume=True)


def test_the_stream_ends_with_the_context():
    with team() as one:
        told = list(one.stream_compress(world.QUESTION, world.documents(), tokens=400))
    assert told[-1].type == "context"
    assert world.STEPS[0] in told[-1].context.text
    assert {"planned", "wave", "shard_read", "facts"} <= {event.type for event in told}
    assert not {"rung", "verdict"} & {event.type for event in told}


def test_the_extractive_default_compresses_out_of_the_box():
    documents = [
        Document(id="mill", text="The mill at Odense burned down in 1911. " + "The weather was mild. " * 200),
        Document(id="tower", text="The weather was mild. " * 200 + "The tower in Graz was restored by Anna Petek."),
    ]
    with Coordinator(memory="memory://") as one:
        context = one.compress("Who restored the tower in Graz?", documents, tokens=60)
        assert "The tower in Graz was restored by Anna Petek." in context.text
        holds(context, documents)
        for wrong in ({"tokens": 0}, {"granularity": "letter"}):
            with pytest.raises(InputError):
                one.compress("Who?", documents, **wrong)
