"""Loads the templates and fills them. Slots are filled in one pass, so that text with braces in it stays as it is."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel

from extagents.prompts.own import NONE, SECTION, SLOT, SYSTEM_OF, Own
from extagents.text import cjk_share

Language = Literal["en", "zh"]
_KANA_OR_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_CHINESE_WORDS = re.compile(r"谁|什么|哪|多少|几|吗|呢|何|怎|为什|是|的|了|在|和|与|有|年|个|由|被")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered prompt: what stands first for every call of the role (`system`), and the call's own part (`user`)."""

    system: str
    user: str


def language_of(question: str) -> Language:
    """The language whose templates are used: Chinese where the question is Chinese, whatever names stand in it; else English.

    Letters of other scripts are names in a Chinese question and words in any other, so Chinese function words decide.
    """
    if _KANA_OR_HANGUL.search(question):
        return "en"
    return "zh" if cjk_share(question) > 0.2 or len(_CHINESE_WORDS.findall(question)) > 1 else "en"


_NOTES: dict[Language, tuple[str, str, str]] = {
    "en": (" (their text is in Chinese)", " (some of their text is in Chinese)", ""),
    "zh": ("", "（部分正文不是中文）", "（正文不是中文）"),
}


def language_note(chinese: float, language: Language) -> str:
    """What to say of the input's language beside its titles, where it is not the prompt's; `chinese` is a share, 0 to 1."""
    return _NOTES[language][0 if chinese > 0.5 else 1 if chinese > 0.05 else 2]


@lru_cache(maxsize=64)
def _template(template: str, language: Language, own: Own = NONE) -> tuple[str, tuple[str, ...]]:
    """The system text, and the user text split at its slots: text, slot, text, slot, …, text."""
    name = f"{template}.{language}.md"
    text = dict(own.texts).get(name) or files("extagents.prompts").joinpath(name).read_text(encoding="utf-8")
    if of := SYSTEM_OF.match(text):  # so that both begin alike, and what a server kept of the one serves the other
        return _template(of[1], language, own)[0], tuple(SLOT.split(text[of.end() :].strip()))
    _, system, user = SECTION.split(text)
    return system.strip(), tuple(SLOT.split(user.strip()))


def render(template: str, language: Language, own: Own = NONE, /, **slots: str) -> Rendered:
    """Fills the template, the user's `own` where there is one. A slot without a value is a KeyError: both must agree."""
    system, parts = _template(template, language, own)
    return Rendered(system=system, user="".join(slots[part] if i % 2 else part for i, part in enumerate(parts)))


@lru_cache(maxsize=256)
def version(template: str, language: Language, output: type[BaseModel], own: Own = NONE) -> str:
    """A hash that changes whenever the template or the schema of the answer does."""
    system, parts = _template(template, language, own)
    schema = json.dumps(output.model_json_schema(), sort_keys=True)
    return hashlib.blake2b("\0".join((system, *parts, schema)).encode(), digest_size=8).hexdigest()


def nonce(secret: bytes, content: str) -> str:
    """The code in a shard's marker lines: fixed for (secret, content), so that prefixes repeat, and not to be guessed."""
    return hmac.new(secret, content.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:12]
