"""Whole runs over HTTP against an endpoint that fails on purpose: its answers, and what tells one request from another."""

from __future__ import annotations

import json
import re
from typing import Any

import world

from extagents import Coordinator
from extagents.models.openai_compatible import OpenAICompatible
from extagents.testing import FakeEndpoint

NONCE = re.compile(r"\b[0-9a-f]{8,}\b")


def role_of(body: dict[str, Any]) -> str:
    """Which role asks."""
    return str(body["response_format"]["json_schema"]["name"])


def text_of(body: dict[str, Any]) -> str:
    """All that is asked, without what differs from run to run."""
    return NONCE.sub("", "\n".join(message["content"] for message in body["messages"]))


def answer(body: dict[str, Any]) -> str:
    """What the world's model says, as JSON."""
    return json.dumps(_said(role_of(body), body["messages"][1]["content"]))


def _said(role: str, prompt: str) -> dict[str, Any]:
    if role == "planner":
        return world.plan().model_dump()
    if role == "reader":
        text = re.split(r"=== text \S+ (?:begins|ends) ===", prompt)[1]
        found = [step for step in world.STEPS if step in text and (step == world.STEPS[0] or world.STEPS[0] in prompt)]
        facts = [{"claim": step, "quote": step, "relevance": 0.9} for step in found]
        queries = ["Where was Mirelle Tanager born?"] if found == [world.STEPS[0]] else []
        return {"facts": facts, "queries": queries, "continues": False}
    lines = prompt.splitlines()
    labels = [re.match(r"\[(\d+)\]", line) for step in world.STEPS for line in lines if step in line]
    numbers = list(dict.fromkeys(int(found[1]) for found in labels if found))
    enough = len(numbers) == len(world.STEPS)
    verdict = {"answerable": enough, "answer": world.ANSWER if enough else "", "confidence": 0.9 if enough else 0.0}
    return {**verdict, "facts": numbers if enough else [], "queries": [] if enough else ["birthplace of Mirelle Tanager"]}


def team(endpoint: FakeEndpoint, **options: Any) -> Coordinator:
    """A team on the endpoint that reads every document as a shard of its own, or as a few."""
    return team_of(OpenAICompatible("fake", base_url=endpoint.base_url, api_key="sk-none-of-it"), **options)


def team_of(model: Any, **options: Any) -> Coordinator:
    """The same with a model that is given."""
    told = {"memory": "memory://", "effort": "thorough", "window": 8_000, "shard_tokens": 450, "concurrency": 16, **options}
    return Coordinator(model, **told)
