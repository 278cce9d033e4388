"""What a reviewer broke in kinds of documents: bombs by repetition, templates, odd columns, cut and false archives."""

from __future__ import annotations

import datetime
import gzip
import io
import struct
import zipfile

import pyarrow
import pyarrow.parquet
import pytest

from extagents.corpus.formats import Extracted, Refused, extract
from extagents.corpus.formats.base import Reading, Room
from tests.corpus import making

ROW = "The harbour office keeps a list of ships. "


def changed(data: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """A zip file in one part of which something is replaced."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert old in parts[part]
    return making.zipped({**parts, part: parts[part].replace(old, new)})


def written(table: pyarrow.Table) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def reasons(name: str, data: bytes, *, largest: int = 1 << 30) -> str:
    try:
        found = extract(name, data, reading=Reading(Room(largest)))
    except Refused as refused:
        return str(refused)
    return " ".join(reason for _, reason in found.unreadable)


def test_a_chapter_that_the_spine_names_again_is_read_once() -> None:
    data = changed(
        making.epub({"one": "<p>" + ROW * 9_000 + "</p>"}),
        "OEBPS/book.opf",
        b'<itemref idref="c0"/>',
        b'<itemref idref="c0"/>' * 200,
    )
    assert len(extract("a.epub", data).records[0].text) < 500_000


def test_a_slide_that_is_named_again_is_read_once() -> None:
    import pptx

    presentation = pptx.Presentation(io.BytesIO(making.pptx([("Ships", ROW, ""), ("Cranes", "Two stand.", "")])))
    listed = presentation.slides._sldIdLst
    for number in range(150):
        listed._add_sldId(rId=listed.sldId_lst[0].rId, id=900 + number)
    out = io.BytesIO()
    presentation.save(out)
    record = extract("a.pptx", out.getvalue()).records[0]
    assert record.text.count(ROW.strip()) == 1
    assert len(record.pages) == 2
    assert "## Cranes" in record.text


def bombs() -> list[tuple[str, bytes]]:
    text = "word " * 200_000
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 200, pyarrow.int32()), pyarrow.array([text]))
    shown = [("shown.parquet", written(pyarrow.table({"text": column})))]
    shown.append(("nested.parquet", written(pyarrow.table({"text": pyarrow.array([[text]] * 200)}))))
    rows = [[f"=={'long ' * 6_000}=="]] * 1_200
    shown.append(("shared.xlsx", making.xlsx({"S": rows})))
    return shown


@pytest.mark.parametrize(("name", "data"), bombs(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_value_that_is_shown_in_every_row_is_a_bomb(name: str, data: bytes) -> None:
    assert len(data) < 160_000
    assert "unpacks to more than" in reasons(name, data)


def test_text_boxes_in_text_boxes_are_read_once() -> None:
    import docx
    from docx.oxml import parse_xml

    words = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    inner = "<w:p><w:r><w:t>the innermost box</w:t></w:r></w:p>"
    for _ in range(12):
        inner = f"<w:p><w:r><w:pict><w:txbxContent>{inner}</w:txbxContent></w:pict></w:r></w:p>"
    document = docx.Document()
    document.element.body.insert(0, parse_xml(inner.replace("<w:p>", f"<w:p {words}>", 1)))
    out = io.BytesIO()
    document.save(out)
    assert extract("a.docx", out.getvalue()).records[0].text.count("innermost") == 1


OPEN = b"application/vnd.openxmlformats-officedocument."


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.docm", b"application/vnd.ms-word.document.macroEnabled.main+xml"),
        ("a.dotx", OPEN + b"wordprocessingml.template.main+xml"),
        ("a.dotm", b"application/vnd.ms-word.template.macroEnabledTemplate.main+xml"),
        ("a.pptm", b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml"),
        ("a.ppsx", OPEN + b"presentationml.slideshow.main+xml"),
        ("a.ppsm", b"application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml"),
        ("a.potx", OPEN + b"presentationml.template.main+xml"),
    ],
)
def test_templates_shows_and_files_with_macros_are_read(name: str, kind: bytes) -> None:
    is_word = name.startswith("a.do")
    data = making.docx([ROW]) if is_word else making.pptx([("Ships", ROW, "")])
    usual = OPEN + (b"wordprocessingml.document.main+xml" if is_word else b"presentationml.presentation.main+xml")
    assert ROW.strip() in extract(name, changed(data, "[Content_Types].xml", usual, kind)).records[0].text


def test_parquet_with_nanoseconds_is_read() -> None:
    moment = pyarrow.array([1_700_000_000_123_456_789], pyarrow.timestamp("ns", "UTC"))
    table = pyarrow.table(
        {
            "text": [ROW],
            "at": moment,
            "all": pyarrow.array([[1_001]], pyarrow.list_(pyarrow.timestamp("ns"))),
            "took": pyarrow.array([2_001], pyarrow.duration("ns")),
            "time": pyarrow.array([3_001], pyarrow.time64("ns")),
        }
    )
    (record,) = extract("a.parquet", written(table)).records
    assert datetime.datetime.fromisoformat(record.metadata["at"]).microsecond == 123_456
    assert record.metadata["all"] == ["1970-01-01T00:00:00.000001"]
    assert record.metadata["time"] == "00:00:00.000003"


def test_columns_of_the_same_name_are_all_shown() -> None:
    data = written(pyarrow.table([[1, 3], [2, 4], [b"x", b"y"]], names=["a", "a", "a"]))
    assert extract("a.parquet", data).records[0].text == "| a | a (2) |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n"


def noise(size: int) -> bytes:
    return b"".join(b"%d ships\n" % (number * 7919) for number in range(size // 10))[:size]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar", "nest.zip", "deep.zip"])
def test_an_archive_is_not_counted_beside_what_it_holds(name: str) -> None:
    members = {"m.txt": noise(25_000)}
    inner = {
        "a.tar.gz": {"a.tar.gz": making.tarred(members)},
        "a.tar": {"a.tar": making.tarred(members, mode="w:")},
        "nest.zip": {"n.zip": making.zipped(members)},
        "deep.zip": {"n.zip": making.zipped({"t.tgz": making.tarred(members)})},
    }[name]
    assert reasons("outer.zip", making.zipped(inner), largest=40_000) == ""
    assert "unpacks to more than 20,000 bytes in all, the most that is read" in reasons(
        "outer.zip", making.zipped(inner), largest=20_000
    )


def test_a_member_that_has_no_room_leaves_the_others() -> None:
    data = making.tarred({"a.txt": b"one " * 99, "b.txt": b"two " * 9_999, "c.txt": b"three " * 99}, mode="w:")
    found = extract("a.tar", data, reading=Reading(Room(20_000)))
    assert [record.inside for record in found.records] == ["a.txt", "c.txt"]
    assert [path for path, _ in found.unreadable] == ["b.txt"]


@pytest.mark.parametrize("size", [1_800, 2_300, 2_800])
def test_a_tar_that_is_cut_off_is_read_as_far_as_it_goes(size: int) -> None:
    data = making.tarred({f"m{number}.txt": b"A member. " * 80 for number in range(3)}, mode="w:")[:size]
    found = extract("a.tar", data)
    assert [record.inside for record in found.records] == ["m0.txt"]
    assert "cut off or damaged" in found.notices[0]


def test_a_whole_tar_has_no_notice_and_one_cut_in_its_first_member_is_refused() -> None:
    data = making.tarred({"m.txt": b"A member. " * 80}, mode="w:")
    assert extract("a.tar", data).notices == []
    assert extract("a.tar", data[:1_536]).notices == []  # the zeros at the end are often left out
    assert "damaged archive" in reasons("a.tar", data[:900])


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_a_member_is_never_unpacked_beyond_the_size_it_gives(method: int) -> None:
    import tracemalloc

    content = b"All ships are listed.\n" * 40
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        packed.writestr("a.txt", content)
        packed.writestr("b.txt", b"\0" * 60_000_000)
    data = bytearray(out.getvalue())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 1_000)
    tracemalloc.start()
    try:
        found: Extracted = extract("a.zip", bytes(data))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert [record.text for record in found.records] == [content.decode()]
    assert [path for path, _ in found.unreadable] == ["b.txt"]


def test_a_gzip_bomb_names_the_limit() -> None:
    from extagents.corpus.formats.packed import unpack

    data = gzip.compress(b"0" * 50_000)
    with pytest.raises(Refused, match="40,000 bytes in all, the most that is read"):
        unpack(data, ".gz", Room(40_000))


@pytest.mark.parametrize(("written_in", "said"), [("gbk", "gbk"), ("gbk", ""), ("utf-8", "utf-8"), ("big5", "big5")])
def test_header_lines_of_a_mail_are_read_in_the_encoding_they_are_written_in(written_in: str, said: str) -> None:
    kind = f"Content-Type: text/plain; charset={said}\n" if said else ""
    data = f"From: 張三 <a@example.org>\nSubject: =?utf-8?q?Re=3A?= 會議\n{kind}\n內容\n".encode(written_in)
    record = extract("a.eml", data).records[0]
    assert record.text.startswith("From: 張三 <a@example.org>\nSubject: Re:")
    assert "會議" in record.title


def test_an_attachment_that_has_no_room_leaves_the_mail() -> None:
    data = making.mail("See below.", attached={"a.txt": b"one " * 999, "b.txt": b"two " * 99_999})
    found = extract("a.eml", data, reading=Reading(Room(20_000)))
    assert [record.inside for record in found.records] == ["", "a.txt"]
    assert [path for path, _ in found.unreadable] == ["b.txt"]
