"""A program that ends without closing anything: sockets are closed for it, and it ends without a word."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import docs_world

from extagents.background import Background, background
from extagents.models.openai_compatible import OpenAICompatible
from extagents.testing import FakeEndpoint

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import sys, extagents
handbook = extagents.Document(id="parser.md", text="Casper Quist maintains the parser.")
team = extagents.Coordinator(model="openai:my-model", base_url=sys.argv[1], api_key="none", memory="memory://")
print(team.ask("Who maintains the parser?", over=[handbook]).text)
"""


class Socket:
    """Something that was left open."""

    def __init__(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed = True


def test_what_is_open_is_closed_before_the_loop_is_gone() -> None:
    loop, left = Background(), Socket()

    async def use() -> None:
        loop.keep(left)

    loop.wait(use)
    loop.stop()
    assert left.closed


def test_a_loop_that_held_nothing_ends_as_well() -> None:
    loop = Background()
    loop.wait(lambda: asyncio.sleep(0))
    loop.stop()
    loop.stop()


async def test_an_endpoint_in_use_is_kept_until_then() -> None:
    async with FakeEndpoint(docs_world.reply) as endpoint:
        model = OpenAICompatible("my-model", base_url=endpoint.base_url)
        await background.run(model.describe)
        assert model in background._open
        await background.run(model.aclose)


async def test_a_script_that_closes_nothing_ends_without_a_word() -> None:
    async with FakeEndpoint(docs_world.reply, models=[{"id": "my-model", "max_model_len": 32_768}]) as endpoint:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SCRIPT, endpoint.base_url),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (process.returncode, out.decode().strip(), err.decode()) == (0, "Casper Quist", "")
