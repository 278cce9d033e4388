"""Keys and passwords come to light nowhere: not in what objects print, nor in errors, events, state, stores, logs, commands."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import pickle
import shutil
import socket
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import sentinels
import world
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from pydantic import SecretStr
from sentinels import API_KEY, CORE, FORMS, OTHER_KEY, PASSWORD, PLAIN_PASSWORD, files_with_sentinels, form_in

from extagents import Coordinator, Settings
from extagents.cli.main import main
from extagents.errors import CallError, ExtAgentsError, SettingsError
from extagents.memory.open import open_memory
from extagents.models.base import Message, Prompt
from extagents.models.failures import call_error
from extagents.models.langchain import LangChainModel
from extagents.models.openai_compatible import OpenAICompatible
from extagents.models.resolve import resolve
from extagents.redaction import Cutter, SecretUrl, scrub, shown
from extagents.testing.endpoint import FakeEndpoint, Fault, refusal
from extagents.testing.redis_server import RedisServer
from extagents.types import PlannerInput, Verdict

REDIS_URL = f"redis://user:{quote(PASSWORD, safe='')}@127.0.0.1:1/0"
QUERY_URL = f"rediss://127.0.0.1:1/0?username=user&password={quote(PASSWORD, safe='')}"
CLOSED = "http://127.0.0.1:9/v1"  # nobody listens


def nowhere(*told: object) -> None:
    """Checks that no sentinel stands in any of it, in any form, nor in what Python and rich print of it."""
    for item in told:
        text = item if isinstance(item, (str, bytes)) else f"{item!s} {item!r}"
        assert form_in(text) is None, text if isinstance(text, bytes) else text.replace(CORE, "<SENTINEL>")[:2_000]


def printed(error: BaseException) -> str:
    """What Python prints of an error, and rich with the local variables of all its frames."""
    from rich.console import Console
    from rich.traceback import Traceback

    out = io.StringIO()
    trace = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=None, locals_max_length=None
    )
    # The test's own frame holds the key because the test does: what lies below it counts.
    for stack in trace.trace.stacks:
        stack.frames = [frame for frame in stack.frames if not frame.filename.endswith("test_secrets.py")]
    Console(file=out, width=300).print(trace)
    return "\n".join([*traceback.format_exception(error), out.getvalue(), repr(error), str(vars(error))])


def prompt() -> Prompt[Verdict]:
    return Prompt("reasoner", PlannerInput(question="Who?"), Verdict, (Message("user", "Who?"),), 100, "v1")


# ------------------------------------------------------------------ what objects print


def test_settings_print_dump_and_pickle_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (REDIS_URL, QUERY_URL, f"unix:///tmp/s.sock?password={PLAIN_PASSWORD}"):
        made = Settings(api_key=SecretStr(API_KEY), memory=url, base_url=f"https://u:{PLAIN_PASSWORD}@localhost/v1?key={CORE}")
        nowhere(made, vars(made), made.model_dump(), made.model_dump_json(), json.dumps(made.model_dump(), default=str))
        nowhere(f"{made.memory} {made.base_url}", [made.memory], made.given, made.model_copy(), json.dumps(str(made.memory)))
        assert made.memory is not None
        assert made.memory.get_secret_value() == url == made.given["memory"]
        assert made.memory == url
        assert Settings(**made.given).memory == url
        for kept in (made, made.memory, Settings(memory=url), Settings(api_key=SecretStr(API_KEY))):
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(kept)
    monkeypatch.delenv("EXTAGENTS_API_KEY")
    harmless = Settings(memory="redis://localhost/0")
    assert pickle.loads(pickle.dumps(harmless)) == harmless  # noqa: S301 - its own


@pytest.mark.parametrize("wrong", [[API_KEY], {"key": API_KEY}, API_KEY.encode("utf-16")], ids=["list", "dict", "bytes"])
@pytest.mark.parametrize("field", ["api_key", "memory", "base_url", "window"])
def test_what_is_wrong_with_a_setting_is_said_without_its_value(field: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=field) as caught:
        Settings(**{field: wrong})
    nowhere(str(caught.value), repr(caught.value))
    if field != "window":
        with pytest.raises((SettingsError, ExtAgentsError)) as ours:
            Coordinator(**{field: wrong})  # type: ignore[arg-type]
        nowhere(str(ours.value))


async def test_coordinators_and_models_print_and_pickle_no_secret() -> None:
    team = Coordinator("openai:fake", api_key=API_KEY, memory=REDIS_URL, base_url=CLOSED)
    memory = open_memory(REDIS_URL)
    model = OpenAICompatible("fake", base_url=CLOSED, api_key=API_KEY)
    chat = GenericFakeChatModel(messages=iter([AIMessage("x")]), metadata={"authorization": f"Bearer {OTHER_KEY}"})
    adapted = LangChainModel(chat)
    for made in (team, memory, model, adapted):
        nowhere(made)
        if made is not adapted:  # a LangChain model's own fields are its own to show
            nowhere(vars(made), {name: repr(value) for name, value in vars(made).items()})
        with pytest.raises(TypeError):
            pickle.dumps(made)
    nowhere(vars(adapted)["_secrets"])
    await team.aclose()


def test_urls_are_shown_without_what_is_secret_in_them() -> None:
    for url, seen in {
        f"redis://u:{CORE}@h:1/0?x=y": "redis://h:1/0",
        f"redis://u:{CORE}?q@h/0": "redis://h/0",
        f"redis://h/0?password={CORE}@{CORE}": "redis://***",
        f"redis://h/0?password=p@{CORE}": "redis://***",
        f"redis://u:{CORE}/{CORE}@h/0": "redis://h/0",
        f"unix:///a/b.sock?password={CORE}@q": "unix:///a/b.sock",
        f"redis:u:{CORE}@h": "h",
        "sqlite:////home/a@b/c?d.sqlite": "sqlite:////home/a@b/c?d.sqlite",
        f"sqlite://u:{CORE}@h/x": "sqlite://h/x",
        "memory://": "memory://",
    }.items():
        assert shown(url) == seen
        assert f"{SecretUrl(url)}" == seen
        if not url.startswith(("sqlite:////", "memory")):
            try:
                memory = open_memory(url)
            except SettingsError as error:
                nowhere(printed(error))
            else:
                nowhere(memory.url, memory, vars(memory))


@pytest.mark.parametrize(
    "url",
    [f"localhost:{CORE}@h/v1", f"https://u:{CORE}@h/v1", f"https://h/v1?key={CORE}", f"https://h/v1#{CORE}", f"u:{CORE}@h"],
    ids=["no scheme", "password", "query", "fragment", "no host"],
)
def test_a_base_url_that_holds_a_secret_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve("openai:m", base_url=url, api_key=API_KEY)
    nowhere(printed(caught.value))


# ------------------------------------------------------------------ errors

ECHOES = [
    "{key}",
    "Incorrect API key provided: {key}. You can find it at https://example.org.",
    "Bearer {key} is not allowed",
    "key {head}****{tail}",
    "key {head}...{tail} was revoked",
    "key {head}…{tail} was revoked",
    "key xxxxxxxx{tail} was revoked",
    "the key that starts with {head} and ends in {tail}",
    "Authorization: Basic {base64}",
    "?api_key={quoted}&x=1",
    'headers: {{"Authorization": "Bearer {key}", "x": "{key}"}}',
    "{half}",
    "hex {hex}",
]


def pieces(text: str, key: str) -> list[str]:
    """Which pieces of six characters, or ends of four, of the key stand in the text."""
    found = [key[at : at + 6] for at in range(len(key) - 5) if key[at : at + 6] in text]
    return found + [end for end in (key[:4] if not key.startswith("sk-") else key[:7], key[-4:]) if end in text]


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("key", [API_KEY, OTHER_KEY, f"9{CORE}", PLAIN_PASSWORD], ids=["key", "dotted", "plain", "password"])
def test_no_piece_of_a_key_that_a_server_repeats_is_left(echo: str, key: str) -> None:
    told = echo.format(
        key=key,
        head=key[:7],
        tail=key[-4:],
        half=key[: len(key) // 2],
        hex=key.encode().hex(),
        base64=base64.b64encode(f"user:{key}".encode()).decode(),
        quoted=quote(key, safe=""),
    )
    error = Exception(told)
    error.status_code = 401  # type: ignore[attr-defined]
    said = call_error(error, secrets=(key,)).message
    assert not pieces(said, key), said
    nowhere(said, scrub(told, key))


def test_a_secret_of_special_letters_is_found_as_urls_and_base64_have_it() -> None:
    secret = "é@/ :+?#&=%!é@/ :+?#&=%!"
    quoted, plussed = quote(secret, safe=""), quote_plus(secret)
    encoded = [base64.b64encode(f"{'u' * before}{secret}".encode()).decode() for before in range(3)]
    for form in (secret, quoted, plussed, secret.encode().hex(), *encoded):
        said = scrub(f"refused: {form}.", secret)
        assert "***" in said
        assert form[8:-8] not in said


def test_words_that_are_no_key_stay() -> None:
    said = "The model m does not exist; it was tested with none, EMPTY and token limits...then refused."
    assert scrub(said, API_KEY, "EMPTY-no", "none") == said.replace("none", "***")


def test_a_key_is_cut_out_of_a_text_that_comes_in_pieces() -> None:
    text = f"Guido said {API_KEY} and sk-{CORE[:5]} to {API_KEY[:-1]}"
    for size in (1, 3, 7, 100):
        cutter = Cutter(API_KEY, "none")
        parts = [cutter.feed(text[at : at + size]) for at in range(0, len(text), size)]
        assert "".join(parts) + cutter.rest() == text.replace(API_KEY, "***")


FAULTS: list[Any] = [
    refusal(401, f"Incorrect API key provided: {OTHER_KEY}"),
    refusal(403, f"key {OTHER_KEY[:7]}****{OTHER_KEY[-4:]}"),
    refusal(400, f"Bearer {OTHER_KEY}"),
    refusal(404, f"no model for {OTHER_KEY}"),
    Fault(500, f"Traceback: key={OTHER_KEY}"),
    Fault(503, {"detail": OTHER_KEY}),
    Fault(reset=True),
    Fault(cut=20),
    b"{" + OTHER_KEY.encode(),
    {"error": {"message": f"upstream said {OTHER_KEY}"}},
    {"choices": [{"message": {"refusal": f"not with {OTHER_KEY}"}, "finish_reason": "stop"}]},
    {"choices": []},
]


@pytest.mark.parametrize("fault", FAULTS, ids=map(str, range(len(FAULTS))))
@pytest.mark.parametrize("stream", [False, True])
async def test_no_call_fails_with_the_key(fault: Any, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeEndpoint(lambda _: fault) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url, api_key=OTHER_KEY)
        if isinstance(fault, dict) and stream:
            pytest.skip("the endpoint streams no such reply")
        with pytest.raises(CallError) as caught:
            await model.complete(prompt(), timeout=5, on_delta=(lambda _: None) if stream else None)
        await model.aclose()
    nowhere(printed(caught.value), caplog.text)
    assert not pieces(str(caught.value), OTHER_KEY)


@pytest.mark.parametrize("url", [CLOSED, "http://no.such.host.example:1/v1"])
async def test_no_connection_fails_with_the_key(url: str) -> None:
    model = OpenAICompatible("fake", base_url=url, api_key=API_KEY)
    with pytest.raises(CallError) as caught:
        await model.complete(prompt(), timeout=5)
    nowhere(printed(caught.value))
    await model.aclose()


async def test_no_error_of_redis_holds_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extagents.memory.redis_connection.FIRST_PATIENCE", 0.05)
    with RedisServer(tcp=True, password=PLAIN_PASSWORD) as server:
        place = server.url.partition("://")[2]
        for url in (
            REDIS_URL,
            QUERY_URL,
            f"redis://user:{CORE}@{place}",
            f"redis://:{CORE}@{place}",
            f"redis://{place}?password={CORE}",
            f"rediss://:{PLAIN_PASSWORD}@{place}",
        ):
            memory = open_memory(url)
            with pytest.raises(ExtAgentsError) as caught:
                await memory.list_runs()
            nowhere(printed(caught.value), memory.url)
            await memory.aclose()
    for url in (f"redis://u:{CORE}@h:port/0", f"redis://u:{CORE}@", f"rediss://u:{CORE}@h?ssl_ca_certs=/no/such.pem"):
        with pytest.raises(SettingsError) as wrong:
            open_memory(url)
        nowhere(printed(wrong.value))


async def test_a_langchain_models_errors_hold_none_of_its_keys() -> None:
    keys = ("Hq8mWn3xYt6vBz1k", "Tr5cJp0sGd7fLa2e", "Xu4bNi9oQw1yEz6m", "Pk3vRh8tUj5gCs0d", "Fy2aMl7iOx4wSb9n")

    class Broken(GenericFakeChatModel):
        service_api_key: SecretStr = SecretStr(keys[0])
        secret_token: str = keys[1]
        default_headers: dict[str, str] = {"X-Api-Key": f"Bearer {keys[2]}"}  # noqa: RUF012
        endpoint_url: str = f"https://u:{keys[3]}@h/?sig={keys[4]}"

        def _generate(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError(" or ".join(keys))

    model = LangChainModel(Broken(messages=iter(())))
    with pytest.raises(CallError) as caught:
        await model.complete(prompt())
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(model)["_secrets"])
    assert "***" in told
    for key in keys:
        assert not pieces(told, key)


# ------------------------------------------------------------------ whole runs over HTTP


class Server:
    """Serves a scripted world over HTTP, and repeats the key wherever it can."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, body: dict[str, Any]) -> Any:
        self.calls += 1
        if self.calls in (2, 5):
            return refusal(429, f"slow down, {API_KEY}", retry_after_ms="1")
        role = body.get("response_format", {}).get("json_schema", {}).get("name", "")
        text = "\n".join(str(message["content"]) for message in body["messages"])
        steps = [step for step in world.STEPS if step in text]
        facts = [{"claim": f"{step} ({API_KEY})", "quote": step, "relevance": 0.9} for step in steps]
        if role == "planner":
            return json.dumps({**world.plan().model_dump(), "queries": [f"founder {API_KEY}"]})
        if role == "reader":
            return json.dumps({"facts": facts, "queries": [f"who is {API_KEY}"] if facts else [], "continues": False})
        return json.dumps(
            {
                "facts": facts if role == "single" else list(range(1, len(steps) + 1)),
                "answerable": len(steps) == 2,
                "answer": f"{world.ANSWER} {API_KEY}" if len(steps) == 2 else "",
                "confidence": 0.9,
                "queries": [],
                "reasoning": API_KEY,
            }
        )


@pytest.fixture
def at_debug(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger there is, at its most talkative."""
    names = ["", "openai", "httpx", "httpcore", "aiohttp", "redis", "asyncio", "extagents", *logging.root.manager.loggerDict]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield caplog
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def rows_of(path: Path) -> str:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return "\n".join(repr(row) for table in tables for row in db.execute(f'SELECT * FROM "{table}"'))


async def dump_of(url: str) -> str:
    """Every key of a Redis server with its value."""
    import redis.asyncio as aioredis

    client = aioredis.Redis.from_url(url)
    told = []
    for key in await client.keys("*"):
        told.append(repr((key, await client.dump(key))))
        kind = (await client.type(key)).decode()
        read = {"hash": client.hgetall, "string": client.get, "set": client.smembers}.get(kind)
        told.append(repr(await read(key) if read else await client.sort(key, by="nosort") if kind == "zset" else ""))
        if kind == "list":
            told.append(repr(await client.lrange(key, 0, -1)))
    await client.aclose()
    return "\n".join(told)


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_a_whole_run_over_http_leaves_the_key_nowhere(
    store: str, tmp_path: Path, at_debug: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with RedisServer(password=PLAIN_PASSWORD) as server:
        place = server.url.replace("://", f"://:{PLAIN_PASSWORD}@")
        url = f"sqlite:///{tmp_path}/memory.sqlite" if store == "sqlite" else place
        async with FakeEndpoint(Server(), models=[{"id": "m", "max_model_len": 16_000}]) as endpoint:
            team = Coordinator("openai:m", base_url=endpoint.base_url, api_key=API_KEY, memory=url, effort="thorough")
            told = [event async for event in team.astream(world.QUESTION, world.corpus(8), run="mine", instructions="Short.")]
            assert endpoint.headers[0]["Authorization"] == f"Bearer {API_KEY}"
            again = await team.aask(world.QUESTION, world.corpus(8), run="other")  # from the read cache
            record = await asyncio.to_thread(team.run, "mine")
            reports = await asyncio.to_thread(team.reports, "mine")
            happened = await asyncio.to_thread(team.events, "mine")
            assert told[-1].type == "answer"
            assert record is not None
            assert record.answer is not None
            assert "***" in told[-1].answer.answer + again.answer
            nowhere(*told, *(event.model_dump_json() for event in told), again, record, record.model_dump_json())
            nowhere(*reports, *happened, team, vars(team), vars(team.settings))
            await team.aclose()
        nowhere(rows_of(tmp_path / "memory.sqlite") if store == "sqlite" else await dump_of(place))
        assert not files_with_sentinels(tmp_path)
        nowhere(at_debug.text, *capsys.readouterr())
        assert len(at_debug.records) > 50


async def test_a_graphs_state_and_a_checkpointer_hold_no_key(tmp_path: Path) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    docs = tmp_path / "docs"
    docs.mkdir()
    for document in world.documents(6):
        (docs / f"{document.id}.txt").write_text(document.text, encoding="utf-8")
    for script, works in ((Server(), True), (lambda _: refusal(401, f"Wrong key {API_KEY}"), False)):
        async with FakeEndpoint(script, models=[{"id": "m", "max_model_len": 16_000}]) as endpoint:
            team = Coordinator("openai:m", base_url=endpoint.base_url, api_key=API_KEY, memory="memory://")
            saver = InMemorySaver()
            outer: Any = team.graph().builder.compile(checkpointer=saver)
            config = {"configurable": {"thread_id": "1"}, "recursion_limit": 1_000}
            seen: list[object] = []
            try:
                async for part in outer.astream({"question": world.QUESTION, "over": str(docs)}, config, stream_mode="values"):
                    seen.append(part)
            except ExtAgentsError as error:
                assert not works
                seen.append(printed(error))
            else:
                assert works
            kept = [repr(item) for item in saver.storage.values()] + [repr(item) for item in saver.writes.values()]
            kept += [repr(item) for item in saver.blobs.values()]
            assert any(kept)
            nowhere(*seen, *kept)
            await team.aclose()


# ------------------------------------------------------------------ commands


def test_no_command_shows_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at_debug: pytest.LogCaptureFixture
) -> None:
    """With everything that could be talkative switched on; one in a process of its own."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("The Meridian archive was founded in 1974 by Ilse Brandt.\n", encoding="utf-8")
    environment = {
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_LOG": "debug",
        "EXTAGENTS_DEBUG": "1",
        "PYTHONASYNCIODEBUG": "1",
        "EXTAGENTS_DATA": str(tmp_path / "data"),
        "EXTAGENTS_CACHE": str(tmp_path / "cache"),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    to_it = ("--model", "openai:m", "--base-url", closed)
    ask = ("ask", "Who founded the archive?", "--over", str(docs), "--json", "--run", "r")
    commands: list[tuple[tuple[str, ...], int]] = [
        (ask, 0),
        ((*ask[:-1], "s", *to_it), 1),
        (("runs", "show", "r", "--json"), 0),
        (("runs", "list", "--json"), 0),
        (("doctor", "--memory", REDIS_URL), 1),
        (("doctor", "--json", *to_it), 1),
        (("runs", "list", "--memory", QUERY_URL), 1),
        (("ask", "Who?", "--over", str(docs), "--memory", f"redis:u:{PLAIN_PASSWORD}@h"), 2),
        (("ask", "Who?", "--over", str(docs), "--model", "openai:m", "--base-url", f"http://u:{PLAIN_PASSWORD}@h/v1"), 2),
    ]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for number, (arguments, status) in enumerate(commands):
        if number < 1:
            command = [sys.executable, "-X", "dev", "-m", "extagents", *arguments]
            done = subprocess.run(command, capture_output=True, timeout=100, check=False)
            assert done.returncode == status, done.stderr
            nowhere(done.stdout, done.stderr)
        else:
            assert main(arguments) == status
            captured = capsys.readouterr()
            nowhere(captured.out, captured.err)
            assert captured.out + captured.err
    assert not files_with_sentinels(tmp_path)
    nowhere(rows_of(tmp_path / "data" / "memory.sqlite"))


# ------------------------------------------------------------------ the watch itself


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_sentinel_is_found_in_every_form(form: str, tmp_path: Path) -> None:
    folder = tmp_path / sentinels.PLANTED
    folder.mkdir()
    (folder / "clean").write_bytes(b"x" * 100 + FORMS[form][:-3])
    assert files_with_sentinels(folder) == []
    (folder / "deep").mkdir()
    (folder / "deep" / "memory.sqlite-wal").write_bytes(b"\0\1" * 5_000 + FORMS[form] + b"\0")
    assert len(files_with_sentinels(folder)) == 1
    assert files_with_sentinels(tmp_path) == []


@pytest.mark.parametrize(
    "encoded", [lambda key: quote(key, safe=""), lambda key: base64.b64encode(b"u:" + key.encode()).decode(), json.dumps]
)
def test_all_sentinels_are_known_in_all_encodings(encoded: Callable[[str], str]) -> None:
    for key in (API_KEY, OTHER_KEY, PASSWORD, PLAIN_PASSWORD):
        assert form_in(encoded(key)) is not None
        assert form_in(key.encode("utf-16")) == form_in(key.encode("utf-16-be")) == "UTF-16"


def test_a_test_in_which_a_key_comes_to_light_fails(tmp_path: Path) -> None:
    """A session of its own, with a test for every way in which a key can come to light."""
    folder = tmp_path / sentinels.PLANTED
    folder.mkdir()
    ways = {
        "prints": "print(API_KEY)",
        "stderr": "sys.stderr.write(API_KEY)",
        "logs": "logging.getLogger('httpx').warning('key %s', API_KEY)",
        "logs_an_error": "try:\n        raise ValueError(API_KEY)\n    except ValueError:\n        logging.exception('x')",
        "child": "subprocess.run([sys.executable, '-c', f'print({API_KEY!r})'], capture_output=True)",
        "captured": "print(API_KEY); capsys.readouterr()",
        "fails": "assert API_KEY == 1",
        "does_nothing": "pass",
    }
    lines = ["import logging, subprocess, sys, warnings", "from sentinels import API_KEY"]
    lines += [f"def test_{name}(capsys):\n    {body}" for name, body in ways.items()]
    (folder / "test_inner.py").write_text("\n".join(lines).replace("(capsys)", "()", 5).replace("fails(capsys)", "fails()"))
    (folder / "test_file.py").write_text(
        "from sentinels import API_KEY\ndef test_writes(tmp_path):\n    (tmp_path / 'kept').write_text(API_KEY)\n"
    )
    (folder / "test_clean.py").write_text("def test_clean(tmp_path):\n    (tmp_path / 'kept').write_text('nothing')\n")
    here = str(Path(sentinels.__file__).parent)
    inner = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "sentinels",
        "-p",
        "no:cacheprovider",
        "-q",
        "-rf",
        "--tb=no",
        "--show-capture=no",
    ]

    def session(name: str) -> subprocess.CompletedProcess[str]:
        base = folder / f"base-{name}"
        command = [*inner, "--rootdir", str(folder), "-c", "/dev/null", f"--basetemp={base}", str(folder / name)]
        return subprocess.run(command, capture_output=True, text=True, env={"PATH": "", "PYTHONPATH": here}, cwd=folder)

    try:
        done = session("test_inner.py")
        assert done.returncode == 1, done.stdout
        for name in ways:
            assert (f"::test_{name}" in done.stdout) == (name != "does_nothing"), done.stdout
        written = session("test_file.py")
        assert written.returncode == 1, written.stdout
        assert "1 passed" in written.stdout
        assert "kept (plain)" in written.stdout
        assert session("test_clean.py").returncode == 0
    finally:
        shutil.rmtree(folder)
