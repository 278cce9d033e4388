"""vLLM in process, with an engine of paper: who shares it, when it starts and ends, and what its failures become.

The real engine is run by `make test-vllm`.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from extagents import Coordinator
from extagents.errors import CallError, ModelError, SettingsError
from extagents.models import vllm_engine, vllm_shared
from extagents.models.base import Completion, Load, Message, Model, Prompt
from extagents.models.resolve import resolve
from extagents.models.vllm_engine import VllmEngine
from extagents.models.vllm_shared import SharedEngine, engine_arguments
from extagents.types import PlannerInput, Prices, Verdict

TEXT = Verdict(answerable=True, answer="Guido", confidence=0.9, facts=[1], queries=[]).model_dump_json()


class EngineDeadError(Exception):
    """Named as vLLM names it."""


class EngineGenerateError(Exception):
    """Named as vLLM names it."""


class QueueOverflowError(Exception):
    """Named as vLLM names it."""

    status_code = 503


class PaperEngine:
    """Answers `TEXT` in pieces, or does what it is told to; a word is a token."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.errored = False
        self.model_config = SimpleNamespace(max_model_len=1_000)
        self.vllm_config = SimpleNamespace(scheduler_config=SimpleNamespace(policy=world.policy))

    def get_tokenizer(self) -> Any:
        def apply_chat_template(messages: list[dict[str, str]], **options: Any) -> list[int]:
            self.world.templates.append(options)
            return list(range(sum(len(message["content"].split()) for message in messages)))

        return SimpleNamespace(apply_chat_template=apply_chat_template)

    async def generate(self, prompt: Any, sampling: dict[str, Any], request: str, *, priority: int) -> AsyncIterator[Any]:
        self.world.requests.append({"prompt": prompt, "priority": priority, "sampling": sampling, "id": request})
        finished = False
        try:
            if self.world.fails:
                error = self.world.fails.pop(0)
                self.errored = isinstance(error, EngineDeadError)
                raise error
            if self.world.hangs:
                self.world.hanging.set()
                await asyncio.get_running_loop().create_future()
            pieces = [TEXT[at : at + 7] for at in range(0, len(TEXT), 7)] if sampling["stream"] else [TEXT]
            for number, piece in enumerate(pieces):
                last = number == len(pieces) - 1
                part = SimpleNamespace(text=piece, token_ids=[1, 2], finish_reason="stop" if last else None)
                yield SimpleNamespace(outputs=[part], num_cached_tokens=3)
            finished = True
        finally:
            if not finished:
                self.world.aborted.append(request)

    def shutdown(self) -> None:
        self.world.ended += 1


@dataclass
class World:
    """What happened to the engines."""

    policy: str = "priority"
    started: int = 0
    ended: int = 0
    failing: Exception | None = None
    fails: list[Exception] = field(default_factory=list)
    hangs: bool = False
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[dict[str, Any]] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()

    def start(self: SharedEngine) -> PaperEngine:
        made.started += 1
        if made.failing is not None:
            raise made.failing
        return PaperEngine(made)

    def sampling(self: VllmEngine, prompt: Prompt[Any], *, stream: bool) -> dict[str, Any]:
        return {"stream": stream}

    monkeypatch.setattr(SharedEngine, "_made", start)
    monkeypatch.setattr(VllmEngine, "_sampling", sampling)
    monkeypatch.setattr(vllm_engine, "_input", list)
    monkeypatch.setattr(vllm_engine, "find_spec", lambda _: SimpleNamespace(origin="vllm"))
    return made


def prompt(role: Any = "reasoner", words: int = 5, room: int = 100) -> Prompt[Any]:
    return Prompt(role, PlannerInput(question="Who?"), Verdict, (Message("user", "who " * words),), room, "v1")


async def failure(model: VllmEngine, asked: Prompt[Any] | None = None) -> CallError:
    with pytest.raises(CallError) as caught:
        await model.complete(asked or prompt())
    return caught.value


# ------------------------------------------------------------------ a model like others


async def test_it_is_a_model_that_is_limited_and_timed_and_costs_nothing(world: World) -> None:
    model = resolve("vllm:some/model")
    assert isinstance(model, Model)
    assert (model.name, model.local) == ("vllm:some/model", False)
    info = await model.describe()
    assert (info.window, info.prices) == (1_000, Prices(input=0, output=0))
    await model.aclose()


async def test_usage_is_the_engines(world: World) -> None:
    model = VllmEngine("m")
    completion: Completion[Any] = await model.complete(prompt())
    await model.aclose()
    usage = completion.usage
    assert (completion.text, completion.finish) == (TEXT, "stop")
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (1, 5, 2, 3)


async def test_an_answer_streams(world: World) -> None:
    pieces: list[str] = []
    model = VllmEngine("m")
    completion: Completion[Any] = await model.complete(prompt(), on_delta=pieces.append)
    await model.aclose()
    assert "".join(pieces) == TEXT == completion.text
    assert len(pieces) > 5


@pytest.mark.parametrize(("policy", "sent"), [("priority", [0, 1, 0]), ("fcfs", [0, 0, 0])])
async def test_others_go_before_readers(world: World, policy: str, sent: list[int]) -> None:
    world.policy = policy
    model = VllmEngine("m")
    for role in ("reasoner", "reader", "fusion"):
        await model.complete(prompt(role))
    await model.aclose()
    assert [request["priority"] for request in world.requests] == sent


async def test_a_chat_template_and_what_it_takes_are_handed_on(world: World) -> None:
    model = VllmEngine("m", arguments={"chat_template": "{{ 1 }}", "chat_template_kwargs": {"enable_thinking": False}})
    await model.complete(prompt())
    await model.aclose()
    assert world.templates[0]["chat_template"] == "{{ 1 }}"
    assert world.templates[0]["enable_thinking"] is False


async def test_a_prompt_without_room_for_its_answer_is_too_long(world: World) -> None:
    model = VllmEngine("m")
    error = await failure(model, prompt(words=950))
    await model.aclose()
    assert error.kind == "context_length"
    assert error.usage.input_tokens == 0  # type: ignore[attr-defined]
    assert not world.requests


# ------------------------------------------------------------------ one engine for all


async def test_all_roles_and_coordinators_share_one_engine_that_ends_with_the_last(world: World) -> None:
    models = [VllmEngine("m") for _ in range(4)]
    await asyncio.gather(*(model.complete(prompt()) for model in models))
    assert world.started == 1
    for model in models[:-1]:
        await model.aclose()
        await model.aclose()
    assert world.ended == 0
    await models[-1].complete(prompt())
    await models[-1].aclose()
    assert (world.started, world.ended) == (1, 1)
    await models[0].complete(prompt())  # and it can begin again
    await models[0].aclose()
    assert (world.started, world.ended) == (2, 2)


async def test_models_of_other_names_have_engines_of_their_own(world: World) -> None:
    one, other = VllmEngine("one"), VllmEngine("other")
    await one.complete(prompt())
    await other.complete(prompt())
    assert world.started == 2
    await one.aclose()
    await other.aclose()
    assert world.ended == 2


async def test_one_that_never_called_ends_nothing(world: World) -> None:
    one, other = VllmEngine("m"), VllmEngine("m")
    await one.complete(prompt())
    await other.aclose()
    assert world.ended == 0
    await one.aclose()


async def test_other_arguments_for_the_same_model_are_refused(world: World) -> None:
    one, other = VllmEngine("m", window=4096), VllmEngine("m", window=8192)
    await one.describe()
    with pytest.raises(SettingsError, match="other arguments"):
        await other.describe()
    await one.aclose()
    await other.describe()
    await other.aclose()


def test_it_works_from_any_thread_and_loop(world: World) -> None:
    model = VllmEngine("m")
    for _ in range(2):
        assert asyncio.run(model.complete(prompt())).text == TEXT
    asyncio.run(model.aclose())
    assert (world.started, world.ended) == (1, 1)


def test_it_is_not_pickled(world: World) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(VllmEngine("m"))


# ------------------------------------------------------------------ cancelling and failing


async def test_cancelling_a_call_ends_its_request_in_the_engine(world: World) -> None:
    world.hangs = True
    model = VllmEngine("m")
    call = asyncio.create_task(model.complete(prompt()))
    deadline = time.monotonic() + 20
    while not world.requests:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert world.aborted == [world.requests[0]["id"]]
    await model.aclose()


async def test_a_call_that_takes_too_long_ends_there_too(world: World) -> None:
    world.hangs = True
    model = VllmEngine("m")
    with pytest.raises(CallError) as caught:
        await model.complete(prompt(), timeout=0.05)
    await model.aclose()
    assert caught.value.kind == "timeout"
    assert len(world.aborted) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (QueueOverflowError("the queue is full"), "rate_limit"),
        (EngineGenerateError(), "server"),
        (ValueError("The prompt is longer than the maximum model length"), "bad_request"),
    ],
)
async def test_failures_have_their_kinds(world: World, error: Exception, kind: str) -> None:
    world.fails = [error]
    model = VllmEngine("m")
    assert (await failure(model)).kind == kind
    assert (await model.complete(prompt())).text == TEXT
    await model.aclose()
    assert world.started == 1


async def test_an_engine_that_died_is_started_again_twice(world: World) -> None:
    world.fails = [EngineDeadError() for _ in range(3)]
    model = VllmEngine("m")
    assert [(await failure(model)).kind for _ in range(3)] == ["connection", "connection", "bad_request"]
    assert (world.started, world.ended) == (3, 2)  # a dead one is put away before the next begins
    await model.aclose()


async def test_an_engine_that_cannot_start_says_so_and_is_tried_anew_when_asked_again(world: World) -> None:
    world.failing = ModelError("vLLM could not start m: no memory", hint="Take less.")
    model = VllmEngine("m")
    with pytest.raises(ModelError, match="no memory"):
        await model.describe()
    world.failing = None
    assert (await model.describe()).window == 1_000
    await model.aclose()
    assert (world.started, world.ended) == (2, 1)


async def test_whoever_is_cancelled_while_it_starts_leaves_it_to_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    start = SharedEngine._made

    def slow(self: SharedEngine) -> Any:
        begun.set()
        assert go.wait(20)
        return start(self)

    monkeypatch.setattr(SharedEngine, "_made", slow)
    one, other = VllmEngine("m"), VllmEngine("m")
    first = asyncio.create_task(one.describe())
    second = asyncio.create_task(other.describe())
    await asyncio.to_thread(begun.wait, 20)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert (await second).window == 1_000
    assert world.started == 1
    await one.aclose()
    await other.aclose()
    assert world.ended == 1


# ------------------------------------------------------------------ what the engine is started with


@dataclass
class Arguments:
    """Engine arguments as of today."""

    model: str = ""
    max_model_len: int = 0
    enable_prefix_caching: bool = False
    scheduling_policy: str = "fcfs"
    disable_log_stats: bool = False
    structured_outputs_config: Any = None


@dataclass
class Older:
    """Engine arguments before vLLM 0.12."""

    model: str = ""
    enable_prefix_caching: bool = False
    guided_decoding_backend: str = "auto"
    guided_decoding_disable_any_whitespace: bool = False


def test_prefixes_are_cached_and_answers_held_unless_the_user_says_otherwise() -> None:
    ours = engine_arguments("m", {"max_model_len": 4096, "chat_template": "x"}, Arguments)
    assert ours == {
        "model": "m",
        "max_model_len": 4096,
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "disable_log_stats": True,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    assert engine_arguments("m", {"scheduling_policy": "fcfs"}, Arguments)["scheduling_policy"] == "fcfs"
    older = engine_arguments("m", {}, Older)
    assert older["guided_decoding_backend"] == "xgrammar"
    assert "scheduling_policy" not in older


@pytest.mark.parametrize(
    ("given", "said"),
    [({"max_model_length": 1}, "Did you mean max_model_len?"), ({"model": "other"}, "no engine argument 'model'")],
)
def test_an_argument_that_vllm_does_not_have_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        engine_arguments("m", given, Arguments)
    assert said in str(caught.value)


def test_a_token_does_not_belong_among_settings(world: World) -> None:
    with pytest.raises(SettingsError, match="HF_TOKEN"):
        VllmEngine("m", arguments={"hf_token": "secret"})


def test_settings_come_from_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAGENTS_VLLM", '{"max_model_len": 4096, "enforce_eager": true}')
    assert Coordinator("vllm:m", memory="memory://").settings.vllm == {"max_model_len": 4096, "enforce_eager": True}
    given = Coordinator("vllm:m", memory="memory://", vllm={"max_model_len": 8192}).settings.vllm
    assert given["max_model_len"] == 8192


# ------------------------------------------------------------------ what it tells


async def test_steps_of_the_engine_add_up_to_its_load(world: World) -> None:
    model = VllmEngine("m")
    assert await model.load() == Load()
    await model.describe()
    shared = vllm_shared._ENGINES["m"]
    cache = SimpleNamespace(queries=100, hits=40)
    step = SimpleNamespace(num_running_reqs=4, num_waiting_reqs=2, kv_cache_usage=0.5, prefix_cache_stats=cache)
    shared._told(step, SimpleNamespace(num_preempted_reqs=1))
    shared._told(step, None)
    shared._told(None, None)
    assert await model.load() == Load(running=4, waiting=2, cache_usage=0.5, preempted=1, looked_up=200, found=80)
    await model.aclose()


def test_a_thread_that_starts_the_engine_keeps_the_users_script_out_of_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    from multiprocessing import spawn

    told = {"name": "x", "init_main_from_path": "script.py"}
    monkeypatch.setattr(spawn, "get_preparation_data", lambda name: dict(told))
    elsewhere: list[Callable[..., Any]] = []
    with vllm_shared._script_run_once():
        assert "init_main_from_path" not in spawn.get_preparation_data("x")
        thread = threading.Thread(target=lambda: elsewhere.append(spawn.get_preparation_data("x")))
        thread.start()
        thread.join()
    assert elsewhere == [told] == [spawn.get_preparation_data("x")]
