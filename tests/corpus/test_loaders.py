"""Every kind of file, and every kind of bad input."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.corpus import loaders
from extagents.corpus.corpus import Corpus
from extagents.corpus.formats import decode, extract
from extagents.errors import InputError
from extagents.types import Document
from tests.corpus import making


def pdf(*pages: str) -> bytes:
    """A PDF of one line a page."""
    count = len(pages)
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {count}/Kids[{' '.join(f'{4 + 2 * n} 0 R' for n in range(count))}]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET"
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents {5 + 2 * number} 0 R>>"
        )
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    out, places = "%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{item}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    return out.encode("latin-1")


def encrypted(data: bytes) -> bytes:
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def load(over: Any, **options: Any) -> Corpus:
    return Corpus.load(over, cache=False, **options)


def only(path: Path, **options: Any) -> Document:
    corpus = load(path, **options)
    assert len(corpus) == 1
    return corpus.documents[0]


# ------------------------------------------------------------------ kinds of files


def test_text_is_the_decoded_file_but_for_mark_and_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfA title\r\n\r\n  The text\twith \x00 all\rof it.\r\n\r\n")
    document = only(file)
    assert document.text == "A title\n\n  The text\twith \x00 all\rof it.\n\n"
    assert (document.id, document.title) == ("a.txt", "A title")


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "# The Heading\n\ntext", "The Heading"),
        ("a.md", "The Heading\n===\n\ntext", "The Heading"),
        ("a.txt", "first line\nsecond line\n\ntext", "a.txt"),
        ("a.txt", "x" * 121 + "\n\ntext", "a.txt"),
        ("a.txt", "one line", "a.txt"),
        ("a.py", "import os\n\nprint(os)", "a.py"),
    ],
)
def test_a_title_is_a_first_line_with_an_empty_one_after_it_or_the_files_name(
    tmp_path: Path, name: str, text: str, title: str
) -> None:
    (tmp_path / name).write_text(text)
    assert only(tmp_path / name).title == title


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030", "cp1251"])
def test_the_encoding_is_detected(tmp_path: Path, encoding: str) -> None:
    chinese = "他在北京大学学习物理学和数学，后来成为一名著名的科学家。" * 5
    russian = "Он изучал физику и математику в университете и стал известным учёным. " * 5
    text = russian if encoding == "cp1251" else chinese
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert only(tmp_path / "a.txt").text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Müller bought crème brûlée for 5 €."),
        ("cp1252", "Él compró piñas en España; ¿cuánto costó?"),
        ("cp1252", "café"),
        ("cp1252", "The room was at 20 °C."),
        ("cp1252", "“It’s 10 m²…” – 5 € each"),
        ("cp1250", "Praha je hlavní město České republiky."),
        ("cp1250", "Zażółć gęślą jaźń. Łódź leży w Polsce."),
        ("gb18030", "中文\n"),
        ("gb18030", "Budget 预算: 300"),
        ("big5", "臺北"),
        ("big5", "今天天氣很好。"),
        ("shift_jis", "東京は日本の首都です。"),
        ("euc_kr", "서울은 대한민국의 수도이다."),
    ],
)
def test_a_short_text_is_read_in_the_likely_one_of_encodings_that_fit(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding))[0] == text


def test_the_encoding_is_guessed_from_where_the_text_is_no_longer_ascii() -> None:
    text = "Plain words. " * 10_000 + "Der Bürgermeister von München heißt Jörg."
    assert decode(text.encode("cp1252"))[0] == text


def test_invalid_utf8_is_read_with_a_notice(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Größe und Länge, Öl und Übel. ".encode() * 20 + b"bad \xff byte")
    (tmp_path / "b.txt").write_text("fine")
    corpus = load(tmp_path)
    assert corpus.by_id["a.txt"].text.endswith("bad \ufffd byte")
    assert "Größe" in corpus.by_id["a.txt"].text
    assert any("a.txt" in notice and "UTF-8" in notice for notice in corpus.notices)
    assert "b.txt" in corpus.by_id


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        text, _ = decode(data, ".txt")
    except loaders.Refused:
        return
    Document(text=text).text.encode("utf-8")


def test_jsonl_has_a_document_a_record(tmp_path: Path) -> None:
    rows = [
        {"id": "x-1", "title": "One", "text": " The first.\r\n", "year": 1999},
        {"title": "Two", "text": "The second \ud83d."},
        {"id": 7, "text": "A heading\n\nThe third."},
    ]
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join([lines[0], "", lines[1], "{broken", lines[2], '{"id": "empty"}']))
    corpus = load(tmp_path / "a.jsonl")
    assert [(d.id, d.title) for d in corpus.documents] == [("x-1", "One"), ("3", "Two"), ("7", "A heading")]
    assert corpus.documents[0].text == " The first.\r\n"
    assert corpus.documents[0].metadata == {"year": 1999}
    assert corpus.documents[1].text == "The second \ufffd."
    assert any("line 4" in notice for notice in corpus.notices)


@pytest.mark.parametrize("depth", [150, 940, 985, 990, 1_000, 5_000])
@pytest.mark.parametrize("archived", [False, True])
def test_records_nested_too_deep_are_listed_and_the_rest_is_read(tmp_path: Path, depth: int, archived: bool) -> None:
    def deep(opened: str, closed: str) -> str:
        return f'{{"text": "deep", "a": {opened * depth}1{closed * depth}}}'

    kept = '{"text": "A record that is kept.", "a": [[1]]}'
    files = {
        "a.jsonl": f"{kept}\n{deep('[', ']')}\n{kept}\n".encode(),
        "all.ndjson": (deep('{"b":', "}") + "\n").encode(),
        "z.txt": b"Plain.",
    }
    if depth < 900:  # a list is read whole, and is plain text where Python cannot
        files["b.json"] = f"[{kept}, {deep('[', ']')}]".encode()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    if archived:
        for name in files:
            (tmp_path / name).unlink()
        (tmp_path / "a.zip").write_bytes(making.zipped(files))
    corpus = Corpus.load(tmp_path, cache=tmp_path / ".cache", workers=1)
    front = "a.zip/" if archived else ""
    assert sum(document.text == "A record that is kept." for document in corpus) == 2 + (depth < 900)
    assert f"{front}z.txt" in corpus.by_id
    reason = "nested more than 100 deep"
    listed = {(f"{front}a.jsonl/record 2", reason), (f"{front}all.ndjson", reason)}
    listed |= {(f"{front}b.json/record 2", reason)} if depth < 900 else set()
    assert {(item.path, item.reason) for item in corpus.unreadable} == listed


def test_a_file_on_which_its_reading_fails_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: object) -> None:
        raise RecursionError

    monkeypatch.setattr("extagents.corpus.formats.separated", failing)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.txt").write_text("Plain.")
    corpus = load(tmp_path)
    assert set(corpus.by_id) == {"b.txt"}
    assert [(item.path, item.reason) for item in corpus.unreadable] == [("a.csv", "damaged csv file (RecursionError)")]


def test_fields_are_guessed_or_named(tmp_path: Path) -> None:
    row = {"_id": "q", "headline": "H", "story": "A long story about a long journey to the sea.", "summary": "Short."}
    (tmp_path / "a.json").write_text(json.dumps([row]))
    assert (only(tmp_path / "a.json").text, only(tmp_path / "a.json").title) == (row["story"], "H")
    named = only(tmp_path / "a.json", text_field="summary", title_field="story")
    assert (named.text, named.title, named.id) == ("Short.", row["story"], "q")


def test_json_that_is_no_list_of_records_is_text(tmp_path: Path) -> None:
    for content in ('{"a": 1}', "[1, 2]", "[broken", '[{"n": 1}]', "[" * 100_000):
        (tmp_path / "a.json").write_text(content)
        assert only(tmp_path / "a.json").text == content


def test_colliding_ids_get_the_files_name_in_front(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(f'{{"id": "1", "text": "in {name}"}}\n{{"id": "{name[0]}", "text": "own"}}\n')
    assert [d.id for d in load(tmp_path).documents] == ["a.jsonl:1", "a", "b.jsonl:1", "b"]


def test_a_table_is_one_text_whose_title_has_the_columns(tmp_path: Path) -> None:
    text = "city,people\nParis,2000000\nRome,2800000\n"
    (tmp_path / "a.csv").write_text(text)
    assert only(tmp_path / "a.csv").text == text
    assert only(tmp_path / "a.csv").title == "a.csv: city, people"
    (tmp_path / "b.csv").write_text('id,body\nx,"Two\nlines"\ny,One\n')
    rows = load(tmp_path / "b.csv", text_field="body").documents
    assert [(d.id, d.text) for d in rows] == [("x", "Two\nlines"), ("y", "One")]


def test_html_gives_its_text_and_title(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<html><head><title>The  Title</title><style>p{}</style></head><body><nav>menu</nav><h2>Head</h2>"
        "<p>One <b>b</b>old<br>line &amp; more</p><ul><li>a</li><li>b</li></ul>"
        "<table><tr><th>k<th>v</tr><tr><td>1<td>2</tr></table><pre>x\n  y</pre><script>bad()</script></body></html>"
    )
    document = only(tmp_path / "a.html")
    assert document.title == "The Title"
    assert document.text == "## Head\n\nOne bold\nline & more\n\n- a\n- b\n\n| k | v |\n| --- | --- |\n| 1 | 2 |\n\nx\n  y\n"


def page(body: str) -> str:
    return extract("a.html", f"<html><body>{body}</body></html>".encode()).records[0].text


def test_what_stands_in_a_form_or_a_dialog_is_text_and_its_controls_are_not() -> None:
    form = "<form><h1>Leave</h1><p>25 days<input value='x'></p><select><option>a</option></select><button>Go</button></form>"
    assert page(f"{form}<dialog open>Note<dialog>In it</dialog></dialog>after") == (
        "# Leave\n\n25 days\n\nNote\n\nIn it\n\nafter\n"
    )


@pytest.mark.parametrize(
    "table",
    [
        "<tr>" + "<td colspan=100>x" * 9 + "<tr><td>x<td>y" * 2_000,
        "<tr>" + "<td colspan=100>x" * 20 + "<tr><td>x<td>y",
        "<tr><td>x<td>y" + ("<tr>" + "<td colspan=100 rowspan=100>x" * 9 + "<tr>" * 99) * 20,
        ("<tr>" + "<td colspan=90>x" * 9 + "<td>y" + "<tr><td>x" * 9 + "</table><table>") * 50,
    ],
)
def test_a_table_of_spans_does_not_swell(table: str) -> None:
    source = f"<table>{table}</table>"
    text = page(source)
    assert "x" in text
    assert len(text) < 8 * len(source)


def test_a_title_across_a_table_leaves_it_a_table() -> None:
    rows = "".join(f"<tr><td>{n}<td>{n * n}<td>" for n in range(500))
    text = page(f"<table><tr><th colspan=100>Squares</th></tr>{rows}</table>")
    assert text.startswith("| Squares |  |\n| --- | --- |\n| 0 | 0 |\n")
    assert text.endswith("| 499 | 249001 |\n")


def test_spaces_and_the_last_bar_at_the_end_of_a_line_are_dropped() -> None:
    assert page("<pre>a \t \n  b | \nc |\nd" + " " * 200_000 + "e</pre>") == f"a\n  b\nc |\nd{' ' * 200_000}e\n"


def test_a_pdf_has_pages(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("The first page.", "The second page."))
    document = only(tmp_path / "a.pdf")
    assert len(document.pages) == 2
    assert document.page_at(document.text.index("second")) == 2
    assert document.text[document.pages[1] :].startswith("The second page.")


def test_gzipped_files_are_read_as_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": "1", "text": "packed"}\n'))
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"text"))
    assert {d.id: d.text for d in load(tmp_path).documents} == {"1": "packed", "b.txt.gz": "text"}


# ------------------------------------------------------------------ folders


def test_a_folder_is_read_in_order_without_what_is_ignored(tmp_path: Path) -> None:
    for name in (
        "b.txt",
        "a/z.txt",
        "a/keep.log",
        "a/drop.log",
        ".hidden/x.txt",
        ".git/x.txt",
        "node_modules/x.txt",
        "env/x.txt",
        "env/pyvenv.cfg",
        "build/x.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / ".gitignore").write_text("*.log\n/build/\n")
    (tmp_path / "a" / ".gitignore").write_text("!keep.log\n")
    assert [d.id for d in load(tmp_path).documents] == ["a/keep.log", "a/z.txt", "b.txt"]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("fine")
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "loop").symlink_to(root)
    (root / "gone.txt").symlink_to(root / "nothing")
    corpus = load(root)
    assert [d.id for d in corpus.documents] == ["a.txt"]
    assert [Path(item.path).name for item in corpus.unreadable] == ["gone.txt", "out.txt"]
    assert "link" in corpus.unreadable[1].reason


def test_links_in_a_circle_are_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("fine")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "here").symlink_to(".")
    corpus = load(tmp_path)
    assert [document.id for document in corpus.documents] == ["good.txt"]
    assert sorted(Path(item.path).name for item in corpus.unreadable) == ["a", "b", "self"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.txt").write_text("fine")
    assert [item.reason for item in load(tmp_path).unreadable] == ["not a regular file"]


def test_two_roots_with_a_file_of_the_same_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    assert [d.id for d in load([tmp_path / "one", tmp_path / "two"]).documents] == ["one/a.txt", "two/a.txt"]


# ------------------------------------------------------------------ bad input


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = pdf("A page.")
    contents = {
        "cut.pdf": good[:60],
        "locked.pdf": encrypted(good),
        "image.png": b"\x89PNG\r\n",
        "noise.dat": bytes(range(256)) * 8,
        "broken.txt.gz": gzip.compress(b"text" * 1_000)[:-12],
        "good.txt": b"fine",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    corpus = load(tmp_path)
    assert [d.id for d in corpus.documents] == ["good.txt"]
    assert {item.path: item.reason for item in corpus.unreadable} == {
        "cut.pdf": "damaged PDF",
        "locked.pdf": "encrypted PDF; remove its password",
        "image.png": "binary file (image)",
        "noise.dat": "binary file",
        "broken.txt.gz": "damaged gzip file",
    }


def test_a_folder_of_images_is_an_error_that_says_so(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(InputError, match=r"0\.jpg: binary file \(image\).*and 2 more"):
        load(tmp_path)


@pytest.mark.parametrize("over", ["no/such/path", "", "x" * 5_000, "a\x00b", [], [""], 5, [5], b"bytes", Document(text=" ")])
def test_input_that_is_none_is_an_error_that_says_what_to_do(over: Any) -> None:
    with pytest.raises(InputError) as caught:
        load(over)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_an_empty_folder_and_an_empty_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no text"):
        load(tmp_path)
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(InputError, match="empty"):
        load(tmp_path / "a.txt")


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"0" * 80_000_000, 9))
    with pytest.raises(InputError, match="unpacks to more"):
        load(tmp_path)


def test_a_file_above_the_limit_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 100)
    assert "larger than 50 bytes" in loaders.load([tmp_path], largest=50).unreadable[0].reason


def test_a_text_file_of_300_megabytes_is_read(tmp_path: Path) -> None:
    line = b"A line of a large file, as logs and dumps have them, with a number of words in it.\n"
    with (tmp_path / "large.txt").open("wb") as file:
        for _ in range(300):
            file.write(line * (1_000_000 // len(line) + 1))
    corpus = load(tmp_path)
    assert len(corpus.documents[0].text) >= 300_000_000
    assert 50_000_000 < corpus.tokens < 100_000_000
