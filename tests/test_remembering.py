"""The memory agent in whole runs: notes over facts where the ladder is unsure, and lanes of heads over the raw text."""

import asyncio
import random

import pytest
import world

from extagents import Budget, Coordinator
from extagents.agents.memory_agent import FOCI, Recalled
from extagents.errors import CallError
from extagents.memory.open import open_memory
from extagents.remembering import agreed, chosen, early, lane_count, stretches
from extagents.types import Fact, Notes, NotesInput, Plan, RecallInput, ReportedFact, Scan, ScanInput, Verdict


def team(model=None, **options) -> Coordinator:
    defaults = {"memory": "memory://", "effort": "thorough", "window": 8_000, "strategy": "iterative", "heads": 1}
    return Coordinator(model or world.model(memory=remembers), **{**defaults, **options})


def scan(prompt) -> Scan:
    """Notices the first step always, and the second one where it knows the first."""
    text = "\n".join(section.text for section in prompt.inputs.shard.sections)
    known = "".join(fact.claim for fact in prompt.inputs.notes)
    facts = []
    if world.STEPS[0] in text:
        facts.append(ReportedFact(claim=world.STEPS[0], quote=world.STEPS[0], relevance=0.9))
    if world.STEPS[1] in text and (facts or world.STEPS[0] in known):
        facts.append(ReportedFact(claim=world.STEPS[1], quote=world.STEPS[1], relevance=0.95))
    return Scan(facts=facts, drop=[], plan="the town of the founder")


def notes(prompt) -> Notes:
    pairs = zip(prompt.inputs.numbers, prompt.inputs.facts, strict=True)
    return Notes(memory="\n".join(f"{fact.claim} [{number}]" for number, fact in pairs), plan="")


def remembers(prompt):
    if isinstance(prompt.inputs, ScanInput):
        return scan(prompt)
    return notes(prompt) if isinstance(prompt.inputs, NotesInput) else world.judge(prompt)


def of(model, kind):
    return [call for call in model.calls if isinstance(call.inputs, kind)]


# ------------------------------------------------------------------ over facts


def unsure(prompt) -> Verdict:
    """A ladder that never repeats itself."""
    return Verdict(answerable=False, answer="", confidence=0.0, facts=[], queries=[])


@pytest.fixture
def alone(monkeypatch):
    """The single pass is left out, so that the memory agent is the only other path."""
    monkeypatch.setenv("EXTAGENTS_WITHOUT", '["single"]')


def fused(memory=remembers, **options):
    model = world.model(memory=memory, reasoner=unsure)
    return team(model, strategy="fused", **options), model


async def test_where_the_ladder_is_unsure_notes_over_the_facts_give_the_answer_in_two_calls(alone):
    coordinator, model = fused()
    answer = await coordinator.aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert [candidate.path for candidate in answer.candidates] == ["memory"]
    assert {citation.quote for citation in answer.citations} == set(world.STEPS)
    assert len([call for call in model.calls if call.role == "memory"]) == 2


async def test_where_the_ladder_is_sure_nothing_is_remembered(alone):
    model = world.model(memory=remembers)
    answer = await team(model, strategy="fused").aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert "memory" not in {call.role for call in model.calls}


async def test_the_facts_are_folded_in_document_order_and_the_notes_are_stored(alone):
    coordinator, model = fused()
    events = [event async for event in coordinator.astream(world.QUESTION, world.corpus(), run="r")]
    shown = of(model, NotesInput)[0].inputs.facts
    assert [fact.quote for fact in shown] == list(world.STEPS)
    told = [event for event in events if event.type == "notes"]
    assert [(event.name, event.version, event.facts) for event in told] == [("memory", 1, 2)]
    assert [event.candidate.answer for event in events if event.type == "candidate"] == [world.ANSWER]


async def test_an_answer_from_the_notes_that_stands_in_no_quote_is_not_offered(alone):
    def lies(prompt):
        if isinstance(prompt.inputs, RecallInput):
            return Verdict(answerable=True, answer="Rome", confidence=1, facts=[1], queries=[])
        return remembers(prompt)

    coordinator, _ = fused(lies)
    answer = await coordinator.aask(world.QUESTION, world.corpus())
    assert not answer.candidates
    assert not answer.answered


async def test_a_memory_agent_that_fails_costs_its_path_and_a_notice(alone):
    coordinator, _ = fused(lambda prompt: CallError("content_filter", "withheld"))
    answer = await coordinator.aask(world.QUESTION, world.corpus())
    assert not answer.answered
    assert any("memory agent" in notice for notice in answer.notices)
    assert answer.coverage.shards_read == answer.coverage.shards


async def test_what_the_ladder_cited_is_in_the_last_prompt_even_if_the_rewriting_forgot_it(alone):
    def forgets(prompt):
        return Notes(memory="nothing of use", plan="") if isinstance(prompt.inputs, NotesInput) else world.judge(prompt)

    def cites(prompt):
        return Verdict(answerable=True, answer=f"town {len(prompt.inputs.facts)}", confidence=0.5, facts=[1], queries=[])

    model = world.model(memory=forgets, reasoner=cites)
    await team(model, strategy="fused").aask(world.QUESTION, world.corpus())
    shown = of(model, RecallInput)[0].inputs
    assert {fact.quote for fact in shown.facts} == set(world.STEPS)


# ------------------------------------------------------------------ over raw text


async def test_the_published_loop_reads_every_shard_once_in_order_and_asks_once():
    model = world.model(memory=remembers)
    answer = await team(model, lanes=1, heads=1, rounds=1).aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert answer.strategy == "iterative"
    assert answer.coverage.shards_read == answer.coverage.shards > 8
    assert answer.coverage.tokens_read == answer.coverage.tokens
    assert (answer.coverage.rounds, answer.coverage.failed) == (1, 0)
    assert len(of(model, ScanInput)) == answer.coverage.shards
    assert len(of(model, RecallInput)) == 1
    assert model.most_in_flight == 1
    places = [call.inputs.shard.sections[0] for call in of(model, ScanInput)]
    assert places == sorted(places, key=lambda section: (section.document, section.start))
    assert answer.usage.calls == len(model.calls)


async def test_lanes_and_heads_make_a_call_each_for_every_shard():
    model = world.model(memory=remembers)
    answer = await team(model, lanes=4, heads=3, rounds=1).aask(world.QUESTION, world.corpus())
    calls = of(model, ScanInput)
    assert len(calls) == 3 * answer.coverage.shards
    foci = {call.inputs.focus for call in calls}
    assert len(foci) == 3
    assert model.most_in_flight <= 12
    first = [call for call in calls if not call.inputs.notes and call.inputs.focus == ""]
    assert len(first) >= 4


async def test_what_one_lane_noted_leads_a_second_pass_to_the_rest():
    model = world.model(memory=remembers, delay=0.0)
    answer = await team(model, lanes=4).aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert answer.coverage.rounds == 2
    again = len(of(model, ScanInput)) - answer.coverage.shards
    assert 0 < again < answer.coverage.shards
    assert all(call.inputs.notes for call in of(model, ScanInput)[answer.coverage.shards :])


async def test_two_orders_of_the_notes_have_to_agree():
    def fickle(prompt):
        if not isinstance(prompt.inputs, RecallInput):
            return remembers(prompt)
        backwards = prompt.inputs.facts[0].quote == world.STEPS[1]
        return Verdict(answerable=True, answer="Oskerby" if backwards else "Mirelle", confidence=1, facts=[1, 2], queries=[])

    model = world.model(memory=fickle)
    answer = await team(model, lanes=1, rounds=2).aask(world.QUESTION, world.corpus())
    assert len(of(model, RecallInput)) == 4
    assert not answer.answered


async def test_an_answer_that_stands_in_no_quote_is_not_given():
    def lies(prompt):
        if isinstance(prompt.inputs, RecallInput):
            return Verdict(answerable=True, answer="Rome", confidence=1, facts=[1], queries=[])
        return remembers(prompt)

    answer = await team(world.model(memory=lies)).aask(world.QUESTION, world.corpus())
    assert not answer.answered
    assert answer.coverage.shards_read == answer.coverage.shards


async def test_the_order_in_which_lanes_go_on_changes_no_prompt():
    async def prompts_of(seed: int) -> list[str]:
        rng = random.Random(seed)
        model = world.model(memory=remembers)
        complete = model.complete

        async def shuffled(prompt, **options):
            for _ in range(rng.randrange(40)):
                await asyncio.sleep(0)
            return await complete(prompt, **options)

        model.complete = shuffled
        memory = open_memory("memory://")
        memory.secret = _secret
        await team(model, memory=memory, lanes=4, heads=2).aask(world.QUESTION, world.corpus(), run="same")
        return sorted("\0".join(message.content for message in call.messages) for call in model.calls)

    first = await prompts_of(1)
    assert len(first) > 20
    assert await prompts_of(2) == first
    assert await prompts_of(3) == first


async def _secret() -> bytes:
    return b"the same in every run of this test"


async def test_every_step_leaves_a_version_of_its_notes_and_the_facts_are_reported():
    memory = open_memory("memory://")
    coordinator = team(memory=memory, lanes=2, heads=2, rounds=1)
    events = [event async for event in coordinator.astream(world.QUESTION, world.corpus(), run="r")]
    answer = events[-1].answer
    told = [(event.name, event.version) for event in events if event.type == "notes"]
    half = answer.coverage.shards // 2
    assert ("lane:0:head:1", half) in told
    assert ("merged", 1) in told
    assert (await memory.read_note("r", "lane:1:head:0")).version == answer.coverage.shards - half
    reports = await memory.reports("r")
    assert len(reports) == answer.coverage.shards
    found = {fact.quote for report in reports for fact in report.findings[0].facts}
    assert world.STEPS[0] in found


async def test_a_run_that_ended_early_goes_on_from_its_notes_and_asks_nothing_twice():
    memory = open_memory("memory://")
    memory.secret = _secret
    options = {"memory": memory, "lanes": 2, "rounds": 2}
    whole = world.model(memory=remembers)
    await team(whole, **{**options, "memory": _own_memory()}).aask(world.QUESTION, world.corpus(), run="r")
    first = world.model(memory=remembers)
    started = await team(first, **options, budget=Budget(calls=12)).aask(world.QUESTION, world.corpus(), run="r")
    assert started.stopped_by == "budget"
    assert 0 < started.coverage.shards_read < started.coverage.shards
    second = world.model(memory=remembers)
    answer = await team(second, **options).aask(world.QUESTION, world.corpus(), run="r", resume=True)
    assert answer.answer == world.ANSWER
    assert answer.coverage.shards_read == answer.coverage.shards
    assert answer.coverage.tokens_read == answer.coverage.tokens

    def texts(model):
        return [call.messages[-1].content for call in of(model, ScanInput)]

    assert not set(texts(first)) & set(texts(second))
    assert sorted(texts(first) + texts(second)) == sorted(texts(whole))


def _own_memory():
    memory = open_memory("memory://")
    memory.secret = _secret
    return memory


async def test_a_shard_that_cannot_be_read_costs_itself():
    def fails(prompt):
        if isinstance(prompt.inputs, ScanInput) and any("2000th" in s.text for s in prompt.inputs.shard.sections):
            return CallError("content_filter", "withheld")
        return remembers(prompt)

    answer = await team(world.model(memory=fails)).aask(world.QUESTION, world.corpus())
    assert answer.coverage.failed == 1
    assert answer.coverage.shards_read == answer.coverage.shards - 1
    assert answer.coverage.tokens_read < answer.coverage.tokens
    assert answer.answer == world.ANSWER
    assert any("could not be read" in notice for notice in answer.notices)


async def test_a_later_pass_starts_from_as_many_notes_as_one_head_may_keep(monkeypatch):
    monkeypatch.setenv("EXTAGENTS_MEMORY_TOKENS", "256")

    def finds_much(prompt):
        if isinstance(prompt.inputs, NotesInput):
            return notes(prompt)
        if isinstance(prompt.inputs, RecallInput):
            return Verdict(answerable=False, answer="", confidence=0, facts=[], queries=["Where was Mirelle Tanager born?"])
        lines = prompt.inputs.shard.sections[0].text.split(". ")[:3]
        return Scan(facts=[ReportedFact(claim=line, quote=line, relevance=0.3) for line in lines], drop=[], plan="")

    model = world.model(memory=finds_much)
    await team(model, lanes=6, rounds=2).aask(world.QUESTION, world.corpus())
    last = of(model, RecallInput)[-1].inputs
    assert sum(len(fact.claim) // 4 for fact in last.facts) > 600
    assert not of(model, NotesInput)
    assert max(sum(len(fact.claim) // 4 for fact in call.inputs.notes) for call in of(model, ScanInput)) <= 256


async def test_one_head_that_fails_leaves_the_others_what_they_read():
    def fails(prompt):
        return CallError("content_filter", "withheld") if getattr(prompt.inputs, "focus", "") else remembers(prompt)

    answer = await team(world.model(memory=fails), heads=2).aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert answer.coverage.failed == 0


async def test_a_wrong_key_ends_the_run():
    from extagents.errors import ModelError

    with pytest.raises(ModelError):
        await team(world.model(memory=lambda _: CallError("auth", "bad key"))).aask(world.QUESTION, world.corpus())


async def test_a_budget_that_ends_keeps_what_was_noted():
    answer = await team(lanes=1, budget=Budget(calls=15)).aask(world.QUESTION, world.corpus())
    assert answer.stopped_by == "budget"
    assert answer.partial
    assert answer.usage.calls <= 15
    assert answer.answer == world.ANSWER


async def test_a_deadline_ends_the_lanes_with_the_best_answer_so_far():
    hold = asyncio.Event()
    seen = []

    def slow(prompt):
        seen.append(prompt)
        if isinstance(prompt.inputs, ScanInput) and len(seen) > 10:

            async def never():
                await hold.wait()

            return never()
        return remembers(prompt)

    answer = await team(world.model(memory=slow), lanes=1, budget=Budget(seconds=1.0)).aask(world.QUESTION, world.corpus())
    assert answer.stopped_by == "deadline"
    assert answer.coverage.shards_read == 10
    assert answer.coverage.rounds == 1


async def test_chinese_questions_get_chinese_prompts_and_foci():
    model = world.model(memory=remembers, planner=lambda _: world.plan("乌鸦研究所的创始人出生在哪里？"))
    await team(model, heads=3, rounds=1).aask("乌鸦研究所的创始人出生在哪里？", world.corpus())
    call = of(model, ScanInput)[-1]
    assert "你的笔记" in call.messages[0].content
    assert {c.inputs.focus for c in of(model, ScanInput)} >= {"", FOCI["zh"][0]}


async def test_a_summary_is_written_from_the_notes_facts_without_asking_them():
    model = world.model(memory=remembers, planner=lambda _: world.plan(kind="summary", answer_type="text"))
    answer = await team(model).aask(world.QUESTION, world.corpus())
    assert not of(model, RecallInput)
    assert answer.coverage.shards_read == answer.coverage.shards


async def test_without_a_language_model_the_notes_answer_too():
    from extagents import Document

    about = [
        "The Corvid Institute was founded by Mirelle Tanager in 1912.",
        "The harbour of Lunmouth was dredged twice.",
    ]
    filler = "".join(world.FILLER.format(n=n) for n in range(400))
    documents = [Document(id=f"d{n}", title=f"D{n}", text=f"{filler}\n\n{text}\n\n{filler}") for n, text in enumerate(about)]
    answer = await Coordinator(memory="memory://", strategy="iterative", window=8_000).aask(
        "When was the Corvid Institute founded?", documents
    )
    assert "1912" in answer.answer
    assert [candidate.path for candidate in answer.candidates] == ["memory"]


async def test_what_a_run_costs_lies_within_its_estimate():
    coordinator = team(heads=2)
    estimated = await coordinator.aestimate(world.QUESTION, world.corpus())
    answer = await coordinator.aask(world.QUESTION, world.corpus())
    assert estimated.calls[0] <= answer.usage.calls <= estimated.calls[1]
    assert estimated.input_tokens[0] <= answer.usage.input_tokens <= estimated.input_tokens[1]
    assert estimated.shards == answer.coverage.shards


# ------------------------------------------------------------------ the rules


def test_lanes_follow_the_concurrency_and_the_size_of_the_input():
    assert lane_count(33, lanes=None, heads=1, concurrency=64) == 9
    assert lane_count(1_000, lanes=None, heads=4, concurrency=64) == 16
    assert lane_count(3, lanes=None, heads=2, concurrency=64) == 1
    assert lane_count(3, lanes=8, heads=2, concurrency=64) == 3
    assert lane_count(100, lanes=None, heads=8, concurrency=1) == 1


def test_stretches_are_contiguous_and_nearly_equal():
    parts = stretches(range(10), 3)
    assert [number for part in parts for number in part] == list(range(10))
    assert {len(part) for part in parts} == {3, 4}


def heard(answer: str, *facts: str, confidence: float = 0.8) -> Recalled:
    made = tuple(
        Fact(id=name, claim=name, quote=name, document="d", start=0, end=1, relevance=0.5, shard="s", round=1) for name in facts
    )
    return Recalled(answer, confidence, made, made)


def test_an_answer_that_only_one_order_gave_once_is_not_chosen():
    assert chosen([[heard("Ada", "a"), heard("")]], "name") is None
    assert chosen([[heard("Ada", "a")]], "name") is not None  # asked once: the published loop
    found = chosen([[heard("Ada", "a"), heard("")], [heard(""), heard("Ada", "a")]], "name")
    assert found is not None
    assert found[1] == 0.5
    assert chosen([[heard("Ada", "a"), heard("Grace", "b")], [heard("Ada", "a"), heard("Grace", "b")]], "name") is None


def test_an_unverified_answer_is_never_chosen():
    assert chosen([[heard("Ada"), heard("Ada")]], "name") is None
    assert not agreed([heard("Ada"), heard("Ada")], "name")


def test_one_fact_does_not_settle_a_question_of_several_steps():
    assert early([heard("Ada", "a"), heard("Ada", "a")], "multi_hop")
    assert not early([heard("Ada", "a"), heard("Ada", "a", "b")], "multi_hop")
    assert not early([heard("Ada", "a")], "lookup")


def test_the_worlds_plan_is_a_question_of_several_steps():
    assert isinstance(world.plan(), Plan)
