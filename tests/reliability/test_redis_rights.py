"""Redis behind TLS and for users with few rights: what is needed is enough, what is wrong is named, passwords are not shown."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
import traceback
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pytest
from reliability.certificates import authority
from reliability.proxy import FaultyProxy
from reliability.redis_runs import RUN, answered, scripted, stored
from reliability.size import sized
from sentinels import CORE, PASSWORD

from extagents.budget import Amount, Budget
from extagents.errors import SettingsError, StoreError
from extagents.memory import redis_nodes
from extagents.memory.redis import RedisMemory
from extagents.memory.redis_connection import COMMANDS, RIGHTS
from extagents.testing.memory_conformance import a_fact, a_manifest, a_report
from extagents.testing.redis_server import RedisServer
from extagents.types import Usage

DOCUMENTS = sized(12, 100)
USER = "ext@agents:1"
PLACE = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
DOCS = Path(__file__).parents[2] / "docs" / "redis.md"


def let_in(server: RedisServer, *rights: str) -> None:
    """The user of these tests, with the given rights and no other; nobody else is let in."""
    reply = server.command("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", *rights)
    assert reply == b"+OK\r\n", reply


def served(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def refused(url: str) -> StoreError:
    """What a first call fails with: at once, in one line, with a hint, and without the password."""
    memory = RedisMemory(url)
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        await memory.create_run(a_manifest())
    assert time.monotonic() - started < 10
    await memory.aclose()
    error = caught.value
    assert "\n" not in str(error)
    assert error.hint
    told = "".join([repr(error), *traceback.format_exception(error), repr(memory), memory.url])
    assert CORE not in told
    return error


# ---- TLS
async def test_a_whole_run_over_tls_as_a_user_whose_password_has_every_special_letter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ca, certificate = authority(tmp_path)
    with RedisServer() as server:
        let_in(server, *RIGHTS.split())
        async with FaultyProxy(server.url, tls=served(certificate)) as proxy:
            url = f"rediss://{PLACE}@{proxy.address}/0?ssl_ca_certs={quote(str(ca), safe='')}"
            model = scripted()
            answer = await answered(model, url, documents=DOCUMENTS)
            assert answer.answered
            assert (await stored(server.url)).spent["calls"] == len(model.calls)
            assert proxy.connections > 1
        dump = server.command("GET", "nothing")  # the server is up to the end
        assert dump == b"$-1\r\n"
    assert CORE not in caplog.text
    assert CORE not in answer.model_dump_json()


async def test_connections_over_tls_that_are_cut_are_made_anew(tmp_path: Path) -> None:
    ca, certificate = authority(tmp_path)
    with RedisServer() as server:
        async with FaultyProxy(server.url, tls=served(certificate)) as proxy:
            memory = RedisMemory(f"rediss://{proxy.address}/0?ssl_ca_certs={ca}")
            for n in range(10):
                assert await memory.write_note("run", "n", {"n": n}) == n + 1
                proxy.cut_all()
            await memory.aclose()


async def test_a_certificate_of_another_ca_or_for_another_host_is_refused_and_named(tmp_path: Path) -> None:
    ca, _ = authority(tmp_path / "ours", "our CA")
    _, stranger = authority(tmp_path / "theirs", "their CA")
    elsewhere_ca, elsewhere = authority(tmp_path / "elsewhere", address="127.0.0.9")
    with RedisServer() as server:
        for certificate, query in (
            (stranger, f"?ssl_ca_certs={ca}"),
            (stranger, ""),
            (elsewhere, f"?ssl_ca_certs={elsewhere_ca}"),
        ):
            async with FaultyProxy(server.url, tls=served(certificate)) as proxy:
                error = await refused(f"rediss://{PLACE}@{proxy.address}/0{query}")
                assert "certificate" in error.message
                assert "ssl_ca_certs=" in error.hint
                assert not error.retryable


async def test_tls_with_a_server_that_has_none_and_the_other_way_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_nodes, "CONNECT_SECONDS", 0.3)
    _, certificate = authority(tmp_path)
    with RedisServer(tcp=True) as server:
        error = await refused(server.url.replace("redis://", "rediss://"))
        assert "TLS" in str(error)
        async with FaultyProxy(server.url, tls=served(certificate)) as proxy:
            error = await refused(f"redis://{proxy.address}/0")
            assert "rediss://" in error.hint


def test_a_file_that_the_url_names_and_that_is_not_there() -> None:
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        with pytest.raises(SettingsError) as caught:
            RedisMemory(f"rediss://user:{CORE}@127.0.0.1/0?{name}=/nowhere/ca.pem")
        assert "/nowhere/ca.pem" in caught.value.message
        assert CORE not in str(caught.value)


# ---- rights
async def everything(memory: RedisMemory) -> None:
    """Every call of the protocol, writes that find something and writes that do not."""
    await memory.create_run(a_manifest())
    await memory.update_run("run", status="running", state={"a": 1})
    await memory.post(a_report("run", "s0").model_copy(update={"failure": "no answer"}))
    await memory.post(a_report("run", "s0", a_fact(1)), cache_key="key")
    await memory.post(a_report("run", "s1", a_fact(2)))
    assert len(await memory.reports("run")) == 2
    assert await memory.knowledge("run", 1_000)
    assert await memory.cached(["key", "none"])
    await memory.write_note("run", "n", {"a": 1})
    assert await memory.read_note("run", "n")
    await memory.reserve("run", "c", Amount(tokens=10), Budget(tokens=100))
    await memory.settle("run", "c", Usage(calls=1, input_tokens=5, cost=0.1), answered=("c", "x"))
    assert await memory.journal("run")
    await memory.append_event("run", {"a": 1})
    assert await memory.events("run")
    assert (await memory.spent("run")).calls == 1
    assert await memory.list_runs()
    await memory.secret()
    await memory.check()
    assert await memory.forget_run("run")


def test_the_rights_are_the_commands_that_are_used_and_no_other() -> None:
    folder = files("extagents.memory")
    used: set[str] = {"ping", "select", "evalsha", "eval"}  # checking a connection, redis://…/1, and the scripts themselves
    for script in (folder / "scripts").iterdir():
        used |= {command.lower() for command in re.findall(r"redis\.call\('(\w+)'", script.read_text("utf-8"))}
    words = re.findall(r'\(+"([A-Z]{3,})",', (folder / "redis.py").read_text("utf-8"))
    used |= {word.lower() for word in words} | {"info"}
    assert set(COMMANDS) == used


def test_the_rights_stand_in_the_documentation_letter_by_letter() -> None:
    assert RIGHTS in DOCS.read_text("utf-8")


async def test_a_user_with_these_rights_can_do_everything_and_with_one_less_is_told() -> None:
    with RedisServer() as server:
        let_in(server, *RIGHTS.split())
        url = f"{server.url}?username={quote(USER, safe='')}&password={quote(PASSWORD, safe='')}"
        memory = RedisMemory(url)
        await everything(memory)
        await memory.aclose()
        assert (await answered(scripted(), url, documents=4, run=RUN)).answered
        for missing in ("evalsha", "hset"):
            let_in(server, *RIGHTS.split(), f"-{missing}")
            error = await refused(url)
            assert "does not let this user" in error.message
            assert RIGHTS in error.hint
        let_in(server, *RIGHTS.replace("~ext:*", "~other:*").split())
        assert "does not let this user" in (await refused(url)).message


async def test_a_user_or_password_that_is_refused_is_named() -> None:
    with RedisServer(tcp=True) as server:
        let_in(server, *RIGHTS.split())
        server.command("ACL", "SETUSER", "default", "off")
        place = server.url.removeprefix("redis://")
        for wrong in (f"redis://{PLACE}x@{place}", f"redis://nobody:{CORE}@{place}", f"redis://{place}"):
            error = await refused(wrong)
            assert "refused the user or password" in error.message
            assert not error.retryable
        memory = RedisMemory(f"redis://{PLACE}@{place}")
        assert await memory.create_run(a_manifest())
        await memory.aclose()


def test_many_threads_with_a_loop_each_may_use_one_memory() -> None:
    with RedisServer(tcp=True) as server:
        memory = RedisMemory(server.url)

        async def work(name: str) -> None:
            await memory.create_run(a_manifest(name))
            await memory.aclose()

        async def all_of_them() -> None:
            await asyncio.gather(*(asyncio.to_thread(lambda n=n: asyncio.run(work(f"run {n}"))) for n in range(8)))

        asyncio.run(all_of_them())

        async def count() -> int:
            try:
                return len(await memory.list_runs())
            finally:
                await memory.aclose()

        assert asyncio.run(count()) == 8
