"""Characters out of bytes, and the title that a text gives itself."""

from __future__ import annotations

import re
from collections.abc import Callable

from extagents.corpus.formats.base import Refused

CODE = frozenset(
    suffix
    for line in (
        ".py .pyi .pyx .js .mjs .cjs .jsx .ts .tsx .c .h .cc .cpp .cxx .hpp .cs .java .kt .kts .go .rs .rb .php .swift .scala",
        ".sh .bash .zsh .ps1 .pl .pm .r .jl .lua .sql .toml .yaml .yml .ini .cfg .conf .css .scss .less .vue .svelte .tex",
        ".bib .mk .cmake .dart .ex .exs .erl .hs .clj .lisp .el .vim .proto .graphql .tf .groovy .gradle .m .mm .asm .s",
        ".v .vhd .xml .svg .po .json",
    )
    for suffix in line.split()
)
_ASCII = frozenset(map(chr, range(128)))
_MARKS = frozenset("€©®°±²·µ§«»“”‘’–—…•\u00a0")
_WESTERN = _MARKS | frozenset("äöüÄÖÜßéèêëàâçîïôûùñóíáúãõåæœÉÈÊÀÂÇÎÔÑÓÍÁÚÅÆØ£¿¡")
_GB_COMMON = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xa3\xb0-\xd7][\xa1-\xfe])*+(?:[\xa1-\xa3\xb0-\xd7])?")  # may be cut within one
_SURROGATE = re.compile("[\ud800-\udfff]")


def title_of(text: str, name: str) -> str:
    """The first line or heading, if it has at most 120 characters and an empty line follows it; else the name."""
    head = text[:2_000].lstrip("\n\r ")
    line, _, rest = head.partition("\n")
    following = rest.partition("\n")[0]
    title = line.strip()
    if rest and set(following.strip()) in ({"="}, {"-"}):  # a heading underlined, as in Markdown
        following = rest.partition("\n")[2].partition("\n")[0]
    if not rest or following.strip() or not title or len(title) > 120:
        return name
    return re.sub(r"^#{1,6}\s+|\s+#+$", "", title)


def decode(data: bytes, suffix: str = "") -> tuple[str, list[str]]:
    """The text of a file, its byte-order mark dropped and CRLF turned into LF, and a notice where bytes were not valid.

    Raises Refused for a binary file.
    """
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe\x00\x00", "utf-32-le"),
        (b"\x00\x00\xfe\xff", "utf-32-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            body = data[len(mark) :]
            text = body.decode(encoding, "replace")
            notices = ["some bytes are not valid " + encoding.upper()] if "\ufffd" in text else []
            return _newlines(text), notices
    sample = data[:8_192]
    zeros = sample.count(0)
    if zeros and (zeros > len(sample) // 100 or suffix not in CODE | {".txt", ".md", ".rst", ".csv", ".tsv", ".jsonl", ".log"}):
        raise Refused("binary file")
    try:
        return _newlines(data.decode("utf-8")), []
    except UnicodeDecodeError:
        return _other_encoding(data)


def _other_encoding(data: bytes) -> tuple[str, list[str]]:
    text = data.decode("utf-8", "replace")
    head = text[:200_000]
    broken, foreign = head.count("\ufffd"), sum(1 for char in head if char > "\x7f")
    if foreign > 10 * broken or "\ufffd" not in head:
        return _newlines(text), ["some bytes are not valid UTF-8 and were replaced"]
    from charset_normalizer import from_bytes

    begin = len(data) - len(data.lstrip(bytes(range(128))))
    sample = data[max(0, begin - 1_000) :][:65_536]
    if _is_marks(sample):
        return _newlines(data.decode("cp1252", "replace")), ["not UTF-8; read as cp1252"]
    found = list(from_bytes(sample))
    if not found:
        if broken > len(head) // 10:
            raise Refused("binary file")
        return _newlines(text), ["some bytes are not valid UTF-8 and were replaced"]
    best = found[0]
    tied = {name for match in found if match.chaos == best.chaos for name in (match.encoding, *match.could_be_from_charset)}
    encoding = next((name for name, fits in _LIKELY if name in tied and fits(sample)), best.encoding)
    return _newlines(data.decode(encoding, "replace")), [f"not UTF-8; read as {encoding.replace('_', '-')}"]


def _is_marks(data: bytes) -> bool:
    """Whether all that is no ASCII are marks: an English text of Windows, in which "20 °C" would be guessed to be Chinese."""
    return _foreign(data) <= _MARKS and not _is_chinese(data)


def _foreign(data: bytes) -> set[str]:
    return set(data.decode("cp1252", "replace")) - _ASCII


def _is_chinese(data: bytes) -> bool:
    """Whether all that is no ASCII are the common characters of GB 2312 and its punctuation."""
    return _GB_COMMON.fullmatch(data) is not None


def _is_western(data: bytes) -> bool:
    """Whether all that is no ASCII are letters and marks of Western Europe that Czech or Polish bytes seldom look like."""
    return _foreign(data) <= _WESTERN


_LIKELY: tuple[tuple[str, Callable[[bytes], bool]], ...] = (("gb18030", _is_chinese), ("cp1252", _is_western))
"""What a text is read as where the guesses cannot be told apart, as those of a short one cannot."""


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n") if "\r\n" in text else text


def sound(text: str) -> str:
    """Lone surrogates, which JSON may escape, become U+FFFD one for one: nothing later could write them."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
