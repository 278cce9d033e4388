"""The writer's checks: outlines in which every fact has one place, and sentences that rest on facts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from extagents.agents.composition import Sentence, composed, said_before, shortened, without_repeats
from extagents.agents.writer import Part, checked_outline, checked_section, heading, merged
from extagents.prose import words_in
from extagents.types import Fact, Outline, OutlinedSection, WrittenSection, WrittenSentence


def fact(number: int, claim: str, *, relevance: float = 0.8, document: str = "d") -> Fact:
    start = 100 * number
    return Fact(
        id=f"f{number}", claim=claim, quote=claim, document=document, start=start, end=start + len(claim),
        relevance=relevance, shard="s", round=1, title="Chronicle",
    )  # fmt: skip


FACTS = (
    fact(1, "The mill at Odense burned down in 1911."),
    fact(2, "The harbour of Tavira was dredged by Rui Salgado."),
    fact(3, "The mill at Odense was rebuilt by Anna Petek."),
    fact(4, "The harbour of Tavira has nine piers."),
    fact(5, "Whales sing.", relevance=0.2),
)


def outline(*sections: tuple[str, list[int]]) -> Outline:
    return Outline(title="Towns", sections=[OutlinedSection(title=title, facts=found) for title, found in sections])


def test_a_forgotten_fact_goes_to_the_section_most_like_it_and_one_off_the_topic_is_dropped():
    layout = checked_outline(outline(("Mills", [1]), ("Harbours", [2])), FACTS, topic="towns", sections=2)
    assert [(part.title, [f.id for f in part.facts]) for part in layout.parts] == [
        ("Mills", ["f1", "f3"]),
        ("Harbours", ["f2", "f4"]),
    ]
    assert layout.dropped == 1


def test_a_fact_stands_in_the_first_section_that_takes_it_and_titles_are_unique():
    layout = checked_outline(outline(("Mills", [1, 3]), ("MILLS", [3, 4]), ("Rest", [1, 2, 99])), FACTS, topic="t", sections=3)
    assert [(part.title, [f.id for f in part.facts]) for part in layout.parts] == [
        ("Mills", ["f1", "f3", "f4"]),
        ("Rest", ["f2"]),
    ]


def test_an_outline_without_a_usable_section_becomes_one_of_all_facts():
    layout = checked_outline(outline(("", [1]), ("x", [77])), FACTS, topic="towns", sections=2)
    assert layout.parts == (Part("Towns", FACTS),)


def test_sections_far_beyond_what_was_asked_for_give_their_facts_to_others():
    many = outline(*((f"Section {n}", [n]) for n in range(1, 6)))
    layout = checked_outline(many, FACTS, topic="towns", sections=2)
    assert len(layout.parts) == 4
    assert layout.dropped == 1


@given(
    st.lists(st.tuples(st.text(max_size=8), st.lists(st.integers(-3, 9), max_size=9)), max_size=8),
    st.integers(1, 4),
)
def test_every_fact_has_one_place_or_is_counted(sections, wanted):
    layout = checked_outline(outline(*sections), FACTS, topic="towns", sections=wanted)
    placed = [f.id for part in layout.parts for f in part.facts]
    assert len(placed) == len(set(placed))
    assert len(placed) + layout.dropped == len(FACTS)
    assert all(part.facts and part.title for part in layout.parts)
    titles = [part.title.casefold() for part in layout.parts]
    assert len(titles) == len(set(titles))


def test_an_outline_of_titles_becomes_one_of_facts():
    parts = [Part("A", FACTS[:2]), Part("B", FACTS[2:3]), Part("C", FACTS[3:])]
    made = merged(outline(("AC", [1, 3, 9]), ("B", [2])), parts)
    assert [section.facts for section in made.sections] == [[1, 2, 4, 5], [3]]


def test_headings_are_one_line_without_numbers_and_markers():
    assert heading("## 2. The\nmill [3].") == "The mill"
    assert len(heading("word " * 60)) <= 101


def sentence(text: str, *facts: int, paragraph: bool = False) -> WrittenSentence:
    return WrittenSentence(text=text, facts=list(facts), new_paragraph=paragraph)


def test_a_sentence_without_a_valid_fact_is_kept_only_if_it_is_like_one():
    written = WrittenSection(
        sentences=[
            sentence("The mill of Odense burned down in 1911.", 44),
            sentence("Cats sleep a lot on warm stones.", 0),
            sentence("Salgado dredged the harbour of Tavira.", 2, 2, -1),
        ]
    )
    checked = checked_section(written, FACTS)
    assert [(s.text[:8], [f.id for f in s.facts]) for s in checked.sentences] == [("The mill", ["f1"]), ("Salgado ", ["f2"])]
    assert (checked.unfounded, checked.contradicted) == (1, 0)


def test_two_sentences_in_one_get_each_its_own_facts():
    written = WrittenSection(
        sentences=[sentence("The mill at Odense burned down in 1911. The harbour of Tavira has nine piers.", 1, 4)]
    )
    assert [[f.id for f in s.facts] for s in checked_section(written, FACTS).sentences] == [["f1"], ["f4"]]


def test_a_figure_that_its_facts_lack_costs_the_sentence():
    written = WrittenSection(sentences=[sentence("The mill burned down in 1912.", 1), sentence("It burned in 1911.", 1)])
    checked = checked_section(written, FACTS)
    assert [s.text for s in checked.sentences] == ["It burned in 1911."]
    assert checked.contradicted == 1


def test_what_was_said_is_not_said_again_but_other_figures_and_names_are_other_things():
    seen = ["Revenue of the northern branch was 500 in 2019."]
    assert said_before("Revenue of the northern branch was 500 in  2019", seen)
    assert not said_before("Revenue of the northern branch was 500 in 2018.", seen)
    assert not said_before("Revenue of the northern branch was not 500 in 2019.", seen)


def made(text: str, number: int, *, relevance: float = 0.8, paragraph: bool = False) -> Sentence:
    return Sentence(text, (fact(number, text, relevance=relevance),), paragraph)


def test_the_least_relevant_sentences_go_first_and_no_section_is_left_empty_while_others_have_two():
    sections = [
        (made("a b c d e", 1, relevance=0.2),),
        (made("f g h i j", 2), made("k l m n o", 3, relevance=0.5), made("p q r s t", 4, relevance=0.6, paragraph=True)),
    ]
    kept = shortened(sections, 16, 8)
    assert [[s.text[0] for s in found] for found in kept] == [["a"], ["f", "p"]]
    assert kept[1][1].new_paragraph
    assert [[s.text[0] for s in found] for found in shortened(sections, 5, 5)] == [[], ["f"]]


@given(st.lists(st.lists(st.integers(1, 12), max_size=5), min_size=1, max_size=5), st.integers(0, 80))
def test_a_shortened_text_is_under_the_limit_or_one_sentence(lengths, most):
    sections = [
        [made(" ".join(["word"] * size), 10 * s + p) for p, size in enumerate(found)] for s, found in enumerate(lengths)
    ]
    kept = [sentence for found in shortened(sections, most, most // 2) for sentence in found]
    total = sum(words_in(sentence.text) for sentence in kept)
    assert total <= most or len(kept) == 1
    assert bool(kept) == any(lengths)


def test_repeats_across_sections_go_and_paragraphs_stay():
    one, two = made("The mill burned.", 1), made("It was rebuilt by Anna.", 2)
    again = Sentence(one.text, one.facts, new_paragraph=True)
    assert without_repeats([[one], [two, again, made("Nobody knows why.", 3)]])[1][1].new_paragraph


def test_the_same_span_has_the_same_number_in_the_order_of_first_use():
    shared = FACTS[1]
    sections = [
        ("One", [Sentence("First.", (FACTS[2], shared)), Sentence("Second.", (FACTS[0],), True)]),
        ("Two", [Sentence("Third.", (shared,))]),
    ]
    blocks, citations = composed("All", sections)
    assert "".join(blocks) == "# All\n\n## One\n\nFirst [1][2].\n\nSecond [3].\n\n## Two\n\nThird [2]."
    assert [c.quote for c in citations] == [FACTS[2].quote, shared.quote, FACTS[0].quote]
    assert "".join(composed("All", sections[:1])[0]) == "First [1][2].\n\nSecond [3]."
