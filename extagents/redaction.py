"""What not everybody may read, as it can be shown: URLs without passwords, messages without keys, errors without frames."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any, Self, TypeVar
from urllib.parse import quote, quote_plus

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

E = TypeVar("E", bound=BaseException)
HIDDEN = "***"
SHORTEST = 4  # characters of a secret that are looked for as a whole
PIECE = 6  # characters in a row that tell a piece of a secret from other words
PIECED = 12  # characters a secret must have to be looked for in pieces

_KEY = re.compile(r"\b(?:sk|pk|key|tok)[-_][\w*.-]{6,}|[\w.-]*\*{3,}[\w*.-]*")
_WORD = re.compile(r"[\w-]+")
_CUT = re.compile(r"([\w-]*)(?:\.{2,}|…+|[xX•·#]{3,})([\w-]*)")


def shown(url: str) -> str:
    """The URL without user, password and query, fit for a message or a log."""
    url = str.__str__(url)
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    if scheme.lower() == "sqlite" and rest.startswith("/"):
        return url  # a path, whatever letters it has
    before, query = _split(rest)
    if "@" in query and scheme.lower() != "unix":
        # Either the query holds an @ or the password a ?. With an @ in front of it, what follows the last @ is the host.
        before = rest.rpartition("@")[2] if re.search(r"@[\w.:\[\]-]+(?:/[\w-]*)?$", rest) and "=" not in query else HIDDEN
    return f"{scheme}{separator}{before.rpartition('@')[2]}"


def _split(rest: str) -> tuple[str, str]:
    cut = re.search(r"[?#]", rest)
    return (rest, "") if cut is None else (rest[: cut.start()], rest[cut.start() :])


class SecretUrl(str):
    """A URL that may hold a password: a text like any other, but it prints, dumps and is represented as `shown`."""

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        return super().__new__(cls, str.__str__(url))

    def __repr__(self) -> str:
        return repr(shown(self))

    def __str__(self) -> str:
        return shown(self)

    def __format__(self, form: str) -> str:
        return format(shown(self), form)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.secret:
            raise TypeError("A URL with a password is not pickled.")
        return str, (shown(self),)

    @property
    def secret(self) -> bool:
        """Whether anything of it is hidden."""
        return not str.__eq__(self, shown(self))

    def get_secret_value(self) -> str:
        """The URL as it was given."""
        return str.__str__(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(shown, return_schema=core_schema.str_schema()),
        )


def scrub(text: str, *secrets: str) -> str:
    """The text without the secrets: as they are, encoded as URLs or base64 have it, and in pieces (`sk-ab…yz`, `ends in 4xyz`).

    What looks like anybody's key is cut out too.
    """
    for secret in secrets:
        if len(secret) >= SHORTEST:
            for form in _forms(secret):
                text = text.replace(form, HIDDEN)
        if len(secret) >= PIECED:
            text = _without_pieces(text, secret)
    return _KEY.sub(HIDDEN, text)


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield raw.hex()
    if len(raw) >= PIECED:
        for before in range(3):  # whatever stood in front of it
            whole = base64.b64encode(b"\0" * before + raw).decode()
            inner = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]  # what no neighbour has a part in
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def _without_pieces(text: str, secret: str) -> str:
    hidden = bytearray(len(text))

    def hide(start: int, end: int) -> None:
        hidden[start:end] = b"\1" * (end - start)

    for start in range(len(text) - PIECE + 1):
        if text[start : start + PIECE] in secret:
            hide(start, start + PIECE)
    for word in _WORD.finditer(text):
        if len(word[0]) >= SHORTEST and (secret.startswith(word[0]) or secret.endswith(word[0])):
            hide(*word.span())
    for cut in _CUT.finditer(text):
        front, back = cut[1].lower(), cut[2].lower()
        known = secret.lower()
        if (len(front) >= 2 and known.startswith(front)) or (len(back) >= 2 and known.endswith(back)):
            hide(*cut.span())
    kept: list[str] = []
    for position, letter in enumerate(text):
        if not hidden[position]:
            kept.append(letter)
        elif position == 0 or not hidden[position - 1]:
            kept.append(HIDDEN)
    return "".join(kept)


class Cutter:
    """Cuts secrets out of a text that comes in pieces. Short ones are left: they may be words (`none`, `EMPTY`)."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = [secret for secret in secrets if len(secret) >= PIECED]
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown by now; the beginning of what may be a secret waits for the next piece."""
        text = self.whole(self._held + piece)
        starts = (secret[:length] for secret in self._secrets for length in range(len(secret) - 1, 0, -1))
        held = max((len(start) for start in starts if text.endswith(start)), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What still waits when nothing more comes."""
        held, self._held = self._held, ""
        return held

    def whole(self, text: str) -> str:
        """The whole text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def unframed(error: E) -> E:
    """The error, and those that led to it, without their frames: a library's local variables hold passwords."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
