"""Every kind of document: what a reader sees of it, and what is said of one that cannot be read."""

from __future__ import annotations

import datetime
import io
import mailbox
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from extagents.corpus.corpus import Corpus
from extagents.corpus.formats import Extracted, Refused, extract
from extagents.corpus.formats.base import Reading, Room
from tests.corpus import making
from tests.corpus.test_loaders import encrypted, pdf


def text_of(name: str, data: bytes) -> str:
    found = extract(name, data)
    assert len(found.records) == 1
    return found.records[0].text


def outcome(name: str, data: bytes, reading: Reading | None = None) -> Extracted:
    """What a file holds; one that is refused whole holds nothing, and says why."""
    try:
        return extract(name, data, reading=reading)
    except Refused as refused:
        return Extracted([], [], (("", str(refused)),))


def inside(found: Extracted) -> dict[str, str]:
    return {record.inside: record.text for record in found.records}


# ------------------------------------------------------------------ Word


def test_word_keeps_headings_lists_and_tables_where_they_stand() -> None:
    data = making.docx(
        ["# The harbour", "It was built in 1912.", "- cranes", "- sheds", "## Costs", "1. first", "1. second"],
        rows=[["year", "cost | tax"], ["1912", "4\nmillion"]],
        title="Harbour report",
    )
    found = extract("a.docx", data).records[0]
    assert found.text == (
        "# The harbour\n\nIt was built in 1912.\n\n- cranes\n- sheds\n\n## Costs\n\n1. first\n2. second\n\n"
        "| year | cost \\| tax |\n| --- | --- |\n| 1912 | 4 million |\n"
    )
    assert found.title == "Harbour report"
    assert found.metadata["author"] == "Ilse Brandt"
    assert found.metadata["date"][:2] == "20"


def test_word_shows_insertions_headers_footers_boxes_and_notes_and_no_deletions() -> None:
    import docx
    from docx.oxml import parse_xml

    words = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Harbour Office, confidential"
    document.sections[0].footer.paragraphs[0].text = "Page 1 of 9"
    document.add_paragraph("Merged").part.document.element.body.insert(
        0,
        parse_xml(
            f'<w:p {words}><w:r><w:t xml:space="preserve">The crane </w:t></w:r><w:del w:id="1"><w:r>'
            '<w:delText>fell</w:delText></w:r></w:del><w:ins w:id="2"><w:r><w:t>stood</w:t></w:r></w:ins><w:r><w:pict>'
            "<w:txbxContent><w:p><w:r>"
            "<w:t>A box beside it</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>"
        ),
    )
    table = document.add_table(rows=2, cols=3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "both"
    table.cell(0, 2).text = "c"
    table.cell(1, 0).text, table.cell(1, 2).text = "x", "z"
    out = io.BytesIO()
    document.save(out)
    text = text_of("a.docx", out.getvalue())
    assert text == (
        "Harbour Office, confidential\n\nThe crane stood\n\nA box beside it\n\nMerged\n\n"
        "| both |  | c |\n| --- | --- | --- |\n| x |  | z |\n"
    )


# ------------------------------------------------------------------ slides, sheets


def test_slides_are_pages_with_text_tables_and_notes() -> None:
    data = making.pptx(
        [("Opening", "The harbour opens.", "Say it slowly."), ("Figures", "Two cranes", "")], rows=[["crane", "t"], ["A", "40"]]
    )
    found = extract("a.pptx", data).records[0]
    assert found.text == (
        "## Opening\n\nThe harbour opens.\n\nNotes: Say it slowly.\n\n"
        "## Figures\n\nTwo cranes\n\n| crane | t |\n| --- | --- |\n| A | 40 |\n\n"
    )
    assert found.pages == (0, found.text.index("## Figures"))


def test_a_chart_on_a_slide_is_its_numbers() -> None:
    import pptx
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Growth"
    chart = CategoryChartData()
    chart.categories = ["2023", "2024"]
    chart.add_series("ships", (12, 19.5))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(2), Inches(5), Inches(4), chart)
    out = io.BytesIO()
    presentation.save(out)
    assert "|  | ships |\n| --- | --- |\n| 2023 | 12 |\n| 2024 | 19.5 |" in text_of("a.pptx", out.getvalue())


def test_a_workbook_is_a_table_a_sheet_with_values_as_people_see_them() -> None:
    data = making.xlsx(
        {
            "城市": [
                ["city", "people", "since", "share", "port", None],
                ["Oslo", 700000, datetime.date(1999, 5, 1), 0.1 + 0.2, True],
            ],
            "Empty": [],
            "Two": [["Prices of 2024"], [], [None, "what", "cost"], [None, "rope", 2.5], [], [None, "sail", 80]],
        }
    )
    assert text_of("a.xlsx", data) == (
        "## 城市\n\n| city | people | since | share | port |\n| --- | --- | --- | --- | --- |\n"
        "| Oslo | 700000 | 1999-05-01 | 0.3 | TRUE |\n\n"
        "## Two\n\nPrices of 2024\n\n| what | cost |\n| --- | --- |\n| rope | 2.5 |\n| sail | 80 |\n"
    )


def test_dates_in_a_workbook_are_dates() -> None:
    data = making.xlsx({"Sheet1": [["day", "n"], [datetime.date(2024, 2, 29), 7]]})
    assert "| 2024-02-29 | 7 |" in text_of("a.xlsx", data)


# ------------------------------------------------------------------ books, mail, notebooks, Parquet


def test_a_book_is_its_chapters_in_reading_order() -> None:
    found = extract(
        "a.epub", making.epub({"Zero": "<p>It began.</p>", "Anchor": "<h1>Second</h1><p>It went on.</p>"}, title="海港 Book")
    ).records[0]
    assert found.text == "# Zero\n\nIt began.\n\n# Second\n\nIt went on.\n"
    assert (found.title, found.metadata["author"], found.metadata["language"]) == ("海港 Book", "Ilse Brandt", "en")


def test_mail_has_its_head_lines_its_text_and_its_attachments_as_documents() -> None:
    inner = making.mail("Forwarded text.", subject="Inner", attached={"table.csv": b"a,b\n1,2\n"})
    data = making.mail(
        "Dear Jonas,\nthe plan is attached.",
        html="<p>other</p>",
        subject="Der Plan für März 计划",
        attached={
            "plan.docx": making.docx(["The plan."]),
            "photo.jpg": b"\xff\xd8",
            "../../evil.txt": b"evil",
            "inner.eml": inner,
        },
    )
    found = extract("a.eml", data)
    assert inside(found)[""] == (
        "From: Ilse Brandt <ilse@example.org>\nTo: Jonas Weber <jonas@example.org>\nDate: Mon, 03 Mar 2025 10:20:30 +0100\n"
        "Subject: Der Plan für März 计划\n\nDear Jonas,\nthe plan is attached.\n"
    )
    assert set(inside(found)) == {"", "plan.docx", "evil.txt", "inner.eml", "inner.eml/table.csv"}
    assert found.records[0].metadata["date"] == "2025-03-03T10:20:30+01:00"
    assert found.unreadable == (("photo.jpg", "binary file (image)"),)


def test_mail_without_plain_text_is_its_html() -> None:
    text = text_of("a.eml", making.mail("", html="<p>One</p><table><tr><th>a<th>b<tr><td>1<td>2</table>"))
    assert text.endswith("\n\nOne\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n")


def test_a_mailbox_is_a_document_a_message(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "a.mbox")
    for number in range(3):
        box.add(making.mail(f"From here on it is number {number}.", subject=f"Letter {number}"))
    box.close()
    corpus = Corpus.load(tmp_path, cache=False)
    assert [(d.id, d.title) for d in corpus.documents] == [(f"a.mbox/{n + 1}", f"Letter {n}") for n in range(3)]
    assert "\nFrom here on it is number 2." in corpus.documents[2].text


def test_a_notebook_is_its_cells_with_what_they_printed() -> None:
    data = making.notebook(
        ("markdown", "# Study\n\nWhy.", []),
        ("code", "print(x)", [{"output_type": "stream", "name": "stdout", "text": ["4", "2\n"]}]),
        (
            "code",
            "frame",
            [{"output_type": "execute_result", "data": {"text/html": "<table><tr><th>a<th>b<tr><td>1<td>2</table>"}}],
        ),
        (
            "code",
            "loop()",
            [{"output_type": "stream", "text": "x" * 9_000}, {"output_type": "error", "ename": "E", "evalue": "no"}],
        ),
    )
    found = extract("a.ipynb", data).records[0]
    assert found.title == "Study"
    assert "```python\nprint(x)\n```\n\n42\n\n```python\nframe\n```\n\n| a | b |\n| --- | --- |\n| 1 | 2 |" in found.text
    assert "… (5,000 more characters of output)\n\nE: no" in found.text


def test_parquet_is_a_document_a_row_where_it_holds_texts_else_a_table() -> None:
    texts = making.parquet({"id": ["x", "y"], "title": ["One", "Two"], "text": ["The first.", "第二。"], "year": [1999, 2000]})
    found = extract("a.parquet", texts).records
    assert [(record.id, record.title, record.text) for record in found] == [("x", "One", "The first."), ("y", "Two", "第二。")]
    assert found[0].metadata == {"year": 1999}
    days = making.parquet({"day": [datetime.date(2024, 2, 29)], "n": [1.5], "raw": [b"\x00"], "gone": [None]})
    assert text_of("a.parquet", days) == "| day | n | gone |\n| --- | --- | --- |\n| 2024-02-29 | 1.5 |  |\n"


def test_parquet_without_its_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Refused, match=r'pip install "extagents\[parquet\]"') as caught:
        extract("a.parquet", b"PAR1....PAR1")
    assert not caught.value.lasting


# ------------------------------------------------------------------ archives

MEMBERS = {
    "docs/计划.md": "# 计划\n\n正文。".encode(),
    "docs/a.docx": making.docx(["In Word."]),
    "deep/b.zip": making.zipped({"c.pdf": pdf("A page."), "d.txt": b"plain"}),
    ".hidden/x.txt": b"no",
    "__MACOSX/x.txt": b"no",
    "pic.png": b"\x89PNG",
    "empty.txt": b"",
    "rows.jsonl": b'{"id": "r1", "text": "A record."}\n',
}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_is_the_documents_in_it(tmp_path: Path, name: str) -> None:
    modes = {"a.tar": "w", "a.tar.gz": "w:gz", "a.tgz": "w:gz", "a.tar.bz2": "w:bz2", "a.tar.xz": "w:xz"}
    data = making.zipped(MEMBERS) if name == "a.zip" else making.tarred(MEMBERS, mode=modes[name])
    (tmp_path / name).write_bytes(data)
    corpus = Corpus.load(tmp_path / name, cache=False)
    assert [d.id for d in corpus.documents] == [
        f"{name}/docs/计划.md",
        f"{name}/docs/a.docx",
        f"{name}/deep/b.zip/c.pdf",
        f"{name}/deep/b.zip/d.txt",
        "r1",
    ]
    assert corpus.documents[0].title == "计划"
    assert corpus.documents[2].pages == (0,)
    assert [(item.path, item.reason) for item in corpus.unreadable] == [(f"{name}/pic.png", "binary file (image)")]
    assert corpus.kinds == {"md": 1, "docx": 1, "pdf": 1, "txt": 1, "jsonl": 1}


def test_what_an_archive_may_not_hold_is_listed_with_its_reason() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, link in (
            ("link.txt", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard.txt", tarfile.LNKTYPE, "a.txt"),
            ("disk.txt", tarfile.BLKTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            archive.addfile(info)
        for name in ("../up.txt", "/root.txt", "a.txt"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"text"))
    found = extract("a.tar", out.getvalue())
    assert inside(found) == {"a.txt": "text"}
    assert {path: reason.split(";")[0] for path, reason in found.unreadable} == {
        "link.txt": "a link in an archive is not followed",
        "hard.txt": "a link in an archive is not followed",
        "disk.txt": "not a regular file",
        "../up.txt": "a name that leads out of the archive",
        "/root.txt": "a name that leads out of the archive",
    }
    evil = extract("a.zip", making.zipped({"..\\up.txt": b"text", "C:/x.txt": b"text", "ok.txt": b"fine"}))
    assert inside(evil) == {"ok.txt": "fine"}
    assert len(evil.unreadable) == 2


def test_a_locked_member_is_listed_and_the_rest_is_read() -> None:
    data = bytearray(making.zipped({"a.txt": b"locked", "b.txt": b"open"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    found = extract("a.zip", bytes(data))
    assert inside(found) == {"b.txt": "open"}
    assert found.unreadable == (("a.txt", "encrypted; remove its password"),)


def test_chinese_names_from_windows_are_read() -> None:
    data = making.zipped({"abcd.txt": b"text"}).replace(b"abcd", "报告".encode("gb18030"))
    assert set(inside(extract("a.zip", data))) == {"报告.txt"}


def bombs() -> list[tuple[str, bytes]]:
    zeros = b"0" * 40_000_000
    office = zipfile.ZipFile(io.BytesIO(making.docx(["text"])))
    parts = {info.filename: office.read(info) for info in office.infolist()}
    deep = b"end"
    for _ in range(8):
        deep = making.zipped({"a.zip": deep, "b.txt": b"text"})
    return [
        ("a.zip", making.zipped({"big.txt": zeros})),
        ("a.docx", making.zipped({**parts, "word/media/x.xml": zeros})),
        ("a.xlsx", making.zipped({**{"xl/workbook.xml": b"<a/>"}, "xl/x.xml": zeros})),
        ("a.epub", making.zipped({"META-INF/container.xml": zeros})),
        ("deep.zip", deep),
        ("many.zip", making.zipped({f"{n}.zip": making.zipped({"x.txt": b"0" * 500_000}) for n in range(100)})),
    ]


@pytest.mark.parametrize(("name", "data"), bombs(), ids=lambda value: value if isinstance(value, str) else "")
def test_bombs_are_refused(name: str, data: bytes) -> None:
    found = outcome(name, data, Reading(Room(45_000_000)))
    reasons = " ".join(reason for _, reason in found.unreadable)
    assert "deep" in reasons if name == "deep.zip" else "unpacks to more" in reasons
    assert sum(len(record.text) for record in found.records) <= 45_000_000


def test_entities_in_xml_are_not_expanded() -> None:
    laughs = (
        b'<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    )
    with pytest.raises(Refused, match="damaged EPUB"):
        extract("a.epub", making.zipped({"META-INF/container.xml": laughs + b"<x>&b;&f;</x>"}))
    office = zipfile.ZipFile(io.BytesIO(making.docx(["text"])))
    parts = {info.filename: office.read(info) for info in office.infolist()}
    body = parts["word/document.xml"].split(b"?>", 1)[1].replace(b">text<", b">text&f;<")
    try:
        text = text_of("a.docx", making.zipped({**parts, "word/document.xml": laughs + body}))
    except Refused:
        return
    assert "root:" not in text


# ------------------------------------------------------------------ damaged

WHOLE = {
    "a.docx": making.docx(["# Head", "Some text."], rows=[["a", "b"], ["1", "2"]]),
    "a.pptx": making.pptx([("Title", "Text", "Notes")]),
    "a.xlsx": making.xlsx({"S": [["a", "b"], [1, 2]]}),
    "a.epub": making.epub({"One": "<p>text</p>"}),
    "a.eml": making.mail("text", attached={"x.zip": making.zipped({"y.txt": b"text"})}),
    "a.ipynb": making.notebook(("markdown", "text", [])),
    "a.parquet": making.parquet({"text": ["some text"]}),
    "a.zip": making.zipped({"x.txt": b"text"}),
    "a.tar": making.tarred({"x.txt": b"text"}, mode="w"),
    "a.pdf": pdf("text"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_is_refused_with_a_reason_or_read(name: str) -> None:
    import random

    whole, chance = WHOLE[name], random.Random(7)
    cases = [whole[: len(whole) * part // 8] for part in range(1, 8)]
    cases += [bytes(chance.choice([byte, 0, 255]) if chance.random() < 0.02 else byte for byte in whole) for _ in range(25)]
    cases += [b"not what its name says, but some text"]
    for data in cases:
        found = outcome(name, data)
        assert found.records or found.unreadable
        assert all(reason and "\n" not in reason for _, reason in found.unreadable)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.doc", b"\xd0\xcf\x11\xe0", "save it as .docx"),
        ("a.ppt", b"\xd0\xcf\x11\xe0", "save it as .pptx"),
        ("a.rtf", b"{\\rtf1}", "save it as .docx"),
        ("a.msg", b"\xd0\xcf\x11\xe0", "save it as .eml"),
        ("a.7z", b"7z", "pack it as .zip"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "remove its password"),
        ("a.epub", making.epub({"One": "<p>text</p>"}, locked=True), "DRM"),
        ("a.pdf", encrypted(pdf("text")), "remove its password"),
        ("a.pdf", pdf(""), "OCR it first"),
        ("a.docx", making.docx([]), "empty"),
        ("a.pptx", making.pptx([("", "", "")]), "without text"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        extract(name, data)
    assert reason in str(caught.value)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.epub", "a.zip", "a.pdf", "a.parquet"])
def test_a_file_is_read_as_what_it_is_whatever_its_name(name: str) -> None:
    assert extract("unnamed", WHOLE[name]).records[0].text == extract(name, WHOLE[name]).records[0].text
