"""The ladder: which answers count, and what a rung's prompt holds."""

import itertools

from extagents.agents.calls import Desk
from extagents.agents.reasoner import Ladder, sizes
from extagents.gate import Account, Gate
from extagents.testing import ScriptedModel
from extagents.types import Fact, Verdict


def fact(number: int, quote: str, *, verified: bool = True, relevance: float = 0.9) -> Fact:
    where = {"start": 100 * number, "end": 100 * number + len(quote)} if verified else {}
    return Fact(
        id=f"f{number}",
        claim=f"claim {number}: {quote}",
        quote=quote,
        document="d",
        relevance=relevance,
        shard="s",
        round=1,
        **where,
    )


def says(answer: str, *labels: int) -> Verdict:
    return Verdict(answerable=bool(answer), answer=answer, confidence=0.8, facts=list(labels), queries=[] if answer else ["q"])


def ladder(script, *, kind="lookup", answer_type="name", window=8_000) -> tuple[Ladder, ScriptedModel]:
    model = ScriptedModel({"reasoner": script})
    desk = Desk(
        gate=Gate({"default": model}), account=Account("run"), language="en", window=window, output_tokens=500, secret=b"s"
    )
    return Ladder("Who?", kind, answer_type, desk), model


def shown(prompt) -> int:
    return len(prompt.inputs.facts)


def test_rungs_double_up_to_all_facts():
    assert sizes(1) == [1]
    assert sizes(6) == [1, 2, 4, 6]
    assert sizes(8) == [1, 2, 4, 8]


async def test_an_answer_counts_when_two_neighbouring_rungs_agree_and_it_stands_in_a_quote():
    climbed, _ = ladder(lambda prompt: says("Ada Lovelace", 1) if shown(prompt) >= 2 else says(""))
    judged = await climbed.climb([fact(n, "Ada Lovelace wrote it.") for n in range(4)])
    assert judged.answered
    assert judged.answer == "Ada Lovelace"
    assert judged.facts[0].id == "f0"


async def test_an_answer_that_stands_in_no_quote_is_not_verified():
    climbed, _ = ladder(lambda prompt: says("Grace Hopper", 1))
    judged = await climbed.climb([fact(n, "Ada Lovelace wrote it.") for n in range(4)])
    assert not judged.verified
    assert not judged.answered


async def test_a_rung_alone_is_not_stable():
    climbed, _ = ladder(lambda prompt: says("Ada Lovelace", 1) if shown(prompt) == 2 else says(""))
    judged = await climbed.climb([fact(n, "Ada Lovelace wrote it.") for n in range(4)])
    assert judged.answer == "Ada Lovelace"
    assert not judged.stable
    assert judged.queries == ("q",)


async def test_the_whole_ledger_in_two_orders_can_make_an_answer_stable():
    climbed, _ = ladder(lambda prompt: says("Ada Lovelace", 1) if shown(prompt) == 3 else says(""))
    assert (await climbed.climb([fact(n, "Ada Lovelace wrote it.") for n in range(3)])).answered


async def test_a_single_fact_is_judged_by_two_different_prompts():
    climbed, model = ladder(lambda prompt: says("Ada Lovelace", 1))
    assert (await climbed.climb([fact(1, "Ada Lovelace wrote it.")])).answered
    first, second = (call.messages[-1].content for call in model.calls)
    assert first != second


async def test_unverified_facts_never_reach_the_reasoner():
    climbed, model = ladder(lambda prompt: says(""))
    await climbed.climb([fact(1, "kept"), fact(2, "invented", verified=False)])
    assert all("invented" not in call.messages[-1].content for call in model.calls)
    assert await climbed.climb([fact(2, "invented", verified=False)]) == await climbed.climb([])


async def test_yes_or_no_needs_two_prompts_and_named_facts():
    climbed, _ = ladder(lambda prompt: says("yes", 1, 2), kind="multi_hop", answer_type="yes_no")
    assert (await climbed.climb([fact(1, "A is a town."), fact(2, "B is a town.")])).answered
    climbed, _ = ladder(lambda prompt: says("yes"), kind="multi_hop", answer_type="yes_no")
    assert not (await climbed.climb([fact(1, "A is a town."), fact(2, "B is a town.")])).answered


async def test_the_same_facts_are_never_asked_twice():
    climbed, model = ladder(lambda prompt: says(""))
    facts = [fact(n, f"text {n}") for n in range(4)]
    await climbed.climb(facts)
    asked = len(model.calls)
    await climbed.climb(facts)
    assert len(model.calls) == asked


async def test_facts_beyond_the_window_are_left_out_from_the_end():
    climbed, model = ladder(lambda prompt: says(""), window=3_000)
    await climbed.climb([fact(n, "word " * 200) for n in range(40)])
    largest = max(shown(call) for call in model.calls)
    assert 1 < largest < 40
    assert all(call.inputs.facts[0].id in ("f0", f"f{largest - 1}") for call in model.calls)


async def test_rungs_are_prefixes_of_each_other():
    climbed, model = ladder(lambda prompt: says(""))
    await climbed.climb([fact(n, f"text {n}") for n in range(8)])
    question = "\n\nIs the question answerable"
    texts = sorted((call.messages[-1].content.split(question)[0] for call in model.calls[:-1]), key=len)
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(texts))


async def test_without_rungs_the_whole_ledger_is_judged_once_and_believed():
    climbed, model = ladder(lambda prompt: says("Ada Lovelace", 1))
    climbed.rungs = False
    judged = await climbed.climb([fact(n, "Ada Lovelace wrote it.") for n in range(4)])
    assert judged.answered
    assert [shown(call) for call in model.calls] == [4]


async def test_without_rungs_nothing_said_is_nothing_believed():
    climbed, _ = ladder(lambda prompt: says(""))
    climbed.rungs = False
    assert not (await climbed.climb([fact(1, "Ada Lovelace wrote it.")])).stable


async def test_without_checking_facts_and_answers_that_no_quote_holds_count():
    climbed, model = ladder(lambda prompt: says("Grace Hopper", 1))
    climbed.checked = False
    judged = await climbed.climb([fact(1, "Ada Lovelace wrote it.", verified=False)])
    assert judged.answered
    assert judged.answer == "Grace Hopper"
    assert all(shown(call) == 1 for call in model.calls)
