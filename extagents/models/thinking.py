"""Keeps what a reasoning model thinks apart from what it answers."""

from __future__ import annotations

import json
import re

_OPEN, _CLOSE = "<think>", "</think>"
_BLOCK = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.DOTALL)


def split_thinking(text: str) -> tuple[str, str]:
    """The answer's text without `<think>` blocks, and what stood in them; a block that never ends is all thought.

    A tag inside a JSON string is text of a document, not a thought. A closing tag alone ends a block that the model's
    template had opened.
    """
    if _OPEN not in text and _CLOSE not in text:
        return text, ""
    body = text.lstrip()
    if body.startswith(("{", "[")):
        try:
            _, end = json.JSONDecoder(strict=False).raw_decode(body)
        except ValueError:
            pass  # not JSON after all: its tags are tags
        else:
            rest, thought = split_thinking(body[end:])
            return body[:end] + rest, thought
    thoughts: list[str] = []
    first_open, first_close = body.find(_OPEN), body.find(_CLOSE)
    if first_close != -1 and (first_open == -1 or first_close < first_open):
        thoughts.append(body[:first_close])
        body = body[first_close + len(_CLOSE) :]
    start = body.lstrip()
    if start.startswith(_OPEN):
        found = _BLOCK.match(start)
        if found is not None:
            thoughts.append(found.group(1))
            rest, more = split_thinking(start[found.end() :])
            return rest.lstrip(), _join([*thoughts, more])
    thoughts += _BLOCK.findall(body)
    return _BLOCK.sub("", body).strip(), _join(thoughts)


def _join(thoughts: list[str]) -> str:
    return "\n".join(thought.strip() for thought in thoughts if thought.strip())


class ThinkingFilter:
    """The same for text that arrives in pieces: `feed` gives what may be shown so far."""

    def __init__(self) -> None:
        self._buffer = ""
        self._thinking = False
        self._json = False
        self._begun = False

    def feed(self, piece: str) -> str:
        """The part of the text up to here that is certain to be answer and was not given yet."""
        if self._json:
            return piece
        self._buffer += piece
        shown: list[str] = []
        while True:
            if not self._thinking and not self._begun and self._buffer.lstrip().startswith("{"):
                # From here on a tag would stand inside a JSON string: the document's text.
                self._json = True
                text, self._buffer = self._buffer.lstrip(), ""
                return text
            tag = _CLOSE if self._thinking else _OPEN
            at = self._buffer.find(tag)
            if at == -1:
                keep = _tail(self._buffer, tag)
                if not self._thinking:
                    shown.append(self._buffer[: len(self._buffer) - keep])
                self._buffer = self._buffer[len(self._buffer) - keep :] if keep else ""
                break
            if not self._thinking:
                shown.append(self._buffer[:at])
            self._buffer = self._buffer[at + len(tag) :]
            self._thinking = not self._thinking
        text = "".join(shown)
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        return text


def _tail(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the start of `tag`."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)
