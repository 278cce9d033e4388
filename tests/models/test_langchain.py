"""Any LangChain chat model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, SecretStr
from sentinels import OTHER_KEY as KEY

from extagents.errors import CallError
from extagents.gate import Account, Gate
from extagents.models.base import Message, Model, Prompt
from extagents.models.langchain import LangChainModel
from extagents.types import PlannerInput, Verdict

VERDICT = Verdict(answerable=True, answer="Guido", confidence=0.9, facts=[1], queries=[])
TEXT = VERDICT.model_dump_json()
COUNTED: Any = {"input_tokens": 90, "output_tokens": 7, "total_tokens": 97, "input_token_details": {"cache_read": 64}}


def prompt() -> Prompt[Verdict]:
    messages = (
        Message("system", "You {answer}."),
        Message("user", "Who?"),
        Message("assistant", "?"),
        Message("user", "Go on."),
    )
    return Prompt("reasoner", PlannerInput(question="Who?"), Verdict, messages, 100, "v1")


class Chat(BaseChatModel):
    """Gives what it was told to, and notes what it was given."""

    provider_api_key: SecretStr = SecretStr(KEY)
    reply: Any
    max_tokens: int = 10
    max_retries: int = 3
    given: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "chat"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        self.given.append((messages, kwargs))
        if isinstance(self.reply, Exception):
            raise self.reply
        return ChatResult(generations=[ChatGeneration(message=self.reply)])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for at in range(0, len(self.reply.content), 4):
            yield ChatGenerationChunk(message=AIMessageChunk(content=self.reply.content[at : at + 4]))


class ChatOpenAI(Chat):
    """Stands in for a class that takes OpenAI's `response_format`."""


async def test_it_is_a_model_and_its_answers_pass_the_gate() -> None:
    chat = GenericFakeChatModel(messages=iter([AIMessage("Here it is: " + TEXT)]))
    model = LangChainModel(chat)
    assert isinstance(model, Model)
    called = await Gate({"default": model}).call(prompt(), Account("run"))
    assert called.output == VERDICT


async def test_messages_limit_and_counts_go_through() -> None:
    chat = Chat(
        reply=AIMessage(TEXT, usage_metadata=COUNTED, response_metadata={"model_name": "m-1", "finish_reason": "length"})
    )
    completion = await LangChainModel(chat).complete(prompt())
    ((messages, arguments),) = chat.given
    assert [message.type for message in messages] == ["system", "human", "ai", "human"]
    assert messages[0].content == "You {answer}."
    assert arguments == {"max_tokens": 100}
    usage = completion.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (90, 7, 64)
    assert (completion.finish, completion.model) == ("length", "m-1")


async def test_thoughts_in_blocks_fields_and_tags_are_kept_apart() -> None:
    blocks = [{"type": "thinking", "thinking": "one"}, {"type": "text", "text": TEXT}]
    for message, thought in (
        (AIMessage(blocks), "one"),  # type: ignore[arg-type]
        (AIMessage(TEXT, additional_kwargs={"reasoning_content": "two"}), "two"),
        (AIMessage(f"<think>three</think>{TEXT}"), "three"),
    ):
        completion = await LangChainModel(Chat(reply=message)).complete(prompt())
        assert (completion.text, completion.reasoning) == (TEXT, thought)


async def test_a_schema_is_bound_only_where_the_class_is_openais() -> None:
    plain, openai = Chat(reply=AIMessage(TEXT)), ChatOpenAI(reply=AIMessage(TEXT))
    await LangChainModel(plain).complete(prompt())
    await LangChainModel(openai).complete(prompt())
    assert "response_format" not in plain.given[0][1]
    assert openai.given[0][1]["response_format"]["json_schema"]["name"] == "reasoner"


async def test_its_own_retries_are_off_and_the_users_object_is_left_alone() -> None:
    chat = Chat(reply=AIMessage(TEXT))
    model = LangChainModel(chat)
    assert model._chat.max_retries == 0
    assert chat.max_retries == 3


async def test_it_streams() -> None:
    pieces: list[str] = []
    completion = await LangChainModel(Chat(reply=AIMessage(f"<think>x</think>{TEXT}"))).complete(
        prompt(), on_delta=pieces.append
    )
    assert "".join(pieces) == TEXT == completion.text
    assert len(pieces) > 3


class Refused(Exception):
    """As client libraries raise it: with a status and the reply's body."""

    status_code = 401
    body = {"error": {"message": f"bad key {KEY}"}}  # noqa: RUF012


async def test_errors_of_any_library_become_ours_without_the_key() -> None:
    with pytest.raises(CallError) as caught:
        await LangChainModel(Chat(reply=Refused())).complete(prompt())
    assert caught.value.kind == "auth"
    assert KEY not in str(caught.value)
    with pytest.raises(CallError) as other:
        await LangChainModel(Chat(reply=ConnectionRefusedError(111, "Connection refused"))).complete(prompt())
    assert other.value.kind == "connection"
