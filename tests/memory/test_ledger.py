"""The ledger: duplicates become one fact, the order of reports never matters, knowledge fits its budget."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from extagents.memory.ledger import Ledger, fact_id, fact_tokens
from extagents.types import Fact, Finding, Report


def fact(
    claim: str,
    span: tuple[int, int] | None = None,
    *,
    document: str = "doc",
    shard: str = "s0",
    relevance: float = 0.5,
    round: int = 1,
    quote: str | None = None,
) -> Fact:
    start, end = span if span else (None, None)
    return Fact(
        id=fact_id(document, claim, start, end),
        claim=claim,
        quote=quote if quote is not None else "q" * ((end or 0) - (start or 0)),
        document=document,
        start=start,
        end=end,
        relevance=relevance,
        shard=shard,
        round=round,
    )


def report(*facts: Fact, shard: str = "s0", round: int = 1, version: str = "v") -> Report:
    return Report(run="r", round=round, wave=0, shard=shard, version=version, findings=(Finding(facts=facts),))


def ledger(*facts: Fact) -> Ledger:
    """A report for each fact, so that nothing hides in the order inside one."""
    return Ledger.of([report(f, shard=f.shard, round=f.round, version=str(i)) for i, f in enumerate(facts)])


def claims(of: Ledger) -> list[str]:
    return [f.claim for f in of.ranked]


def test_the_same_quote_is_one_fact_with_the_best_relevance() -> None:
    found = ledger(fact("Ada wrote it.", (10, 50), relevance=0.4), fact("It was Ada.", (10, 50), relevance=0.9, round=2))
    assert claims(found) == ["It was Ada."]
    assert found.ranked[0].relevance == 0.9


def test_quotes_that_nearly_coincide_are_one_and_those_that_do_not_are_two() -> None:
    assert len(ledger(fact("A one.", (100, 200)), fact("B two.", (95, 205)))) == 1
    assert len(ledger(fact("A one.", (100, 200)), fact("B two.", (100, 400)))) == 2
    assert len(ledger(fact("A one.", (100, 200)), fact("B two.", (200, 300)))) == 2
    assert len(ledger(fact("A one.", (100, 200)), fact("B two.", (100, 200), document="else"))) == 2


def test_the_same_words_are_one_claim_whatever_case_and_punctuation() -> None:
    assert len(ledger(fact("Ada wrote the parser."), fact("ada wrote  the parser"), fact("Ada, wrote the PARSER!"))) == 1
    assert len(ledger(fact("张三写了解析器。"), fact("张三写了解析器"))) == 1


def test_a_verified_fact_is_preferred_and_takes_the_best_relevance() -> None:
    found = ledger(fact("Ada wrote the parser.", relevance=1.0), fact("Ada wrote the parser", (5, 30), relevance=0.2))
    assert len(found) == 1
    assert found.ranked[0].verified
    assert found.ranked[0].relevance == 1.0


def test_an_unverified_fact_joins_the_one_that_says_nearly_the_same() -> None:
    verified = fact("The parser of Python was written by Ada Lovelace in 1843.", (5, 60))
    same = fact("The parser of Python was written by Ada Lovelace in 1843 indeed.")
    assert len(ledger(verified, same)) == 1


def test_names_numbers_and_negations_keep_claims_apart() -> None:
    base = "The parser of the language was written over many long years by Ada Lovelace in 1843"
    for other in (
        base.replace("1843", "1844"),
        base.replace("Ada", "Ida"),
        base.replace("was written", "was not written"),
        base + " in Paris",
    ):
        assert len(ledger(fact(base), fact(other))) == 2, other
    assert len(ledger(fact("人口在2010年是1300万"), fact("人口在2020年是1300万"))) == 2


def test_two_located_quotes_in_different_places_are_never_merged_by_likeness() -> None:
    one = fact("the old engine ran well through all of the winter", (0, 40))
    other = fact("the old engine ran well through all of that winter", (900, 940))
    assert len(ledger(one, other)) == 2
    assert len(ledger(one, other, fact("the old engine ran well through all of winter"))) >= 2


def test_reading_a_shard_again_corroborates_nothing_and_another_document_does() -> None:
    said = "Ada wrote the parser."
    again = ledger(fact(said, (0, 20)), fact(said, (0, 20), round=2), fact("Ada wrote it", (0, 20), round=3))
    assert [f.corroboration for f in again.ranked] == [1]
    elsewhere = ledger(fact(said, (0, 20)), fact(said, (7, 27), document="other", shard="s9"))
    assert [f.corroboration for f in elsewhere.ranked] == [2, 2]
    assert {f.document for f in elsewhere.ranked} == {"doc", "other"}
    another_place = ledger(fact(said, (0, 20)), fact(said, (700, 720), shard="s1"))
    assert [f.corroboration for f in another_place.ranked] == [2]


def test_facts_are_ranked_by_relevance_then_by_sources_and_none_is_cut() -> None:
    facts = [fact(f"Claim {i} of many", (i * 100, i * 100 + 9), relevance=i / 100) for i in range(100)]
    assert claims(ledger(*facts)) == [f.claim for f in reversed(facts)]
    said_twice = [fact("Twice said", (1, 9)), fact("Twice said", (1, 9), document="b", shard="s1")]
    ranked = claims(ledger(fact("Once said", (1, 9), document="c", relevance=0.51), *said_twice))
    assert ranked == ["Twice said", "Twice said", "Once said"]


def test_a_report_counts_once() -> None:
    one = report(fact("Ada wrote it", (0, 9)))
    assert Ledger.of([one, one]).ranked == Ledger.of([one]).extend([one]).ranked == Ledger.of([one]).ranked
    same_key = report(fact("Bob wrote it", (50, 59)))
    assert Ledger.of([one]).extend([same_key]).ranked == Ledger.of([one]).ranked


def test_knowledge_leaves_out_what_only_this_shard_knows() -> None:
    both = [fact("Known to both", (0, 9), shard="s0"), fact("Known to both", (0, 9), shard="s1", round=2)]
    found = ledger(*both, fact("Known to one", (100, 109), shard="s1", relevance=0.4))
    assert [f.claim for f in found.knowledge(1_000, without="s1")] == ["Known to both"]
    assert [f.claim for f in found.knowledge(1_000, without="s0")] == ["Known to both", "Known to one"]


def test_knowledge_fits_its_budget_and_passes_over_what_never_fits() -> None:
    huge = fact("Huge", (0, 40_000), relevance=1.0)
    small = [fact(f"Small {i}", (50_000 + i * 100, 50_000 + i * 100 + 9), relevance=0.5 - i / 100) for i in range(10)]
    found = ledger(huge, *small)
    three = sum(map(fact_tokens, small[:3]))
    assert found.knowledge(three) == tuple(small[:3])
    assert found.knowledge(three, size=lambda _: 1)[0] == huge
    assert found.knowledge(0) == ()


def test_fact_ids_tell_spans_claims_and_documents_apart() -> None:
    ids = [
        fact_id("d", "c", 1, 23),
        fact_id("d", "c", 12, 3),
        fact_id("e", "c", 1, 23),
        fact_id("d", "c"),
        fact_id("e", "c"),
        fact_id("d", "1:23"),
    ]
    assert len(set(ids)) == len(ids)
    assert fact_id("d", "one claim", 1, 23) == fact_id("d", "another", 1, 23)


def test_chinese_counts_a_token_a_character() -> None:
    latin, chinese = fact("a" * 40, quote=""), fact("谁" * 40, quote="")
    assert (fact_tokens(latin), fact_tokens(chinese)) == (18, 48)


words = st.sampled_from(["Ada", "Bob", "wrote", "never", "the", "a", "parser", "1843", "engine", "in", "Paris", "谁", "."])
spans = st.one_of(st.none(), st.tuples(st.integers(0, 40), st.integers(1, 30)).map(lambda p: (p[0], p[0] + p[1])))
facts_drawn = st.builds(
    lambda said, span, document, shard, relevance, turn: fact(
        " ".join(said), span, document=document, shard=shard, relevance=relevance, round=turn
    ),
    st.lists(words, min_size=1, max_size=6),
    spans,
    st.sampled_from(["d1", "d2"]),
    st.sampled_from(["s0", "s1", "s2"]),
    st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    st.integers(1, 3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(facts_drawn, max_size=4), max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
def test_the_ledger_is_the_same_whatever_the_order_and_the_steps(
    drawn: list[list[Fact]], chance: random.Random, cut: int
) -> None:
    reports = [report(*facts, shard=f"s{i}", version=str(i % 2)) for i, facts in enumerate(drawn)]
    whole = Ledger.of(reports)
    shuffled = chance.sample(reports, len(reports))
    grown = Ledger.of(shuffled[:cut]).extend(shuffled[cut:])
    assert Ledger.of(shuffled).ranked == whole.ranked == grown.ranked
    assert len({f.id for f in whole.ranked}) == len(whole.ranked)
    for budget in (0, 20, 60):
        for without in (None, "s0", "s1"):
            known = whole.knowledge(budget, without=without)
            assert known == grown.knowledge(budget, without=without)
            assert sum(map(fact_tokens, known)) <= budget
    best = max((f.relevance for facts in drawn for f in facts), default=0.0)
    assert max((f.relevance for f in whole.ranked), default=0.0) == best


def test_extending_leaves_the_earlier_ledger_as_it_was() -> None:
    first = Ledger.of([report(fact("Ada wrote it", (0, 9)))])
    before = first.ranked
    grown = first.extend([report(fact("Bob read it", (50, 59)), shard="s1")])
    assert first.ranked == before
    assert len(grown.ranked) == 2


def _many(number: int, documents: int) -> list[Report]:
    return [
        report(
            *(
                fact(
                    f"Person {i} of house {j} went to the market of Rome.",
                    (i * 90 + j * 30, i * 90 + j * 30 + 25),
                    document=f"d{i % documents}",
                    shard=f"s{i}",
                )
                for j in range(3)
            ),
            shard=f"s{i}",
        )
        for i in range(number)
    ]


def _steps(reports: list[Report]) -> int:
    """How many functions are called while the ledger is built: a measure of work that no other process disturbs."""
    steps = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        Ledger.of(reports).knowledge(1_500)
    finally:
        sys.setprofile(None)
    return steps


def test_the_cost_grows_with_the_facts_not_with_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    compare = fuzz.token_set_ratio
    monkeypatch.setattr(fuzz, "token_set_ratio", lambda one, other: compare(one, other))  # a call that is counted
    for documents in (1, 10_000):
        assert _steps(_many(2_000, documents)) < 1.2 * 4 * _steps(_many(500, documents))

    def alike(number: int) -> list[Report]:
        """One document, every claim unverified and about the same name."""
        words = ["market", "river", "bridge", "garden", "tower"]
        return [
            report(fact(" ".join(["Then Alice went on to the", *(words[i // 5**k % 5] for k in range(6))])), shard=f"s{i}")
            for i in range(number)
        ]

    assert _steps(alike(2_000)) < 1.2 * 4 * _steps(alike(500))


def test_knowledge_costs_the_same_however_large_the_ledger_is() -> None:
    def looked_at(number: int) -> int:
        sizes = 0

        def size(_fact: Fact) -> int:
            nonlocal sizes
            sizes += 1
            return 40

        grown = Ledger.of(_many(number, 50))
        for i in range(100):
            grown.knowledge(1_500, without=f"s{i}", size=size)
        return sizes

    assert looked_at(1_000) <= 100
