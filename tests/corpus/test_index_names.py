"""Which names a corpus defines, and where they are found."""

from __future__ import annotations

import pytest

from extagents.corpus.index import Index
from extagents.corpus.names import defined_names, title_names
from extagents.types import Document


def build(*texts: str, titles: tuple[str, ...] = ()) -> Index:
    return Index.build(
        [Document(id=str(i), title=title, text=text) for i, (title, text) in enumerate(zip(titles, texts, strict=True))]
    )


@pytest.mark.parametrize(
    ("title", "path", "names"),
    [
        ("Brand (play)", "x", ["Brand (play)", "Brand"]),
        ("Elm Grove, West Hill", "x", ["Elm Grove, West Hill", "Elm Grove"]),
        ("The Rank Organisation", "x", ["The Rank Organisation", "Rank Organisation"]),
        ("Readers", "lib/shard_reader.py", ["Readers", "shard_reader"]),
        ("Packages", "lib/shards/__init__.py", ["Packages", "shards"]),
    ],
)
def test_a_title_is_known_by_its_short_forms(title: str, path: str, names: list[str]) -> None:
    assert title_names(title, path=path) == names


def test_headings_symbols_and_quoted_titles_are_names() -> None:
    text = "# Setting up\n\n== Geography ==\n\n    async def fetch_page(url):\nclass Gate:\n\n他写了《长河》和“北方”。\n"
    assert [name for _, name in defined_names(text)] == ["Setting up", "Geography", "fetch_page", "Gate", "长河", "北方"]


def test_a_title_is_found_whatever_its_case_and_accents_and_with_a_possessive() -> None:
    index = build("It is a ballet.", "x", titles=("Aschenbrödel", "Quiet Harbour Days"))
    assert index.names_in("Who wrote Aschenbrodel's music?") == ["aschenbrodel"]
    assert index.names_in("when did quiet harbour days end") == ["quiet harbour days"]


def test_a_name_within_a_longer_one_is_left_out() -> None:
    index = build("a", "b", titles=("Virginia", "Johnnycake, West Virginia"))
    assert index.names_in("Where is Johnnycake, West Virginia?") == ["johnnycake west virginia"]


def test_an_ordinary_word_is_no_name_although_a_title_is_so_called() -> None:
    index = build("We discuss good plans; a good plan is good.", "x", titles=("Note", "Good"))
    assert index.names_in("what is a good plan") == []


def test_a_module_in_lower_case_is_found_in_any_case() -> None:
    index = Index.build(
        [Document(id="lib/asyncio.py", title="asyncio.py", text="x = 1"), Document(id="b", title="B", text="uses asyncio here")]
    )
    assert index.names_in("how does asyncio start") == ["asyncio"]
    assert index.passages_naming("asyncio").tolist() == [0, 1]


def test_a_symbol_leads_to_its_definition_also_in_a_grown_index() -> None:
    documents = [
        Document(id="a.py", text="import b\n\nb.open_gate(1)\n"),
        Document(id="b.py", text="def open_gate(key):\n    return key\n"),
    ]
    for index in (Index.build(documents), Index.build(documents[:1]).add(documents[1:])):
        assert index.passages_naming("open_gate").tolist() == [1, 0]


def test_the_document_of_the_title_comes_before_those_that_mention_it() -> None:
    index = build("The Kestrel Rovers lost.", "They play at home.", "Kestrel Rovers fans.", titles=("A", "Kestrel Rovers", "C"))
    assert index.passages_naming("Kestrel Rovers").tolist() == [1, 0, 2]
    assert index.passages_naming("Unknown Name").tolist() == []
    assert index.passages_naming("").tolist() == []


def test_a_capitalised_phrase_is_a_name_when_two_passages_hold_it() -> None:
    index = build("We met Ottoline Brandt.", "Later Ottoline Brandt left.", "Only Hugo Pell stayed.", titles=("A", "B", "C"))
    assert index.names_in("Who is Ottoline Brandt?") == ["ottoline brandt"]
    assert index.names_in("Who is Hugo Pell?") == []


def test_a_phrase_does_not_run_over_the_end_of_a_sentence() -> None:
    index = build("He saw Mexico. Felipe and he met.", "We like Mexico. Felipe met Felipe.", titles=("A", "B"))
    assert index.names_in("Mexico Felipe") == ["mexico", "felipe"]


def test_initials_belong_to_the_name() -> None:
    index = build("It was G. Stanley Hall who spoke.", "Then G. Stanley Hall wrote.", titles=("A", "B"))
    assert index.names_in("Did G. Stanley Hall write?") == ["g stanley hall"]


def test_recurring_rare_pairs_of_characters_are_chinese_names() -> None:
    index = build("船长林晚秋来了。", "我们见过林晚秋吗？", "别的人都走了。", titles=("", "", ""))
    assert index.names_in("林晚秋住在哪里") == ["林晚秋"]
    assert index.passages_naming("林晚秋").tolist() == [0, 1]
