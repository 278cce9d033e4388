"""The compressor: verbatim, in order, disjoint, never above the budget, the best first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extagents.agents.compressor import compress, shard_text
from extagents.corpus.quotes import locate
from extagents.corpus.tokens import TokenCounter
from extagents.types import Document, Fact

COUNTER = TokenCounter()
BIRDS = (
    "Ravens live long. A raven can live forty years, says Mirelle Tanager. She kept nine.\n\n"
    "Crows are clever. They use tools. Some were seen to bend wire.\n\n"
    "Magpies know themselves in a mirror. Few birds do.\n\nJays hide acorns."
)
ZH = "渡鸦很长寿。有人说渡鸦能活四十年。她养了九只。\n\n乌鸦很聪明。它们会用工具。"


def fact(document: Document, quote: str, relevance: float = 0.9) -> Fact:
    start = document.text.index(quote)
    return Fact(
        id=f"{document.id}:{start}", claim=quote, quote=quote, document=document.id, start=start, end=start + len(quote),
        relevance=relevance, shard="s", round=1, title=document.title,
    )  # fmt: skip


def doc(text: str, name: str = "a", **more: object) -> Document:
    return Document.model_validate({"id": name, "title": f"Title {name}", "text": text, **more})


def holds(context, documents, tokens: int) -> None:
    """What always holds of a context."""
    texts = {document.id: document.text for document in documents}
    order = {document.id: place for place, document in enumerate(documents)}
    assert context.tokens == COUNTER.count(context.text) <= tokens or not context.text
    last = ("", 0)
    out = 0
    for span in context.spans:
        assert context.text[span.out_start : span.out_end] == texts[span.document][span.start : span.end] != ""
        assert span.out_start >= out
        assert (span.document != last[0] and order[span.document] > order.get(last[0], -1)) or span.start > last[1]
        out, last = span.out_end, (span.document, span.end)


def test_a_quote_grows_to_sentence_paragraph_and_beyond_as_the_budget_does():
    document = doc(BIRDS)
    found = [fact(document, "forty years")]
    grown = [compress(found, [document], tokens=tokens, counter=COUNTER).text for tokens in (14, 28, 40, 70, 400)]
    assert grown[0] == "[Document: Title a]\nforty years"
    assert grown[1] == "[Document: Title a]\nA raven can live forty years, says Mirelle Tanager."
    assert grown[2].startswith(f"[Document: Title a]\n{BIRDS.split(chr(10))[0]}")
    assert grown[3].startswith(grown[2])
    assert grown[4] == f"[Document: Title a]\n{BIRDS}"


@pytest.mark.parametrize(
    ("granularity", "kept"),
    [("word", "forty years"), ("sentence", "A raven can live forty years, says Mirelle Tanager."),
     ("paragraph", BIRDS.split("\n")[0])],
)  # fmt: skip
def test_a_granularity_keeps_so_much_and_no_more(granularity, kept):
    document = doc(BIRDS)
    context = compress([fact(document, "forty years")], [document], tokens=1_000, granularity=granularity, counter=COUNTER)
    assert context.text == f"[Document: Title a]\n{kept}"


def test_a_sentence_that_does_not_fit_leaves_its_quote():
    document = doc(BIRDS)
    context = compress([fact(document, "forty years")], [document], tokens=14, granularity="paragraph", counter=COUNTER)
    assert context.text.endswith("\nforty years")


def test_paragraphs_that_were_asked_for_stay_though_all_quotes_alone_would_fit():
    documents = [doc(BIRDS, f"d{n}") for n in range(6)]
    found = [fact(document, "forty years") for document in documents]
    quotes = compress(found, documents, tokens=10_000, granularity="word", counter=COUNTER)
    context = compress(found, documents, tokens=quotes.tokens, granularity="paragraph", counter=COUNTER)
    assert BIRDS.split("\n")[0] in context.text
    assert len(context.facts) < len(found)


def test_spans_stand_in_the_order_of_the_input_with_marks_for_what_is_left_out():
    documents = [doc(BIRDS, "b"), doc(BIRDS, "a")]
    found = [fact(documents[1], "Few birds do."), fact(documents[0], "She kept nine."), fact(documents[0], "Ravens live long.")]
    context = compress(found, documents, tokens=500, granularity="word", counter=COUNTER)
    assert context.text == ("[Document: Title b]\nRavens live long. … She kept nine.\n\n[Document: Title a]\nFew birds do.")
    assert [span.document for span in context.spans] == ["b", "b", "a"]
    across = compress([found[1], fact(documents[0], "Crows")], documents, tokens=500, granularity="word", counter=COUNTER)
    assert across.text == "[Document: Title b]\nShe kept nine.\n\nCrows"
    apart = compress([found[1], fact(documents[0], "tools")], documents, tokens=500, granularity="word", counter=COUNTER)
    assert apart.text == "[Document: Title b]\nShe kept nine.\n…\ntools"


def test_overlapping_and_touching_quotes_become_one_span():
    document = doc(BIRDS)
    found = [fact(document, "A raven can live"), fact(document, "live forty years"), fact(document, "Ravens live long.")]
    context = compress(found, [document], tokens=500, granularity="word", counter=COUNTER)
    assert context.text == "[Document: Title a]\nRavens live long. A raven can live forty years"
    assert len(context.spans) == 1
    assert context.facts == tuple(found)


def test_the_best_facts_are_kept_where_not_all_fit():
    documents = [doc(f"Number {n} is told here at some length, so that it counts. Nothing else.", f"d{n}") for n in range(50)]
    found = [fact(documents[n], f"Number {n} is told here") for n in (40, 3, 22, *range(4, 20))]
    context = compress(found, documents, tokens=60, counter=COUNTER)
    assert context.facts == tuple(found[: len(context.facts)])
    assert 3 <= len(context.facts) < 10


def test_all_quotes_come_before_any_sentence():
    documents = [doc(BIRDS, f"d{n}") for n in range(6)]
    found = [fact(document, "forty years") for document in documents]
    quotes = compress(found, documents, tokens=10_000, granularity="word", counter=COUNTER)
    tight = compress(found, documents, tokens=quotes.tokens + 20, counter=COUNTER)
    assert tight.facts == tuple(found)
    grown = [span.document for span in tight.spans if span.end - span.start > len("forty years")]
    assert grown == ["d0"]


def test_chinese_sentences_and_paragraphs():
    document = doc(ZH)
    found = [fact(document, "四十年")]
    sentence = compress(found, [document], tokens=500, granularity="sentence", counter=COUNTER)
    assert sentence.text.endswith("\n有人说渡鸦能活四十年。")
    paragraph = compress(found, [document], tokens=500, granularity="paragraph", counter=COUNTER)
    assert paragraph.text.endswith("\n渡鸦很长寿。有人说渡鸦能活四十年。她养了九只。")


def test_pages_and_titles_stand_in_headers():
    document = doc(BIRDS, title="Birds\nof  the north", pages=(0, BIRDS.index("Crows"), BIRDS.index("Magpies")))
    found = [fact(document, "She kept nine."), fact(document, "They use tools."), fact(document, "Some were")]
    context = compress(found, [document], tokens=500, granularity="word", counter=COUNTER)
    assert context.text == (
        "[Document: Birds of the north, page 1]\nShe kept nine.\n\n"
        "[Document: Birds of the north, page 2]\nThey use tools. Some were"
    )
    assert [span.page for span in context.spans] == [1, 2]


def test_nothing_found_is_no_text_and_unverified_facts_are_nothing():
    document = doc(BIRDS)
    guess = fact(document, "tools").model_copy(update={"start": None, "end": None})
    for found in ([], [guess], [fact(document, "tools").model_copy(update={"document": "gone"})]):
        assert compress(found, [document], tokens=100, counter=COUNTER).text == ""
    assert compress([fact(document, "tools")], [document], tokens=3, counter=COUNTER).text == ""


def test_one_paragraph_as_long_as_a_book_stays_within_the_budget():
    document = doc(" ".join(f"Sentence {n} of a paragraph that never ends." for n in range(20_000)))
    found = [fact(document, f"Sentence {n} of") for n in (15_000, 3, 9_000)]
    context = compress(found, [document], tokens=2_000, counter=COUNTER)
    holds(context, [document], 2_000)
    assert context.facts == tuple(found)
    assert context.tokens > 1_900


def test_quotes_of_the_context_are_located_where_they_really_stand():
    documents = [doc(BIRDS, "a"), doc(BIRDS + " Owls.", "b")]
    context = compress([fact(documents[1], "Owls.")], documents, tokens=60, counter=COUNTER)
    found = locate("Owls.", shard_text(context, name="x"))
    assert (found.document, found.start) == ("b", documents[1].text.index("Owls."))


SENTENCES = st.lists(
    st.sampled_from(["One raven. ", "两只乌鸦。", "It says 3.5 of them,\n", "\n\n", "| a | b |\n", "a row of words ", "🎉 x"]),
    min_size=1,
    max_size=30,
)


@st.composite
def worlds(draw):
    documents = [doc("".join(draw(SENTENCES)), f"d{n}") for n in range(draw(st.integers(1, 4)))]
    found = []
    for _ in range(draw(st.integers(0, 12))):
        document = draw(st.sampled_from(documents))
        start = draw(st.integers(0, len(document.text) - 1))
        end = draw(st.integers(start + 1, min(len(document.text), start + 60)))
        found.append(
            Fact(id=f"{len(found)}", claim="c", quote=document.text[start:end], document=document.id, start=start, end=end,
                 relevance=0.5, shard="s", round=1)
        )  # fmt: skip
    return documents, found


@settings(max_examples=150, deadline=None)
@given(worlds(), st.integers(1, 400), st.sampled_from(["auto", "word", "sentence", "paragraph"]))
def test_whatever_comes_spans_are_verbatim_in_order_disjoint_and_within_the_budget(world, tokens, granularity):
    documents, found = world
    context = compress(found, documents, tokens=tokens, granularity=granularity, counter=COUNTER)
    holds(context, documents, tokens)
    assert context == compress(found, documents, tokens=tokens, granularity=granularity, counter=COUNTER)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_every_quote_is_kept_while_the_budget_allows(world):
    documents, found = world
    everything = compress(found, documents, tokens=100_000, granularity="word", counter=COUNTER)
    real = [fact for fact in found if fact.quote.strip()]
    assert list(everything.facts) == real
    exact = compress(found, documents, tokens=max(1, everything.tokens), counter=COUNTER)
    assert list(exact.facts) == real
