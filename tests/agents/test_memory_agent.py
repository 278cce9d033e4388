"""The memory agent: notes and their marks, guards and budget, and what its prompts hold."""

import pytest

from extagents.agents import memory_agent
from extagents.agents.calls import Desk
from extagents.agents.memory_agent import Asked
from extagents.agents.notebook import (
    Line,
    Notebook,
    content,
    dropped,
    labelled,
    merged,
    noted,
    parsed,
    rewritten,
    settled,
)
from extagents.errors import CallError
from extagents.gate import Account, BudgetEnded, Gate
from extagents.models.extractive import ExtractiveModel
from extagents.testing import ScriptedModel
from extagents.types import Document, Fact, Notes, ReportedFact, Scan, Section, ShardText, Verdict


def fact(number: int, claim: str = "", *, relevance: float = 0.5, document: str = "d", quote: str = "") -> Fact:
    claim = claim or f"The harbour office lists item {number} of its stores."
    quote = quote or claim
    start = 1_000 * number
    return Fact(
        id=f"{document}{number}",
        claim=claim,
        quote=quote,
        document=document,
        start=start,
        end=start + len(quote),
        relevance=relevance,
        shard="s",
        round=1,
    )


def asked(script=None, *, budget: int = 400, language="en", window: int = 8_000, **changes) -> Asked:
    model = script if hasattr(script, "complete") else ScriptedModel({"memory": script} if script else {})
    desk = Desk(
        gate=Gate({"default": model}), account=Account("run"), language=language, window=window, output_tokens=500, secret=b"s"
    )
    made = {"question": "Who?", "kind": "lookup", "answer_type": "name", **changes}
    return Asked(desk=desk, budget=budget, **made)


def shard(text: str) -> ShardText:
    return ShardText(id="s1", sections=(Section(document="d", title="D", text=text, start=0, end=len(text)),))


# ------------------------------------------------------------------ notes


def test_a_line_carries_the_marks_of_its_facts_however_they_are_written():
    facts = {number: fact(number) for number in range(1, 6)}
    text = "- First thing. [2]\n2) Second【1，5】\n\nthird [3][4] thing\n---\n"
    assert parsed(text, facts) == (Line("First thing.", (2,)), Line("Second", (1, 5)), Line("third thing", (3, 4)))


def test_numbers_of_no_fact_are_left_out_and_hostile_ones_do_no_harm():
    facts = {1: fact(1, "Ada wrote it.")}
    text = f"x y z [0, 7, 1]\nnothing here [99]\nlong [{'9' * 5_000}]\nnegative [-1]"
    lines = parsed(text, facts)
    assert [line.marks for line in lines] == [(1,), (), (), ()]
    assert lines[1].text == "nothing here"


def test_marks_that_a_model_forgot_are_recovered_from_claim_or_quote():
    facts = {
        1: fact(1, "The Corvid Institute was founded by Mirelle Tanager in 1912."),
        2: fact(2, "It says who was born.", quote="Mirelle Tanager was born in Oskerby on a rainy day."),
        3: fact(3, "The Corvid Institute was founded by Mirelle Tanager in 1913."),
    }
    lines = parsed(
        "The Corvid Institute was founded by Mirelle Tanager in 1912\n"
        "We know: mirelle tanager was born in Oskerby on a rainy day, and more.\n"
        "Something that no fact says at all.",
        facts,
    )
    assert [line.marks for line in lines] == [(1,), (2,), ()]


def test_a_chinese_line_without_marks_is_recovered_too():
    facts = {1: fact(1, "乌鸦研究所由米瑞尔于1912年创立。"), 2: fact(2, "港口办公室列出了绳索和钉子。")}
    assert [line.marks for line in parsed("乌鸦研究所由米瑞尔于1912年创立", facts)] == [(1,)]


def test_a_rewriting_that_loses_a_pinned_fact_gets_it_back_as_a_line_of_its_own():
    book = noted(Notebook(), [fact(1), fact(2), fact(3)])
    made = rewritten(book, "Only this. [1]", "go on", shown=[1, 2, 3], budget=400, pinned={2}, room=1)
    assert made.cited == (1, 2)
    assert made.lines[-1] == Line(fact(2).claim, (2,))
    assert made.plan == "go on"


def test_what_else_was_lost_comes_back_best_first_while_there_is_room():
    facts = [fact(n, relevance=n / 10) for n in range(1, 9)]
    book = noted(Notebook(), facts)
    one = noted(Notebook(), facts[:1]).tokens
    made = rewritten(book, "", "", shown=range(1, 9), budget=4 * one)
    assert made.cited == (5, 6, 7, 8)
    assert rewritten(book, "kept [1]", "", shown=range(1, 9), budget=10_000).cited == tuple(range(1, 9))


def test_over_the_budget_the_least_relevant_lines_go_and_pinned_ones_last():
    facts = [fact(n, relevance=0.9 - n / 20) for n in range(1, 11)]
    book = noted(Notebook(), facts)
    small = settled(book, budget=book.tokens // 2, pinned={10})
    assert small.tokens <= book.tokens // 2
    assert 10 in small.cited
    assert {1, 2, 3} <= set(small.cited)
    assert 9 not in small.cited


def test_the_budget_holds_whatever_a_model_writes():
    facts = [fact(n) for n in range(1, 30)]
    book = noted(Notebook(), facts, lines=False)
    for text in ("word " * 5_000 + "[1]", "\n".join(f"line {n} [{n}]" for n in range(2_000)), "", "[1]", "]][[1]"):
        made = rewritten(book, text, "", shown=range(1, 30), budget=300, pinned=range(1, 30))
        assert 0 < made.tokens <= 300


def test_a_line_that_rests_on_nothing_is_the_first_to_go():
    book = Notebook(facts=(fact(1, relevance=0.0),), lines=(Line("pure invention " * 4), Line("short", (1,))))
    assert settled(book, budget=8).lines == (Line("short", (1,)),)


def test_notes_are_dropped_on_request_but_never_pinned_ones_nor_unknown_numbers():
    book = noted(Notebook(), [fact(1), fact(2), fact(3)])
    made = dropped(book, [1, 2, 77, -3, 0], pinned={2})
    assert made.cited == (2, 3)
    assert settled(made, budget=10_000).cited == (2, 3)


def test_unverified_facts_and_repeated_ones_are_not_noted():
    unverified = fact(2).model_copy(update={"start": None, "end": None})
    assert noted(noted(Notebook(), [fact(1)]), [fact(1), unverified]).facts == (fact(1),)


def test_merged_notes_stand_in_document_order_whatever_the_order_of_the_heads():
    first, second = noted(Notebook(plan="a"), [fact(5), fact(1)]), noted(Notebook(), [fact(2, document="c"), fact(5)])
    order = {"c": 0, "d": 1}
    one, other = merged([first, second], order=order), merged([second, first], order=order)
    assert [f.id for f in one.facts] == ["c2", "d1", "d5"]
    assert one.lines == other.lines
    assert one.cited == (1, 2, 3)
    assert one.plan == "a"


def test_quotes_that_nearly_coincide_are_one_fact_of_the_merged_notes():
    near = fact(1, relevance=0.9).model_copy(update={"id": "near", "start": 1_001})
    made = merged([noted(Notebook(), [fact(1)]), noted(Notebook(), [near])], order={})
    assert [f.id for f in made.facts] == ["near"]
    assert len(made.lines) == 1


def test_what_one_head_dropped_stays_if_another_kept_it():
    first = dropped(noted(Notebook(), [fact(1), fact(2)]), [1, 2])
    second = noted(Notebook(), [fact(1)])
    made = settled(merged([first, second], order={}), budget=10_000)
    assert made.cited == (1,)


def test_labels_in_a_prompt_run_from_one_and_leave_out_what_is_not_shown():
    book = noted(Notebook(), [fact(n, f"c{n}", relevance=n / 10) for n in range(1, 5)])
    text, facts = labelled(book, most=2)
    assert text == "c1\nc2\nc3 [1]\nc4 [2]"
    assert [f.id for f in facts] == ["d3", "d4"]
    text, facts = labelled(book, most=4, backwards=True)
    assert text.splitlines()[0] == "c4 [1]"
    assert facts[0].id == "d4"


def test_notes_are_stored_with_the_ids_of_their_facts_alone():
    book = dropped(noted(Notebook(plan="p"), [fact(1), fact(2)]), [1])
    assert content(book) == {"facts": ["d1", "d2"], "lines": [[fact(2).claim, [2]]], "plan": "p", "dropped": [1]}


# ------------------------------------------------------------------ calls


async def test_folding_shows_cited_and_new_facts_under_numbers_that_never_change():
    model = ScriptedModel({"memory": lambda prompt: Notes(memory="all of it [2]", plan="look for the rest")})
    work = asked(model, budget=8)  # no room to put anything back
    book = await memory_agent.fold(work, Notebook(), [fact(1), fact(2)])
    await memory_agent.fold(work, book, [fact(3)])
    first, second = model.calls
    assert (first.inputs.numbers, second.inputs.numbers) == ((1, 2), (2, 3))
    assert "[3] The harbour office lists item 3" in second.messages[-1].content
    assert "all of it [2]" in second.messages[-1].content
    assert "look for the rest" in second.messages[-1].content


async def test_a_model_that_forgets_a_cited_fact_does_not_lose_it():
    work = asked(lambda prompt: Notes(memory="I kept nothing of use.", plan=""), budget=30)
    book = await memory_agent.fold(work, Notebook(), [fact(1), fact(2, relevance=0.99)], pinned={"d1"})
    assert 1 in book.cited


async def test_a_rewriting_that_fails_costs_its_wording_only():
    work = asked(lambda prompt: CallError("content_filter", "no"))
    book = await memory_agent.fold(work, Notebook(), [fact(1), fact(2)])
    assert book.cited == (1, 2)


def test_batches_keep_the_order_and_fit_a_comfortable_prompt():
    facts = [fact(n, "word " * 100) for n in range(40)]
    made = memory_agent.batches(asked(window=8_000), facts)
    assert [f.id for batch in made for f in batch] == [f.id for f in facts]
    assert len(made) > 1
    assert len(memory_agent.batches(asked(window=200_000), facts[:20])) == 1
    assert memory_agent.batches(asked(), []) == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_heads_share_the_prompt_up_to_their_focus_and_steps_up_to_their_notes(language):
    work = asked(language=language)
    text = shard("Some text to read.")
    plain = memory_agent.scan_prompt(work, Notebook(), text, "").messages
    focused = memory_agent.scan_prompt(work, Notebook(), text, "births").messages
    later = memory_agent.scan_prompt(work, noted(Notebook(plan="p"), [fact(1)]), text, "births").messages
    assert plain[0] == focused[0] == later[0]
    place = focused[1].content.index("births")
    assert plain[1].content[:place] == focused[1].content[:place]
    assert "Some text to read." in focused[1].content[:place]
    place = later[1].content.index(fact(1).claim)
    assert later[1].content.index("Some text to read.") < later[1].content.index("births") < place
    assert later[1].content[: place - 1].startswith(focused[1].content[: focused[1].content.index("births")])


def test_every_head_has_a_focus_of_its_own():
    assert memory_agent.foci(["core"], 1, "en") == ("",)
    four = memory_agent.foci(["core", "birthplace of X", "birthplace of X"], 4, "zh")
    assert len(set(four)) == 4
    assert four[:2] == ("", "birthplace of X")


async def test_a_scan_locates_quotes_drops_notes_by_label_and_keeps_the_plan():
    said = Scan(
        facts=[
            ReportedFact(claim="Ada wrote it.", quote="written by  Ada", relevance=0.9),
            ReportedFact(claim="Made up.", quote="nowhere to be found at all", relevance=0.9),
        ],
        drop=[1, 5, -2],
        plan="find the town",
    )
    work = asked(lambda prompt: said)
    text = "It was written by Ada in a week."
    head = dropped(noted(Notebook(), [fact(7), fact(8), fact(9)]), [1])  # labels 1, 2 are numbers 2, 3
    documents = {"d": Document(id="d", text=text)}
    done = await memory_agent.scan(work, head, shard(text), documents, focus="", shard="s1", round_=1)
    assert done.notebook.cited == (3, 4)
    assert done.notebook.fact(4).quote == "written by Ada"
    assert [f.verified for f in done.facts] == [True, False]
    assert done.notebook.plan == "find the town"


async def test_notes_that_outgrow_their_budget_are_rewritten_with_room_for_more():
    def script(prompt):
        if prompt.output is Notes:
            return Notes(memory="everything in short [1, 2, 3]", plan="")
        return Scan(facts=[ReportedFact(claim="Ada.", quote="Ada", relevance=0.9)], drop=[], plan="")

    work = asked(script, budget=100)
    head = noted(Notebook(), [fact(n, relevance=0.1) for n in range(1, 8)])
    done = await memory_agent.scan(work, head, shard("by Ada"), {}, focus="", shard="s1", round_=1)
    assert [call.output for call in work.desk.gate.model("memory").calls] == [Scan, Notes]
    assert done.notebook.tokens <= 80
    assert {1, 2, 3, 8} <= set(done.notebook.cited)


async def test_a_budget_that_ends_before_the_rewriting_keeps_what_the_shard_held(monkeypatch):
    async def ended(*args, **options):
        raise BudgetEnded("over")

    monkeypatch.setattr(memory_agent, "rewrite", ended)
    said = Scan(facts=[ReportedFact(claim="Ada.", quote="Ada", relevance=0.9)], drop=[], plan="")
    head = noted(Notebook(), [fact(n, relevance=0.1) for n in range(1, 12)])
    work = asked(lambda _: said, budget=100)
    done = await memory_agent.scan(work, head, shard("by Ada"), {}, focus="", shard="s1", round_=1)
    assert 12 in done.notebook.cited
    assert done.notebook.tokens <= 100


async def test_a_shard_that_does_not_fit_is_read_in_halves_and_one_may_fail():
    calls = []

    def script(prompt):
        text = prompt.inputs.shard.sections[0].text
        calls.append(text)
        if len(text) > 700:
            return CallError("context_length", "too long")
        if "second" in text:
            return CallError("content_filter", "withheld")
        return Scan(facts=[ReportedFact(claim="First.", quote="first half", relevance=0.9)], drop=[], plan="")

    text = "first half " + "x " * 250 + "\nsecond half " + "y " * 250
    done = await memory_agent.scan(asked(script), Notebook(), shard(text), {}, focus="", shard="s1", round_=1)
    assert len(calls) == 5  # what is withheld is asked for three times
    assert done.failure is None
    assert done.partly
    assert [f.shard for f in done.facts] == ["s1"]


async def test_notes_of_all_heads_are_merged_without_a_call_where_they_fit():
    work = asked(lambda prompt: Notes(memory="", plan=""))
    books = [noted(Notebook(), [fact(n)]) for n in range(1, 5)]
    made = await memory_agent.merge(work, books, order={}, budget=400)
    assert made.cited == (1, 2, 3, 4)
    assert not work.desk.gate.model("memory").calls


async def test_notes_that_do_not_fit_are_merged_in_groups_and_pinned_facts_survive():
    work = asked(lambda prompt: Notes(memory="I forgot everything.", plan=""), window=4_000)
    books = [noted(Notebook(), [fact(20 * b + n, relevance=0.2) for n in range(1, 20)]) for b in range(4)]
    made = await memory_agent.merge(work, books, order={}, budget=300, pinned={"d3", "d65"})
    assert made.tokens <= 300
    assert {"d3", "d65"} <= {made.fact(number).id for number in made.cited}
    calls = work.desk.gate.model("memory").calls
    assert 1 < len(calls) <= len(books) + 2
    assert all(call.output is Notes for call in calls)


@pytest.mark.parametrize(
    ("verdict", "verified"),
    [
        (Verdict(answerable=True, answer="Ada", confidence=0.9, facts=[1], queries=[]), True),
        (Verdict(answerable=True, answer="Grace", confidence=0.9, facts=[1], queries=[]), False),
        (Verdict(answerable=False, answer="Ada", confidence=0.9, facts=[1], queries=[]), False),
        (Verdict(answerable=True, answer=" ", confidence=0.9, facts=[1], queries=[]), False),
    ],
)
async def test_an_answer_counts_only_if_it_stands_in_a_quote_that_the_notes_cite(verdict, verified):
    work = asked(lambda prompt: verdict)
    book = noted(Notebook(), [fact(1, "Ada wrote it.")])
    prompt = memory_agent.recall_prompt(work, book)
    assert memory_agent.recalled(work, prompt, await memory_agent.recall(work, prompt)).verified is verified


@pytest.mark.parametrize(("labels", "verified"), [([1], True), ([], False), ([1, 9], False)])
def test_yes_or_no_needs_facts_that_are_there(labels, verified):
    work = asked(kind="multi_hop", answer_type="yes_no")
    prompt = memory_agent.recall_prompt(work, noted(Notebook(), [fact(1, "Ada wrote it.")]))
    verdict = Verdict(answerable=True, answer="yes", confidence=0.9, facts=labels, queries=[])
    assert memory_agent.recalled(work, prompt, verdict).verified is verified


def test_the_answers_prompt_fits_the_window_and_keeps_the_best_facts():
    facts = [fact(n, "word " * 60, relevance=n / 100, quote="quote " * 100) for n in range(1, 60)]
    work = asked(window=6_000)
    prompt = memory_agent.recall_prompt(work, settled(noted(Notebook(), facts), budget=1_500))
    assert sum(len(message.content) for message in prompt.messages) // 4 + 500 < 6_000
    assert prompt.inputs.facts[-1].id == "d59"


async def test_without_a_language_model_notes_are_the_best_claims_under_the_budget():
    work = asked(ExtractiveModel(), budget=60)
    facts = [fact(n, relevance=n / 10) for n in range(1, 10)]
    book = await memory_agent.fold(work, Notebook(), facts)
    assert book.tokens <= 60
    assert book.cited[-1] == 9
    assert 1 not in book.cited
