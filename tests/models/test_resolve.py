"""Model strings, and what is said about those that mean nothing."""

from __future__ import annotations

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

from extagents.errors import SettingsError
from extagents.models.base import Prices
from extagents.models.known import known
from extagents.models.langchain import LangChainModel
from extagents.models.openai_compatible import OpenAICompatible
from extagents.models.resolve import resolve
from extagents.testing import ScriptedModel


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_the_default_needs_nothing() -> None:
    model = resolve("extractive")
    assert (model.name, model.local) == ("extractive", True)


async def test_an_endpoint_of_ones_own_needs_no_key() -> None:
    model = resolve("openai:my/model:v1", base_url="http://localhost:8000/v1", window=9000, prices=Prices(input=1, output=2))
    assert isinstance(model, OpenAICompatible)
    assert model.name == "openai:my/model:v1"


def test_models_and_chat_models_are_taken_as_they_are() -> None:
    scripted = ScriptedModel(lambda _: "x")
    assert resolve(scripted) is scripted
    assert isinstance(resolve(GenericFakeChatModel(messages=iter([]))), LangChainModel)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openai:gpt-4o-mini", "OPENAI_API_KEY"),
        ("opnai:gpt-4o-mini", "Did you mean openai:gpt-4o-mini?"),
        ("gpt-4o-mini", "Did you mean openai:gpt-4o-mini?"),
        ("extractve", "Did you mean extractive?"),
        ("openai", "openai:NAME"),
        ("openai:", "openai:NAME"),
        ("langchain:openai", "langchain:PROVIDER:NAME"),
        ("vllm:Qwen/Qwen3-4B", "--model openai:Qwen/Qwen3-4B --base-url"),
        ("vllm:Qwen/Qwen3-4B", 'pip install "extagents[vllm]"'),
        ("vllm:", "Did you mean vllm:NAME?"),
        ("nonsense:x", "Models are: extractive, openai:NAME, vllm:NAME, langchain:PROVIDER:NAME"),
        ("", "Models are"),
    ],
)
def test_what_cannot_be_used_says_what_can(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(SettingsError, match=r"extagents\[langchain\]"):
        resolve("langchain:anthropic:claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("gpt-4o-mini-2024-07-18", 128_000),
        ("gpt-4.1-mini", 1_047_576),
        ("openai/gpt-4o", 128_000),
        ("Qwen/Qwen2.5-7B-Instruct", 32_768),
        ("gpt-5.9", None),
        ("gpt", None),
        ("unheard-of", None),
    ],
)
def test_known_models_are_found_by_the_longest_name(name: str, window: int | None) -> None:
    assert known(name).window == window
