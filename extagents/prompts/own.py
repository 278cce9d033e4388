"""Prompts of a user's own: a folder of templates that stand in for the package's, role by role and language by language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from extagents.errors import SettingsError

SLOT = re.compile(r"\{\{(\w+)\}\}")
SECTION = re.compile(r"^## (?:system|user)\n", re.MULTILINE)
SYSTEM_OF = re.compile(r"## system of (\w+)\n## user\n")
LARGEST = 100_000  # bytes of a template
_HINT = "See docs/prompts.md: a template of your own has the slots of the one it stands in for."


@dataclass(frozen=True, slots=True)
class Own:
    """Templates of a user's own, as (file name, text); what is not among them is the package's. A value: it can be a key."""

    texts: tuple[tuple[str, str], ...] = ()


NONE = Own()


def names() -> list[str]:
    """The templates that there are, as file names: `reader.en.md`, `reader.zh.md` …"""
    return sorted(entry.name for entry in files("extagents.prompts").iterdir() if entry.name.endswith(".md"))


def shipped(name: str) -> str:
    """The package's own template of that file name, to begin with."""
    return files("extagents.prompts").joinpath(name).read_text(encoding="utf-8")


def own_prompts(folder: Path | None) -> Own:
    """The templates of a folder; a README.md and what does not end in `.md` are left alone.

    Raises `SettingsError` for a folder that is not there, a file that is named after no template, and a template that could not
    be filled: its two sections, and in the second one the slots of the package's template, no other.
    """
    if folder is None:
        return NONE
    folder = folder.expanduser()
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md" and path.stem.casefold() != "readme")
        texts = tuple((path.name, _read(path)) for path in paths)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"The folder of prompts {str(folder)!r} cannot be read: {reason}.", hint="Check prompts=."
        ) from None
    for name, text in texts:
        for fault in _faults(name, text):
            raise SettingsError(f"The prompt {name} {fault}.", hint=_HINT)
    return Own(texts)


def _read(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise SettingsError(f"The prompt {path.name} is longer than {LARGEST:,} bytes.", hint=_HINT)
    try:
        return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise SettingsError(f"The prompt {path.name} is not UTF-8.", hint=_HINT) from None


def _faults(name: str, text: str) -> Iterator[str]:
    """What keeps a template from standing in for the package's, one thing at a time."""
    if name not in names():
        close = get_close_matches(name, names(), n=1)
        yield "is named after no template" + (
            f"; is it meant to be {close[0]}?" if close else "; there are " + ", ".join(names())
        )
        return
    like = shipped(name)
    if (of := SYSTEM_OF.match(like)) is not None and text.startswith(of[0]):
        system, user = "", text[of.end() :]
    elif [mark.strip() for mark in SECTION.findall(text)] == ["## system", "## user"]:
        _, system, user = SECTION.split(text)
    else:
        yield 'must have a line "## system", what stands first for every call, then a line "## user", and the rest'
        return
    if found := SLOT.search(system):
        yield f"has the slot {found[0]} in its system part, which is the same for every call; slots belong in the user part"
    wanted, given = SLOT.findall(like), SLOT.findall(user)
    if missing := sorted(set(wanted) - set(given)):
        yield "lacks " + ", ".join(f"{{{{{slot}}}}}" for slot in missing)
    if unknown := sorted(set(given) - set(wanted)):
        yield "has a slot that nothing fills: " + ", ".join(f"{{{{{slot}}}}}" for slot in unknown)
    if "shard" in wanted and (given.index("nonce") > given.index("shard") or "nonce" not in given[given.index("shard") :]):
        yield "must have {{nonce}} before and after {{shard}}: it is what keeps a document from passing for instructions"
