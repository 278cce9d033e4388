"""Where the errors of client libraries become ours: one place for every backend."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from extagents.errors import CallError, CallErrorKind
from extagents.redaction import scrub
from extagents.types import Usage

_LONGEST_MESSAGE = 300
_LONGEST_READ = 4_000  # of what a server says: a page of HTML is not looked through
_CONTEXT = re.compile(
    r"context.?length|context.?window|maximum context|max_model_len|maximum.{0,20}(?:input|prompt).{0,20}(?:length|tokens)"
    r"|(?:prompt|input|request).{0,30}too (?:long|large)|too many (?:input )?tokens|reduce the length"
    r"|exceeds?.{0,40}(?:context|token limit|maximum.{0,20}tokens)",
    re.IGNORECASE | re.DOTALL,
)
_FILTER = re.compile(r"content.?filter|content.?management|content.?policy|responsible ?ai|safety", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient.?quota|billing|credit balance", re.IGNORECASE)
_BROKE = re.compile(r"server disconnected|closing transport|connection lost|reset by peer|broken pipe", re.IGNORECASE)
_REFUSED = re.compile(
    r"connect call failed|connection refused|cannot connect|name or service not known|name resolution|nodename"
    r"|no route|unreachable|connecterror|connecttimeout|getaddrinfo|all connection attempts failed|ssl",
    re.IGNORECASE,
)


def call_error(error: BaseException, *, secrets: Sequence[str] = (), where: str = "the model") -> CallError:
    """What happened to one call, from any client library's exception. The secrets are cut out of the message.

    A connection that was never made costs one call and no tokens; of one that broke later nobody knows the cost.
    """
    status = status_of(error)
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    if status is None:
        chain = _chain(error)
        broke = f"The connection to {where} broke: {clean(_root(error), secrets)}"
        if _BROKE.search(chain):
            return CallError("connection", broke)
        if _REFUSED.search(chain):
            message = f"No connection to {where}: {clean(_root(error), secrets)}"
            return CallError("connection", message, usage=Usage(calls=1))
        if "Timeout" in names:
            return CallError("timeout", "The model did not answer in time.")
        if isinstance(error, OSError) or re.search(r"Connection|Protocol|Payload|ClientError|NetworkError|ReadError", names):
            return CallError("connection", broke)
        return CallError("bad_request", clean(f"{type(error).__name__}: {error}", secrets))
    message = clean(message_of(error), secrets)
    code = _field(error, "code")
    kind = _kind(status, code, message)
    waits = kind in ("rate_limit", "server")
    return CallError(kind, f"{message} (HTTP {status})", status=status, retry_after=_retry_after(error) if waits else None)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception carries, whatever library it is from."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "http_status", "status", "code"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and 100 <= value < 600:
                return value
    return None


def message_of(error: BaseException) -> str:
    """The server's own words, without the wrapping that the client library put around them."""
    told = _field(error, "message")
    body = getattr(error, "body", None)
    if not told and isinstance(body, str) and not body.lstrip().startswith("<"):
        told = body.strip()
    return told or str(getattr(error, "message", None) or error) or type(error).__name__


def _kind(status: int, code: str, message: str) -> CallErrorKind:
    if status in (401, 403):
        return "content_filter" if _FILTER.search(code) else "auth"
    if status == 404 or code == "model_not_found":
        return "not_found"
    if status == 402 or (status == 429 and (_QUOTA.search(code) or (code == "" and "insufficient_quota" in message))):
        return "auth"  # nothing will pass until somebody pays: no use in waiting
    if status == 408:
        return "timeout"
    if status in (400, 413, 422) or code == "context_length_exceeded":
        if code == "context_length_exceeded" or _CONTEXT.search(message):
            return "context_length"
        return "content_filter" if _FILTER.search(code) or "content_filter" in message else "bad_request"
    if status in (429, 502, 503, 529):  # 502: a proxy whose server is down or starts again
        return "rate_limit"
    if status >= 500 or status in (409, 425):
        return "server"
    return "bad_request"


def _field(error: BaseException, name: str) -> str:
    """A field of the error object in the reply's body: OpenAI's shape, bare or under `error`."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping):
            value = inner.get(name)
            return str(value) if value is not None else ""
        if isinstance(inner, str) and name == "message":
            return inner
        if name == "message" and body.get("detail"):
            return str(body["detail"])
    return ""


def _retry_after(error: BaseException) -> float | None:
    """Seconds until the server wants to be asked again."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        if (value := headers.get("retry-after")) is None:
            return None
        if re.fullmatch(r"\s*[\d.]+\s*", value):
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError):
        return None  # a header that says nothing readable says nothing


def _links(error: BaseException) -> list[BaseException]:
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def _chain(error: BaseException) -> str:
    return " | ".join(f"{type(link).__name__}: {link}" for link in _links(error))


def _root(error: BaseException) -> str:
    """The innermost reason: libraries wrap it in words like "Connection error."."""
    told = [str(link) for link in _links(error) if str(link)]
    return told[-1] if told else type(error).__name__


def clean(message: str, secrets: Sequence[str]) -> str:
    """One line, not too long, without secrets."""
    line = " ".join(scrub(message[:_LONGEST_READ], *secrets).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
