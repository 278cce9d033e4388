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

from extagents.text import cjk_share

Language = Literal["en", "zh"]
_KANA_OR_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_CHINESE_WORDS = re.compile(r"谁|什么|哪|多少|几|吗|呢|何|怎|为什|是|的|了|在|和|与|有|年|个|由|被")
SLOT = re.compile(r"\{\{(\w+)\}\}")
_SYSTEM_OF = re.compile(r"## system of (\w+)\n## user\n")


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


@lru_cache(maxsize=32)
def _template(template: str, language: Language) -> tuple[str, tuple[str, ...]]:
    """The system text, and the user text split at its slots: text, slot, text, slot, …, text."""
    text = files("extagents.prompts").joinpath(f"{template}.{language}.md").read_text(encoding="utf-8")
    if of := _SYSTEM_OF.match(text):  # so that both begin alike, and what a server kept of the one serves the other
        return _template(of[1], language)[0], tuple(SLOT.split(text[of.end() :].strip()))
    _, system, user = re.split(r"^## (?:system|user)\n", text, flags=re.MULTILINE)
    return system.strip(), tuple(SLOT.split(user.strip()))


def render(template: str, language: Language, **slots: str) -> Rendered:
    """Fills the template. A slot without a value is a KeyError: templates and agents must agree."""
    system, parts = _template(template, language)
    return Rendered(system=system, user="".join(slots[part] if i % 2 else part for i, part in enumerate(parts)))


@lru_cache(maxsize=256)
def version(template: str, language: Language, output: type[BaseModel]) -> str:
    """A hash that changes whenever the template or the schema of the answer does."""
    system, parts = _template(template, language)
    schema = json.dumps(output.model_json_schema(), sort_keys=True)
    return hashlib.blake2b("\0".join((system, *parts, schema)).encode(), digest_size=8).hexdigest()


def nonce(secret: bytes, content: str) -> str:
    """The code in a shard's marker lines: fixed for (secret, content), so that prefixes repeat, and not to be guessed."""
    return hmac.new(secret, content.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:12]
