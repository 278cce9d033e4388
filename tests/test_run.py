"""Whole runs over a made-up world: rounds, knowledge, order, routing, stopping, budgets, failures."""

import asyncio
import random

import pytest
import world
from pydantic import BaseModel
from sentinels import API_KEY, files_with_sentinels, form_in

from extagents import Budget, Coordinator, Document
from extagents.errors import CallError, InputError, ModelError, RunExists, SettingsError
from extagents.memory.open import open_memory
from extagents.settings import Settings
from extagents.types import Reading, ReportedFact, SinglePass, Verdict


def team(model=None, **options) -> Coordinator:
    options.setdefault("memory", "memory://")
    options.setdefault("effort", "thorough")
    options.setdefault("window", 8_000)
    return Coordinator(model or world.model(), **options)


def readers(model):
    return [call for call in model.calls if call.role == "reader"]


async def test_a_two_step_question_is_answered_over_rounds_with_citations_that_hold():
    model = world.model()
    corpus = world.corpus()
    answer = await team(model).aask(world.QUESTION, corpus)
    assert answer.answer == world.ANSWER
    assert answer.answered
    assert answer.coverage.rounds == 2
    assert answer.coverage.shards_read == answer.coverage.shards > 4
    texts = {document.id: document.text for document in corpus.documents}
    assert {citation.quote for citation in answer.citations} == set(world.STEPS)
    assert all(texts[c.document][c.start : c.end] == c.quote and c.verified for c in answer.citations)
    assert answer.usage.calls == len(model.calls)
    assert not answer.partial


async def test_only_what_facts_point_at_is_read_again():
    model = world.model()
    answer = await team(model).aask(world.QUESTION, world.corpus())
    again = len(readers(model)) - answer.coverage.shards
    assert 0 < again <= 9


async def test_what_was_found_before_the_wave_reaches_every_reader_of_it():
    model = world.model()
    await team(model).aask(world.QUESTION, world.corpus())
    first = [call.inputs.questions[0] for call in readers(model) if call.inputs.round == 1]
    later = [call.inputs.questions[0] for call in readers(model) if call.inputs.round > 1]
    assert all(not asked.knowledge and not asked.open_queries for asked in first)
    assert later
    assert all(world.STEPS[0] in [fact.claim for fact in asked.knowledge] for asked in later)


async def test_the_order_in_which_reports_arrive_changes_no_later_prompt():
    async def prompts_of(seed: int) -> list[str]:
        rng = random.Random(seed)
        model = world.model()
        complete = model.complete

        async def shuffled(prompt, **options):
            for _ in range(rng.randrange(40)):
                await asyncio.sleep(0)
            return await complete(prompt, **options)

        model.complete = shuffled
        memory = open_memory("memory://")
        memory.secret = _secret
        await team(model, memory=memory).aask(world.QUESTION, world.corpus(), run="same")
        return sorted("\0".join(message.content for message in call.messages) for call in model.calls)

    first = await prompts_of(1)
    assert len(first) > 10
    assert await prompts_of(2) == first
    assert await prompts_of(3) == first


async def _secret() -> bytes:
    return b"the same in every run of this test"


async def test_input_that_fits_the_window_takes_one_pass():
    model = world.model()
    answer = await team(model, window=32_768).aask(world.QUESTION, world.corpus(4, length=10))
    assert [call.role for call in model.calls] == ["planner", "single"]
    assert answer.answer == world.ANSWER
    assert {citation.quote for citation in answer.citations} == set(world.STEPS)
    assert [candidate.path for candidate in answer.candidates] == ["single"]


async def test_a_single_pass_whose_answer_stands_in_no_quote_is_followed_by_the_rounds():
    made_up = SinglePass(
        facts=[ReportedFact(claim="x", quote="nowhere", relevance=1)], answerable=True, answer="Rome", confidence=1
    )
    model = world.model(single=lambda _: made_up)
    answer = await team(model, window=32_768).aask(world.QUESTION, world.corpus(4, length=10))
    assert answer.answer == world.ANSWER
    assert "reader" in {call.role for call in model.calls}


async def test_an_answer_that_only_an_invented_quote_supports_is_not_given():
    lie = Reading(
        facts=[ReportedFact(claim="It was Rome.", quote="Rome, of course.", relevance=1)], queries=[], continues=False
    )
    says_rome = Verdict(answerable=True, answer="Rome", confidence=1, facts=[1], queries=[])
    answer = await team(world.model(reader=lambda _: lie, reasoner=lambda _: says_rome), strategy="parallel").aask(
        world.QUESTION, world.corpus()
    )
    assert answer.answer == ""
    assert not answer.answered
    assert answer.citations == ()


async def test_nothing_found_is_not_answered_and_everything_was_read():
    answer = await team().aask(world.QUESTION, world.corpus(steps=()))
    assert not answer.answered
    assert answer.answer == ""
    assert answer.coverage.shards_read == answer.coverage.shards
    assert not answer.partial


async def test_balanced_reading_stops_early_and_says_what_it_did_not_read():
    def judge_first(prompt):
        shown = [fact.quote for fact in prompt.inputs.facts]
        found = world.STEPS[0] in shown
        label = [shown.index(world.STEPS[0]) + 1] if found else []
        return Verdict(answerable=found, answer="Mirelle Tanager" if found else "", confidence=1, facts=label, queries=[])

    question = "Who founded the Corvid Institute?"
    results = {}
    for effort in ("quick", "balanced", "thorough"):
        model = world.model(reasoner=judge_first, planner=lambda _: world.plan(question, kind="lookup", answer_type="person"))
        results[effort] = await team(model, effort=effort).aask(question, world.corpus(80))
        assert results[effort].answer == "Mirelle Tanager"
    read = {effort: answer.coverage.tokens_read for effort, answer in results.items()}
    assert read["quick"] < read["balanced"] < read["thorough"] == results["thorough"].coverage.tokens
    assert not results["quick"].partial


async def test_an_aggregate_question_reads_everything_whatever_the_effort():
    model = world.model(planner=lambda _: world.plan(kind="aggregate", answer_type="number"))
    answer = await team(model, effort="quick").aask("How many ledgers are there?", world.corpus())
    assert answer.coverage.shards_read == answer.coverage.shards


async def test_all_rounds_read_everything_every_time():
    model = world.model()
    answer = await team(model, rounds="all").aask(world.QUESTION, world.corpus())
    assert answer.coverage.rounds >= 2
    assert answer.answer == world.ANSWER
    assert len(readers(model)) >= 2 * answer.coverage.shards


async def test_without_the_gate_every_round_reads_everything_again():
    model = world.model()
    answer = await team(model, settings=Settings(without=frozenset({"gate"}))).aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert len(readers(model)) == 2 * answer.coverage.shards


async def test_without_best_first_waves_follow_the_order_of_the_input():
    model = world.model()
    options = {"effort": "balanced", "settings": Settings(without=frozenset({"best_first"})), "concurrency": 1}
    await team(model, **options).aask(world.QUESTION, world.documents(200))
    first = [call.inputs.shard.sections[0].document for call in readers(model) if call.inputs.round == 1]
    assert len(first) > 4
    assert first == sorted(first)
    best = world.model()
    await team(best, effort="balanced", concurrency=1).aask(world.QUESTION, world.documents(200))
    assert len(readers(best)) < len(readers(model))


async def test_without_verification_an_invented_quote_supports_an_answer():
    invented = "The town of Oskerby is praised in a line that nobody wrote."

    def read(prompt):
        reading = world.read(prompt)
        facts = [ReportedFact(claim=fact.claim, quote=invented, relevance=0.9) for fact in reading.facts]
        return reading.model_copy(update={"facts": facts})

    def judge(prompt):
        named = [number for number, _ in enumerate(prompt.inputs.facts, 1)]
        return Verdict(answerable=True, answer=world.ANSWER, confidence=0.9, facts=named, queries=[])

    alone = team(world.model(reader=read, reasoner=judge), strategy="parallel")
    assert not (await alone.aask(world.QUESTION, world.corpus())).answered
    unchecked = Settings(without=frozenset({"verification"}))
    believing = team(world.model(reader=read, reasoner=judge), strategy="parallel", settings=unchecked)
    answer = await believing.aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert not answer.citations


@pytest.mark.parametrize("limit", [{"calls": 6}, {"tokens": 60_000}])
async def test_a_budget_is_never_exceeded_and_ends_with_a_partial_answer(limit):
    answer = await team(budget=Budget(**limit)).aask(world.QUESTION, world.corpus())
    assert answer.partial
    assert answer.stopped_by == "budget"
    assert answer.coverage.shards_read < answer.coverage.shards
    spent = {"calls": answer.usage.calls, "tokens": answer.usage.input_tokens + answer.usage.output_tokens}
    assert all(spent[name] <= most for name, most in limit.items())


async def test_a_deadline_ends_with_a_partial_answer_in_time():
    hanging = asyncio.Event()

    class Hanging(type(world.model())):
        async def complete(self, prompt, **options):
            if prompt.role == "reader":
                await hanging.wait()
            return await super().complete(prompt, **options)

    inner = world.model()
    inner.__class__ = Hanging
    answer = await team(inner, budget=Budget(seconds=1.0)).aask(world.QUESTION, world.corpus())
    assert answer.stopped_by == "deadline"
    assert answer.partial
    assert answer.seconds < 1.5


async def test_an_interrupt_ends_with_what_was_found():
    model = world.model()
    asked = team(model)
    seen = []
    async for event in asked.astream(world.QUESTION, world.corpus()):
        seen.append(event.type)
        if event.type == "facts":
            asked.interrupt()
    assert seen[-1] == "answer"
    assert event.answer.stopped_by == "cancelled"
    assert event.answer.partial


async def test_a_failing_shard_costs_that_shard_only():
    def fails_on_some(prompt):
        if "Ledger 1\n" in prompt.messages[-1].content or "The 100th ledger" in prompt.messages[-1].content:
            raise CallError("content_filter", "withheld")
        return world.read(prompt)

    answer = await team(world.model(reader=fails_on_some)).aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert answer.coverage.failed >= 1
    assert answer.coverage.shards_read + answer.coverage.failed == answer.coverage.shards
    assert any("could not be read" in notice for notice in answer.notices)


async def test_when_every_shard_fails_the_run_is_an_error_that_says_why():
    def refuse(_):
        raise CallError("content_filter", "withheld")

    with pytest.raises(ModelError, match="withheld"):
        await team(world.model(reader=refuse)).aask(world.QUESTION, world.corpus())


async def test_a_refused_key_ends_the_run_at_once():
    def refuse(_):
        raise CallError("auth", "Incorrect API key provided.", status=401)

    model = world.model(planner=refuse, reader=refuse)
    with pytest.raises(ModelError, match="Incorrect API key"):
        await team(model).aask(world.QUESTION, world.corpus())
    assert len(model.calls) <= 2


async def test_a_failing_planner_costs_its_foresight_only():
    def fails(_):
        raise CallError("content_filter", "withheld")

    answer = await team(world.model(planner=fails)).aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert any("planner" in notice for notice in answer.notices)


async def test_a_shard_that_is_too_long_for_the_model_is_split():
    limits = {"tokens": 1_200}

    def short_of_breath(prompt):
        if len(prompt.messages[-1].content) // 4 > limits["tokens"]:
            raise CallError("context_length", "too long")
        return world.read(prompt)

    answer = await team(world.model(reader=short_of_breath)).aask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert answer.coverage.failed == 0


async def test_instructions_are_followed_by_one_more_call():
    model = world.model()
    answer = await team(model).aask(world.QUESTION, world.corpus(), instructions="Shout.")
    assert answer.answer == f"{world.ANSWER}!"
    assert [call.role for call in model.calls].count("fusion") == 1
    assert answer.citations


async def test_history_reaches_the_planner():
    model = world.model()
    await team(model).aask(
        "And where was she born?", world.corpus(), history=[("user", "Who founded it?"), ("assistant", "Mirelle.")]
    )
    assert "Who founded it?" in model.calls[0].messages[-1].content


class Birth(BaseModel):
    town: str


async def test_a_schema_is_filled():
    answer = await team().aask(world.QUESTION, world.corpus(), schema=Birth)
    assert isinstance(answer.data, Birth)
    assert world.ANSWER in answer.data.town


async def test_a_summary_is_written_from_the_facts_with_citations():
    model = world.model(planner=lambda _: world.plan(kind="summary", answer_type="text"))
    answer = await team(model).aask("Summarise what is known of the Corvid Institute.", world.corpus())
    assert answer.answer == "a summary!"
    assert answer.citations


async def test_a_corpus_keeps_its_own_order_and_paths_are_packed_by_rank():
    model = world.model()
    corpus = world.corpus()
    packings = []
    for over in (corpus, world.documents()):
        async for event in team(model).astream(world.QUESTION, over):
            if event.type == "planned":
                packings.append(event.packing)
    assert packings[0].startswith("corpus order")
    assert packings[1].startswith("by rank")


async def test_events_tell_the_run_in_order():
    kinds = [event.type async for event in team().astream(world.QUESTION, world.corpus())]
    assert kinds[-1] == "answer"
    for earlier, later in [("planned", "wave"), ("wave", "shard_read"), ("shard_read", "facts"), ("facts", "verdict")]:
        assert kinds.index(earlier) < kinds.index(later)


async def test_the_same_question_again_is_read_from_the_cache():
    model = world.model()
    asked = team(model)
    first = await asked.aask(world.QUESTION, world.corpus())
    calls = len(readers(model))
    second = await asked.aask(world.QUESTION, world.corpus())
    assert second.answer == first.answer
    assert len(readers(model)) == calls


async def test_a_run_is_stored_and_its_name_is_taken():
    asked = team()
    await asked.aask(world.QUESTION, world.corpus(), run="mine")
    with pytest.raises(RunExists):
        await asked.aask(world.QUESTION, world.corpus(), run="mine")
    again = await asked.aask(world.QUESTION, world.corpus(), run="mine", resume=True)
    assert again.answer == world.ANSWER


def test_stored_runs_can_be_listed_shown_and_forgotten():
    with team() as asked:
        asked.ask(world.QUESTION, world.corpus(), run="mine")
        assert [record.manifest.run for record in asked.runs()] == ["mine"]
        record = asked.run("mine")
        assert record.status == "done"
        assert record.answer["answer"] == world.ANSWER
        assert asked.reports("mine")
        assert asked.forget("mine")
        assert asked.runs() == []


async def test_a_blocking_call_works_inside_a_running_loop():
    assert team().ask(world.QUESTION, world.corpus()).answer == world.ANSWER


def test_two_loops_and_several_threads_use_one_coordinator():
    from concurrent.futures import ThreadPoolExecutor

    asked = team()

    def one(number: int) -> str:
        if number % 2:
            return asyncio.run(asked.aask(world.QUESTION, world.corpus())).answer
        return asked.ask(world.QUESTION, world.corpus()).answer

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == [world.ANSWER] * 8


async def test_the_graph_stands_in_a_users_own_graph():
    from typing import Any, TypedDict

    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, StateGraph

    class Mine(TypedDict, total=False):
        question: str
        over: Any
        answer: dict[str, Any]
        shout: str

    graph = StateGraph(Mine)
    graph.add_node("ask", team().graph())
    graph.add_node("shout", lambda state: {"shout": state["answer"]["answer"].upper()})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "shout")
    graph.add_edge("shout", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    result = await compiled.ainvoke({"question": world.QUESTION, "over": world.documents()}, config)
    assert result["shout"] == world.ANSWER.upper()
    kept = await compiled.aget_state(config)
    assert kept.values["answer"]["answer"] == world.ANSWER


async def test_graph_state_holds_no_text():
    seen = []
    graph = team().graph()
    async for update in graph.astream({"question": world.QUESTION, "over": world.documents()}, stream_mode="updates"):
        seen.append(update)
    assert all("ledger" not in str(value) for update in seen for node, value in update.items() if node != "fuse")


@pytest.mark.parametrize("question", ["", "   \n"])
async def test_an_empty_question_is_refused(question):
    with pytest.raises(InputError, match="empty"):
        await team().aask(question, world.corpus())


async def test_a_question_longer_than_the_window_is_refused_before_anything_is_spent():
    model = world.model()
    with pytest.raises(InputError, match="window"):
        await team(model).aask("why? " * 20_000, world.corpus())
    assert model.calls == []


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(SettingsError, match="effort"):
        team(effort="heroic")
    with pytest.raises(SettingsError, match="window"):
        team(window=1_000).ask(world.QUESTION, world.corpus())
    with pytest.raises(SettingsError):
        team("nonsense:model").ask(world.QUESTION, world.corpus())


async def test_documents_without_ids_get_their_own():
    documents = [Document(text=document.text, title=document.title) for document in world.documents(8)]
    answer = await team().aask(world.QUESTION, documents)
    assert len({citation.document for citation in answer.citations}) == 2


async def test_nothing_blocks_the_event_loop():
    from blockbuster import blockbuster_ctx

    asked, corpus = team(memory=None), world.corpus()
    await asked.aask(world.QUESTION, corpus)  # modules are loaded and the store is opened once
    with blockbuster_ctx("extagents"):
        answer = await asked.aask(world.QUESTION, corpus)
    assert answer.answer == world.ANSWER


async def test_a_run_that_ended_early_goes_on_without_paying_twice():
    model = world.model()
    memory = open_memory("memory://")
    first = await team(model, memory=memory, budget=Budget(calls=8)).aask(world.QUESTION, world.corpus(), run="mine")
    assert first.partial
    before = len(readers(model))
    again = await team(model, memory=memory).aask(world.QUESTION, world.corpus(), run="mine", resume=True)
    assert again.answer == world.ANSWER
    first_round = [call.inputs.shard.id for call in readers(model) if call.inputs.round == 1]
    assert before > 0
    assert len(first_round) == len(set(first_round)) == again.coverage.shards
    assert [call.role for call in model.calls].count("planner") == 1
    with pytest.raises(RunExists, match="another question"):
        await team(model, memory=memory).aask("Something else?", world.corpus(), run="mine", resume=True)


async def test_an_interrupt_while_files_are_loaded_ends_the_run_at_once(tmp_path):
    for number in range(50):
        (tmp_path / f"{number}.txt").write_text("text " * 100, encoding="utf-8")
    asked = team()
    answers = []
    async for event in asked.astream(world.QUESTION, tmp_path):
        if event.type == "progress" and event.phase == "load" and event.total:
            asked.interrupt()
        elif event.type == "answer":
            answers.append(event.answer)
    assert answers[0].stopped_by == "cancelled"
    assert answers[0].partial


async def test_a_budget_in_dollars_holds_for_given_prices():
    from extagents.types import Prices

    model = world.model(prices=Prices(input=10, output=10))
    answer = await team(model, budget=Budget(cost=0.3)).aask(world.QUESTION, world.corpus())
    assert answer.stopped_by == "budget"
    assert 0 < answer.usage.cost <= 0.3


async def test_a_run_whose_input_changed_is_not_gone_on_with():
    memory = open_memory("memory://")
    asked = team(memory=memory, budget=Budget(calls=8))
    await asked.aask(world.QUESTION, world.corpus(), run="mine")
    with pytest.raises(RunExists, match="another input"):
        await team(memory=memory).aask(world.QUESTION, world.corpus(steps=()), run="mine", resume=True)


async def test_a_run_goes_on_with_another_effort_and_other_shards():
    memory, model = open_memory("memory://"), world.model()
    first = await team(model, memory=memory, effort="balanced", budget=Budget(calls=8)).aask(
        world.QUESTION, world.corpus(), run="mine"
    )
    assert first.partial
    for options in ({"effort": "thorough"}, {"shard_tokens": 900}):
        again = await team(model, memory=memory, **options).aask(world.QUESTION, world.corpus(), run="mine", resume=True)
        assert again.answer == world.ANSWER


async def test_a_budget_that_ends_still_gives_the_answer_that_was_paid_for():
    model = world.model(window=128_000)
    answer = await team(model, window=64_000, strategy="parallel", shard_tokens=800, budget=Budget(tokens=170_000)).aask(
        world.QUESTION, world.corpus()
    )
    assert answer.usage.input_tokens + answer.usage.output_tokens <= 170_000
    assert answer.answer == world.ANSWER


async def test_a_summary_is_written_from_what_the_kept_budget_can_pay():
    def much(prompt):
        text = prompt.inputs.shard.sections[0].text
        quotes = [line for line in text.split(". ") if len(line) > 40][:30]
        facts = [ReportedFact(claim=quote, quote=quote, relevance=0.5) for quote in quotes]
        return Reading(facts=facts, queries=[], continues=False)

    model = world.model(planner=lambda _: world.plan(kind="summary", answer_type="text"), reader=much, window=128_000)
    answer = await team(model, window=64_000, strategy="parallel", shard_tokens=800, budget=Budget(tokens=250_000)).aask(
        "Summarise the ledgers.", world.corpus()
    )
    assert answer.answer
    assert answer.citations


async def test_a_wording_that_the_evidence_does_not_hold_is_told_and_trusted_less():
    from extagents.types import Fused

    model = world.model(fusion=lambda _: Fused(answerable=True, answer="LONDON", confidence=0.9, facts=[1]))
    answer = await team(model).aask(world.QUESTION, world.corpus(), instructions="In capitals.")
    assert answer.confidence <= 0.5
    assert any(world.ANSWER in notice for notice in answer.notices)
    filled = await team(model).aask(world.QUESTION, world.corpus(), schema=Birth)
    assert filled.answer == world.ANSWER


async def test_a_reasoner_that_always_fails_is_an_error_and_not_a_missing_answer():
    def fails(_):
        raise CallError("content_filter", "withheld")

    with pytest.raises(ModelError, match="withheld"):
        await team(world.model(reasoner=fails)).aask(world.QUESTION, world.corpus())


async def test_an_answer_is_given_though_the_last_call_fails():
    def fails(_):
        raise CallError("auth", "key expired")

    answer = await team(world.model(fusion=fails)).aask(world.QUESTION, world.corpus(), instructions="Shout.")
    assert answer.answer == world.ANSWER
    assert any("key expired" in notice for notice in answer.notices)


def test_leaving_a_stream_early_ends_that_run_only():
    asked = team()
    for event in asked.stream(world.QUESTION, world.corpus()):
        if event.type == "planned":
            break
    answer = asked.ask(world.QUESTION, world.corpus())
    assert answer.answer == world.ANSWER
    assert not answer.partial


async def test_a_cancelled_question_is_stored_as_such_and_spends_nothing_more():
    model, memory = world.model(), open_memory("memory://")
    asked = team(model, memory=memory)
    stream = asked.astream(world.QUESTION, world.corpus(), run="mine")
    async for event in stream:
        if event.type == "shard_read":
            break
    await stream.aclose()
    calls = len(model.calls)
    await asked.aclose()
    assert len(model.calls) == calls
    record = await memory.load_run("mine")
    assert record.status == "partial"


async def test_a_run_that_is_done_before_its_deadline_is_not_partial():
    answer = await team(budget=Budget(seconds=60)).aask(world.QUESTION, world.corpus())
    assert not answer.partial
    assert answer.stopped_by is None


async def test_stored_settings_hold_no_secret(tmp_path):
    asked = Coordinator(
        world.model(),
        memory=f"sqlite:///{tmp_path}/memory.sqlite",
        window=8_000,
        base_url=f"https://user:{API_KEY}@localhost/v1?key={API_KEY}",
        api_key=API_KEY,
    )
    await asked.aask(world.QUESTION, world.corpus(), run="mine")
    record = asked.run("mine")
    assert record is not None
    assert form_in(record.model_dump_json()) is None
    assert form_in(repr(asked.settings)) is None
    asked.close()
    assert not files_with_sentinels(tmp_path)


async def test_a_shard_read_in_part_is_told():
    def short_of_breath(prompt):
        if len(prompt.messages[-1].content) > 6_000:
            raise CallError("context_length", "too long")
        half = prompt.inputs.shard.id
        if not half.endswith(".2") or withheld.setdefault("half", half) != half:
            return world.read(prompt)
        raise CallError("content_filter", "withheld")

    withheld = {}
    answer = await team(world.model(reader=short_of_breath)).aask(world.QUESTION, world.corpus())
    assert answer.coverage.failed == 0
    assert any("Parts of 1 of" in notice for notice in answer.notices)


async def test_a_single_pass_over_too_much_says_what_it_did_not_read():
    answer = await team(strategy="single").aask(world.QUESTION, world.corpus(80))
    assert answer.coverage.shards_read < answer.coverage.shards
    assert any("the rest was not read" in notice for notice in answer.notices)


def test_a_role_that_does_not_exist_is_refused():
    with pytest.raises(SettingsError, match="raeder"):
        Coordinator(world.model(), models={"raeder": "extractive"})


def test_the_estimate_holds_what_a_run_costs():
    for effort in ("quick", "balanced", "thorough"):
        with team(effort=effort) as asked:
            told = asked.estimate(world.QUESTION, world.corpus())
            answer = asked.ask(world.QUESTION, world.corpus())
        assert told.calls[0] <= answer.usage.calls <= told.calls[1]
        assert answer.usage.input_tokens <= told.input_tokens[1]
        assert told.shards == answer.coverage.shards


@pytest.mark.parametrize(
    "wrong", [{"schema": dict}, {"schema": Birth(town="x")}, {"run": 5}, {"history": 5}, {"history": [5]}, {"instructions": 5}]
)
async def test_arguments_of_the_wrong_kind_are_refused_in_a_line(wrong):
    with pytest.raises(InputError):
        await team().aask(world.QUESTION, world.corpus(), **wrong)


async def test_lone_surrogates_in_a_question_are_sent_as_question_marks():
    model = world.model()
    await team(model).aask(f"{world.QUESTION} \ud800", world.corpus())
    sent = model.calls[0].messages[-1].content
    assert f"{world.QUESTION} ?" in sent
    assert sent.encode("utf-8")


def test_a_memory_of_no_kind_is_refused():
    with pytest.raises(SettingsError, match="memory"):
        Coordinator(world.model(), memory=5)


async def test_the_only_call_of_a_budget_is_for_the_answer():
    model = world.model()
    answer = await team(model, window=32_768, budget=Budget(calls=1)).aask(world.QUESTION, world.corpus(4, length=10))
    assert [call.role for call in model.calls] == ["single"]
    assert answer.answer == world.ANSWER


async def test_a_deadline_over_a_failing_model_says_what_failed():
    def down(_):
        raise CallError("server", "502 Bad Gateway")

    asked = team(world.model(reader=down), budget=Budget(seconds=1.0))
    answer = await asked.aask(world.QUESTION, world.corpus())
    assert answer.stopped_by == "deadline"
    assert any("502 Bad Gateway" in notice for notice in answer.notices)
