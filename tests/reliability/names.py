"""Hostile names of tenants and runs, by a seed."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

FRAGMENTS = (
    *("'; DROP TABLE runs;--", '" OR 1=1 --'),
    *("' UNION SELECT * FROM secrets --", "%", "_", "x'00'", "?", "?1", ":name", "$1"),
    *("*", "?", "[a-z]", "\\*", "{", "}", "{}", "{a}", "}{", "{0}", "{tenant}"),
    *("%s", "%n%n", "{0.__class__}", "${HOME}", "$(id)"),
    *("\r\n", "\n", "\r", "\t", "\0", "\r\nFLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "$-1\r\n", "+OK\r\n", "-ERR\r\n"),
    *("../", "..", "/", "\\", "../../etc/passwd", "C:\\", "//", "./", "~"),
    *("file:///", "%2e%2e%2f", "%00", "con", ".sqlite"),
    *("ext:", ":run:", ":runs", ":secret", ":cache:", ":reports", ":journal"),
    *(":lease", ":", "::", "ext:{", "}:run:", "default"),
    *("redis.call('FLUSHALL')", "]]", "[[", "--[[", "end", "\\", "' .. '", '\\"', "KEYS[1]", "ARGV[1]", "return 1"),
    *("\x1b[31m", "\x1b]0;owned\x07", "\x9b2J", "\x08\x08", "\x7f", "\u202e"),
    *("\u2066", "\u200b", "\ufeff", "\u2028", "\u2029"),
    *("é", "e\u0301", "ﬁ", "fi", "K", "\u212a", "ß", "ss", "İ", "i̇", "Å"),
    *("\u212b", "А", "A", "名前", "اسم", "\U0001f4da", "\U0010ffff"),
    *("\ud800", "\udfff", "\udc80", "\ud83d\udcda", "true", "null", "NaN", "0", "-1", "1e309", " ", "", "a", "B" * 300),
)  # fmt: skip
FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def hostile(count: int, *, seed: int) -> list[str]:
    """So many different names."""
    chance = random.Random(seed)
    found: dict[str, None] = dict.fromkeys(FRAGMENTS)
    for name in _variants(list(found)):
        found[name] = None
    found["x" * 100_000] = found["x" * 100_001] = None
    while len(found) < count:
        made = "".join(chance.choices(FRAGMENTS, k=chance.randint(1, 6)))
        found[made] = None
        if chance.random() < 0.2:
            for name in _variants([made]):
                found[name] = None
        if chance.random() < 0.2:  # any letters at all
            found["".join(chr(chance.randrange(0x110000)) for _ in range(chance.randint(1, 8)))] = None
    return list(found)[:count]


def _variants(names: list[str]) -> Iterator[str]:
    """What a careless comparison takes for the same name."""
    for name in names:
        yield from (name.upper(), name.lower(), name.casefold(), name.strip(), f" {name}", f"{name} ", f"{name}\0", name[::-1])
        yield from (unicodedata.normalize(form, name) for form in FORMS)


def sendable(name: str) -> bool:
    """Whether the name is Unicode text: lone surrogates are not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
