"""Any OpenAI-compatible endpoint, over real HTTP on loopback."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from sentinels import API_KEY

from extagents.errors import CallError, SettingsError
from extagents.gate import Account, CallFailed, Gate
from extagents.limiter import Limiter
from extagents.models.base import Completion, Message, Model, Prices, Prompt
from extagents.models.openai_compatible import OpenAICompatible
from extagents.testing import FakeEndpoint
from extagents.testing.endpoint import Fault, refusal, reply
from extagents.types import PlannerInput, Reading, Verdict

VERDICT = Verdict(answerable=True, answer="Guido", confidence=0.9, facts=[1], queries=[])
TEXT = VERDICT.model_dump_json()
KEY = API_KEY


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def prompt(output: Any = Verdict, *, role: Any = "reasoner", room: int = 100) -> Prompt[Any]:
    messages = (Message("system", "You answer."), Message("user", "Who?"))
    return Prompt(role, PlannerInput(question="Who?"), output, messages, room, "v1")


async def ask(script: Callable[[dict[str, Any]], Any], **settings: Any) -> tuple[Completion[Any], FakeEndpoint]:
    async with FakeEndpoint(script) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url, **settings)
        try:
            return await model.complete(prompt(), timeout=5), endpoint
        finally:
            await model.aclose()


async def failure(script: Callable[[dict[str, Any]], Any], **settings: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        await ask(script, **settings)
    return caught.value


# ------------------------------------------------------------------ request and reply


async def test_it_is_a_model() -> None:
    assert isinstance(OpenAICompatible("m", base_url="http://127.0.0.1:1/v1"), Model)


async def test_the_schema_is_strict_and_named_after_the_role() -> None:
    completion, endpoint = await ask(lambda _: TEXT)
    (body,) = endpoint.requests
    form = body["response_format"]["json_schema"]
    assert (form["name"], form["strict"]) == ("reasoner", True)
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["required"] == list(Verdict.model_fields)
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.0, 0, 100)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (completion.text, completion.finish, completion.model) == (TEXT, "stop", "fake")


async def test_usage_is_the_servers_with_cached_tokens() -> None:
    completion, _ = await ask(lambda _: reply(TEXT, prompt_tokens=900, completion_tokens=40, cached_tokens=640))
    usage = completion.usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (1, 900, 40, 640)


@pytest.mark.parametrize(
    ("content", "field", "thought"),
    [
        (f"<think>Guido? Yes.</think>\n{TEXT}", "", "Guido? Yes."),
        (f"Guido? Yes.</think>{TEXT}", "", "Guido? Yes."),
        (TEXT, "Guido? Yes.", "Guido? Yes."),
        (f"<think>b</think>{TEXT}", "a", "a\nb"),
    ],
)
async def test_thoughts_are_kept_apart(content: str, field: str, thought: str) -> None:
    completion, _ = await ask(lambda _: reply(content, reasoning_content=field or None))
    assert (completion.text, completion.reasoning) == (TEXT, thought)


async def test_a_thought_that_never_ends_is_no_answer() -> None:
    completion, _ = await ask(lambda _: reply("<think>Let me see, {", finish="length"))
    assert (completion.text, completion.reasoning, completion.finish) == ("", "Let me see, {", "length")


async def test_an_answer_streams_without_its_thoughts() -> None:
    pieces: list[str] = []
    async with FakeEndpoint(lambda _: reply(f"<think>hm</think>{TEXT}", cached_tokens=50), piece=3) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        completion = await model.complete(prompt(), on_delta=pieces.append)
        await model.aclose()
    assert "".join(pieces) == TEXT == completion.text
    assert len(pieces) > 5
    assert (completion.reasoning, completion.usage.cached_tokens) == ("hm", 50)


async def test_text_that_no_encoding_can_carry_is_sent_all_the_same() -> None:
    broken = Prompt("reasoner", PlannerInput(question="?"), Verdict, (Message("user", "中 \ud800 x"),), 100, "v1")
    async with FakeEndpoint(lambda _: TEXT) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        await Gate({"default": model}).call(broken, Account("run"))
        await model.aclose()
    assert endpoint.requests[0]["messages"][0]["content"] == "中 ? x"


async def test_a_key_and_a_url_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeEndpoint(lambda _: TEXT) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        model = OpenAICompatible("fake")
        await model.complete(prompt())
        await model.aclose()
    assert endpoint.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_openai_itself_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        OpenAICompatible("gpt-4o-mini")


def test_a_base_url_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="localhost:8000"):
        OpenAICompatible("m", base_url="localhost:8000/v1")


# ------------------------------------------------------------------ what an endpoint refuses


async def test_a_refused_response_format_is_remembered() -> None:
    def script(body: dict[str, Any]) -> Any:
        form = body.get("response_format", {}).get("type")
        return refusal(400, f"response_format of type {form} is not supported") if form else f"Well: {TEXT}"

    async with FakeEndpoint(script) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        await model.complete(prompt())
        await model.complete(prompt())
        await model.aclose()
    forms = [body.get("response_format", {}).get("type") for body in endpoint.requests]
    assert forms == ["json_schema", "json_object", None, None]
    last = endpoint.requests[-1]["messages"][-1]["content"]
    assert last.startswith("Who?")  # what was cached stays the prefix
    assert '"answerable"' in last


async def test_a_reasoning_models_refusals_are_remembered() -> None:
    def script(body: dict[str, Any]) -> Any:
        if "max_tokens" in body:
            message = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            )
            return refusal(400, message, param="max_tokens")
        if "temperature" in body:
            return refusal(400, "Unsupported value: 'temperature' does not support 0.0 with this model.", param="temperature")
        return refusal(400, "Unknown parameter: 'seed'.", param="seed") if "seed" in body else TEXT

    async with FakeEndpoint(script) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        await model.complete(prompt())
        await model.complete(prompt())
        await model.aclose()
    assert len(endpoint.requests) == 5
    assert endpoint.requests[-1]["max_completion_tokens"] == 100
    assert not {"max_tokens", "temperature", "seed"} & set(endpoint.requests[-1])


async def test_an_endpoint_that_refuses_everything_is_asked_a_few_times_only() -> None:
    async with FakeEndpoint(
        lambda _: refusal(400, "max_tokens max_completion_tokens not supported seed temperature response_format")
    ) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        with pytest.raises(CallError) as caught:
            await model.complete(prompt())
        await model.aclose()
    assert caught.value.kind == "bad_request"
    assert len(endpoint.requests) <= 7


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refusal(401, "Incorrect API key provided"), "auth"),
        (refusal(403, "Not allowed"), "auth"),
        (refusal(404, "The model does not exist", code="model_not_found"), "not_found"),
        (refusal(429, "You exceeded your current quota", code="insufficient_quota"), "auth"),
        (refusal(429, "Rate limit reached"), "rate_limit"),
        (Fault(503, "overloaded"), "rate_limit"),
        (Fault(500, "<html>oops</html>"), "server"),
        (refusal(400, "too long", code="context_length_exceeded"), "context_length"),
        (refusal(400, "This model's maximum context length is 8192 tokens. However, you requested 9000"), "context_length"),
        (refusal(400, "The prompt is too long: 9000"), "context_length"),
        (refusal(400, "messages: field required"), "bad_request"),
        (refusal(400, "flagged", code="content_filter"), "content_filter"),
        (Fault(reset=True), "connection"),
        (Fault(cut=30), "connection"),
        (b'{"choices": [', "malformed"),
        ({"choices": []}, "malformed"),
        (b"[]", "malformed"),
        (reply(None, refusal="I cannot help with that."), "content_filter"),
        (reply("", finish="content_filter"), "content_filter"),
    ],
)
async def test_every_failure_has_its_kind_and_is_tried_once(fault: Any, kind: str) -> None:
    async with FakeEndpoint(lambda _: fault) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        with pytest.raises(CallError) as caught:
            await model.complete(prompt(), timeout=5)
        await model.aclose()
    assert caught.value.kind == kind
    assert len(endpoint.requests) == 1  # the SDK's own retries are off


async def test_a_connection_that_broke_later_may_have_cost_something() -> None:
    error = await failure(lambda _: Fault(reset=True))
    assert error.usage is None
    assert "broke" in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry_after": "7"}, 7.0), ({"retry_after_ms": "250", "retry_after": "7"}, 0.25), ({}, None)]
)
async def test_the_servers_wish_when_to_come_back_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert (await failure(lambda _: refusal(429, "slow", **headers))).retry_after == seconds


async def test_a_server_that_hangs_times_out() -> None:
    async with FakeEndpoint(lambda _: Fault(hang=True)) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        with pytest.raises(CallError) as caught:
            await model.complete(prompt(), timeout=0.05)
        await model.aclose()
    assert caught.value.kind == "timeout"


async def test_an_unreachable_endpoint_costs_no_tokens_and_says_where() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        model = OpenAICompatible("fake", base_url=url)
        with pytest.raises(CallError) as caught:
            await model.complete(prompt())
        await model.aclose()
    assert caught.value.kind == "connection"
    assert url in caught.value.message
    assert caught.value.usage.input_tokens == 0  # type: ignore[attr-defined]


async def test_a_wrong_key_ends_in_one_line_that_says_what_to_do() -> None:
    async with FakeEndpoint(lambda _: refusal(401, f"Incorrect API key provided: {KEY}.")) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url, api_key=KEY)
        with pytest.raises(CallFailed) as caught:
            await Gate({"default": model}).call(prompt(), Account("run"))
        await model.aclose()
    error = caught.value.as_error(run_id="run")
    assert caught.value.fatal
    assert not error.retryable
    assert "Incorrect API key" in str(error)
    assert "OPENAI_API_KEY" in error.hint
    assert "\n" not in str(error)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("key", [KEY, "sentinel0123456789abcdef"])
async def test_the_key_is_nowhere_to_be_read(key: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    for fault in (
        refusal(400, f"bad {key}"),
        refusal(401, f"key {key[:7]}****{key[-4:]} is wrong"),
        Fault(500, key),
        Fault(reset=True),
    ):
        async with FakeEndpoint(lambda _, fault=fault: fault) as endpoint:  # type: ignore[misc]
            model = OpenAICompatible("fake", base_url=endpoint.base_url, api_key=SecretStr(key))
            with pytest.raises(CallError) as caught:
                await model.complete(prompt())
            await model.aclose()
        seen += [repr(model), str(vars(model)), str(caught.value), repr(caught.value), str(caught.value.__cause__)]
    assert key not in "".join(seen) + caplog.text
    assert key[-4:] not in "".join(seen)


# ------------------------------------------------------------------ through the gate


async def test_faults_of_every_sort_are_got_over() -> None:
    faults: list[Any] = [
        refusal(429, "slow", retry_after_ms="1"),
        Fault(500),
        Fault(reset=True),
        Fault(cut=20),
        {"choices": []},
    ]
    faults += ["That would be Guido.", TEXT]

    async def at_once(_: float) -> None: ...

    async with FakeEndpoint(lambda _: faults[min(len(endpoint.requests), len(faults)) - 1]) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url, prices=Prices(input=1, output=1))
        gate = Gate({"default": model}, limiter=Limiter(4), sleep=at_once)
        called = await gate.call(prompt(), Account("run"))
        await model.aclose()
    assert called.output == VERDICT
    assert called.usage.calls == len(endpoint.requests) == 7
    assert called.usage.retries == 6


async def test_a_hundred_calls_share_connections() -> None:
    import asyncio

    async with FakeEndpoint(lambda _: TEXT) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        gate, account = Gate({"default": model}), Account("run")
        await asyncio.gather(*(gate.call(prompt(), account) for _ in range(100)))
        await model.aclose()
    assert account.usage.calls == len(endpoint.requests) == 100


async def test_nothing_blocks_the_loop() -> None:
    from blockbuster import blockbuster_ctx

    async with FakeEndpoint(lambda _: f"Here you are: {TEXT}") as endpoint:
        model = OpenAICompatible("gpt-4o-mini", base_url=endpoint.base_url)
        with blockbuster_ctx():
            called = await Gate({"default": model}).call(prompt(), Account("run"))
            await model.aclose()
    assert called.output == VERDICT


# ------------------------------------------------------------------ what is known of a model


async def test_the_window_is_the_given_one_else_the_servers_else_the_known_one() -> None:
    models: list[dict[str, Any]] = [
        {"id": "served", "max_model_len": 16384},
        {"id": "gpt-4o-mini-2024-07-18"},
        {"id": "who-knows"},
    ]
    async with FakeEndpoint(lambda _: TEXT, models=models) as endpoint:

        async def window(name: str, given: int | None = None) -> int | None:
            model = OpenAICompatible(name, base_url=endpoint.base_url, window=given)
            first = await model.describe()
            assert await model.describe() is first
            await model.aclose()
            return first.window

        assert await window("served", 4096) == 4096
        assert endpoint.listed == 0
        assert await window("served") == 16384
        assert endpoint.listed == 1
        assert await window("gpt-4o-mini-2024-07-18") == 128_000
        assert await window("who-knows") is None


async def test_prices_and_encoding_of_known_models_come_from_data() -> None:
    info = await OpenAICompatible("gpt-4o-mini", api_key=KEY).describe()
    assert info.prices == Prices(input=0.15, output=0.6, cached=0.075)
    assert info.encoding == "o200k_base"


async def test_an_answer_with_free_keys_is_asked_for_without_strictness() -> None:
    from pydantic import BaseModel

    class Free(BaseModel):
        values: dict[str, int]

    async with FakeEndpoint(lambda _: json.dumps({"values": {"a": 1}})) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url)
        called = await Gate({"default": model}).call(prompt(Free), Account("run"))
        await model.aclose()
    assert endpoint.requests[0]["response_format"]["json_schema"]["strict"] is False
    assert called.output.values == {"a": 1}


async def test_a_readings_nested_schema_is_strict_all_the_way_down() -> None:
    from extagents.models.schema import strict_schema

    schema, strict = strict_schema(Reading)
    fact = schema["$defs"]["ReportedFact"]
    assert strict
    assert fact["additionalProperties"] is False
    assert fact["required"] == ["claim", "quote", "relevance"]
    assert "title" not in fact
    assert schema["required"] == ["facts", "queries", "continues"]
    assert "default" not in schema["properties"]["continues"]
