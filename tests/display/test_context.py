"""What stands around a quote: it comes with the answer, is cut between words, and is kept with a stored run."""

from __future__ import annotations

from pathlib import Path

import world

import extagents
from extagents import Document
from extagents.ending import AROUND, in_context
from extagents.types import Citation


def cited(text: str, quote: str) -> Citation:
    start = text.index(quote)
    citation = Citation(document="a", start=start, end=start + len(quote), page=None, quote=quote)
    return in_context(citation, text)


def test_the_context_of_a_quote_is_the_documents_own_text() -> None:
    text = "word " * 200 + "The mill was built by Ann Lee. " + "other " * 200
    citation = cited(text, "The mill was built by Ann Lee.")
    whole = f"{citation.before.removeprefix('…')}{citation.quote}{citation.after.removesuffix('…')}"
    assert whole in text
    assert citation.before.startswith("…word ")
    assert citation.after.endswith("other…")
    assert 0 < len(citation.before) <= AROUND + 1


def test_a_whole_document_has_nothing_left_out() -> None:
    citation = cited("Before. Quote. After.", "Quote.")
    assert (citation.before, citation.after) == ("Before. ", " After.")


def test_text_without_spaces_is_cut_at_its_own_marks() -> None:
    text = "第一句话没有空格，" * 60 + "磨坊由安李建造。" + "后面还有很多句子，" * 60
    citation = cited(text, "磨坊由安李建造。")
    assert citation.before.startswith("…第一句话")
    assert citation.after.endswith("，…")


def test_text_without_any_border_is_cut_where_it_ends() -> None:
    citation = cited("x" * 900 + "QUOTE" + "y" * 900, "QUOTE")
    assert citation.before == "…" + "x" * AROUND
    assert citation.after == "y" * AROUND + "…"


def test_answers_come_with_the_context_of_their_quotes() -> None:
    with extagents.Coordinator(world.model(window=4_000), memory="memory://") as team:
        answer = team.ask(world.QUESTION, world.corpus())
    assert answer.citations
    texts = {document.id: document.text for document in world.documents()}
    for citation in answer.citations:
        whole = f"{citation.before.removeprefix('…')}{citation.quote}{citation.after.removesuffix('…')}"
        assert whole in texts[citation.document]
        assert len(whole) > len(citation.quote)


def test_a_finished_run_is_shown_as_it_was(tmp_path: Path) -> None:
    notes = [Document(id="a.md", text="The mill. The mill was built by Ann Lee. It grinds barley.")]
    memory = f"sqlite:///{tmp_path / 'runs.sqlite'}"
    with extagents.Coordinator(memory=memory) as team:
        answer = team.ask("Who built the mill?", notes, run="mill")
    with extagents.Coordinator(memory=memory) as later:
        again = later.resume("mill", over=notes)
        record = later.run("mill")
    assert again == answer
    assert again._repr_html_() == answer._repr_html_()
    assert record is not None
    assert "Ann Lee" in record._repr_html_()
    assert repr(record) == "RunRecord('mill', status='done', question='Who built the mill?', reports=0)"
