"""Prompts: one template per role and language, and the loader that renders them."""

from extagents.prompts.loader import Rendered, language_note, language_of, nonce, render, version
from extagents.prompts.rendering import (
    show_candidates,
    show_facts,
    show_history,
    show_list,
    show_questions,
    show_shard,
)

__all__ = [
    "Rendered",
    "language_note",
    "language_of",
    "nonce",
    "render",
    "show_candidates",
    "show_facts",
    "show_history",
    "show_list",
    "show_questions",
    "show_shard",
    "version",
]
