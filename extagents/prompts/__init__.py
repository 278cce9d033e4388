"""Prompts: one template per role and language, and the loader that renders them."""

from extagents.prompts.loader import Rendered, language_note, language_of, nonce, render, version
from extagents.prompts.own import NONE, Own, names, own_prompts, shipped
from extagents.prompts.rendering import (
    show_candidates,
    show_facts,
    show_history,
    show_list,
    show_questions,
    show_shard,
)
from extagents.prompts.tables import show_numbered, show_pairs, show_profiles, show_repair, show_schema, show_schemas

__all__ = [
    "NONE",
    "Own",
    "Rendered",
    "language_note",
    "language_of",
    "names",
    "nonce",
    "own_prompts",
    "render",
    "shipped",
    "show_candidates",
    "show_facts",
    "show_history",
    "show_list",
    "show_numbered",
    "show_pairs",
    "show_profiles",
    "show_questions",
    "show_repair",
    "show_schema",
    "show_schemas",
    "show_shard",
    "version",
]
