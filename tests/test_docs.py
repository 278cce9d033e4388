"""The documents: the site builds, every link leads somewhere, and every block of code does what the page says."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docs_world
import pytest
import sentinels

from extagents import Coordinator
from extagents.background import background
from extagents.cli.main import main
from extagents.testing import FakeEndpoint
from extagents.testing.redis_server import RedisServer

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]*?) -->\n+)?^(`{3,})([\w-]*)[^\n]*\n(.*?)^\2$", re.MULTILINE | re.DOTALL)
RUN = {"python", "console", "bash", "sh", "shell"}
PLAIN = ("cat", "head", "ls", "wc")  # what a console block may call beside extagents
ENDPOINT, REDIS = "http://localhost:8000/v1", "redis://localhost:6379/0"
MOST_NOT_RUN = 0.25  # of all blocks; each has a reason


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page. `reason` says why it is not run, where it is not."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page that are to be run, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(2)) + 1, found[3], found[4], found[1])
        for found in BLOCK.finditer(text)
        if found[3] in RUN
    ]


BLOCKS = {page: blocks_of(page) for page in PAGES}
WITH_CODE = [page for page, blocks in BLOCKS.items() if any(block.reason is None for block in blocks)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# ------------------------------------------------------------------ code


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, str]]:
    """What stands in the documents for a model's endpoint and for a Redis server, and where they really are."""
    endpoint = FakeEndpoint(docs_world.reply, models=[{"id": "my-model", "object": "model", "max_model_len": 32_768}])
    with RedisServer() as redis:
        background.wait(endpoint.__aenter__)
        try:
            yield {ENDPOINT: endpoint.base_url, REDIS: redis.url}
        finally:
            background.wait(endpoint.__aexit__)


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_every_block_runs(
    page: Path, served: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of a page in order, in one namespace and one folder, with no key but one for the endpoint on loopback."""
    work = tmp_path / "work"
    work.mkdir()
    docs_world.furnish(work)
    monkeypatch.chdir(work)
    monkeypatch.setenv("EXTAGENTS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OPENAI_BASE_URL", served[ENDPOINT])
    monkeypatch.setenv("OPENAI_API_KEY", sentinels.API_KEY)
    monkeypatch.setenv("COLUMNS", "120")
    scope: dict[str, Any] = {"__name__": "__main__"}
    for block in BLOCKS[page]:
        if block.reason is not None:
            continue
        code = block.code
        for shown, real in served.items():
            code = code.replace(shown, real)
        if block.language == "python":
            run_python(block, code, scope)
        else:
            run_commands(block, code, monkeypatch, capsys)
    for value in list(scope.values()):
        if isinstance(value, Coordinator):
            value.close()


def run_python(block: Block, code: str, scope: dict[str, Any]) -> None:
    """Runs a block as a script or a notebook would, `await` included; what it prints is what its comments say."""
    out = io.StringIO()
    compiled = compile(code, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    try:
        with contextlib.redirect_stdout(out):
            if compiled.co_flags & inspect.CO_COROUTINE:
                asyncio.run(types.FunctionType(compiled, scope)())
            else:
                exec(compiled, scope)
    except BaseException as error:
        error.add_note(f"in {block}")
        raise
    shown = re.findall(r"^\s*# prints: (.*)$", code, re.MULTILINE)
    if shown:
        assert_alike(block, shown, out.getvalue().splitlines(), whole=True)


def run_commands(block: Block, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs the commands of a block; what stands below a command is what it prints, on either stream."""
    prompted = any(line.startswith("$ ") for line in code.splitlines())
    for command, shown in commands_of(code, prompted=prompted):
        words = shlex.split(command, comments=True)
        stated = re.search(r"# exit status (\d+)\s*$", command)
        expected = int(stated[1]) if stated else 0
        capsys.readouterr()
        if words[0] == "extagents":
            try:
                status = main(words[1:])
            except SystemExit as ended:
                status = int(ended.code or 0)
            told = capsys.readouterr()
            printed = told.out + told.err
        elif words[0] == "export":
            name, _, value = words[1].partition("=")
            monkeypatch.setenv(name, value)
            status, printed = 0, ""
        else:
            assert words[0] in PLAIN, f"{block} runs {words[0]}, which the tests do not: say why with <!-- not run: … -->"
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            status, printed = done.returncode, done.stdout + done.stderr
        assert status == expected, f"{block}: {command}\nended with {status}, not {expected}:\n{printed}"
        assert_alike(block, shown, printed.splitlines(), whole=False)


def commands_of(code: str, *, prompted: bool) -> Iterator[tuple[str, list[str]]]:
    """Every command, lines that end in a backslash joined, and the lines shown below it."""
    command, shown = "", list[str]()
    lines = iter(code.replace("\\\n", " ").splitlines())
    for line in lines:
        if line.startswith("$ ") or (not prompted and line.strip() and not line.startswith("#")):
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), []
        elif line.strip():
            shown.append(line)
    if command:
        yield command, shown


def assert_alike(block: Block, shown: list[str], printed: list[str], *, whole: bool) -> None:
    """Each line that a page shows is printed, in this order; `…` in it stands for anything."""
    patterns = [re.compile(".*".join(re.escape(part.strip()) for part in line.split("…"))) for line in shown]
    if whole:
        assert len(shown) == len(printed), f"{block} shows {shown}\nand prints {printed}"
    rest = iter(printed)
    for line, pattern in zip(shown, patterns, strict=True):
        found = next((other for other in rest if pattern.fullmatch(other.strip())), None)
        assert found is not None, f"{block} shows {line!r}\nand prints {printed}"


def test_a_block_that_is_not_run_says_why_and_few_are_not() -> None:
    blocks = [block for blocks in BLOCKS.values() for block in blocks]
    left_out = [block for block in blocks if block.reason is not None]
    for block in left_out:
        assert len((block.reason or "").split()) >= 2, f"{block} gives no reason"
    share = len(left_out) / len(blocks)
    assert share <= MOST_NOT_RUN, f"{len(left_out)} of {len(blocks)} blocks are not run: {', '.join(map(str, left_out))}"


def test_code_is_not_hidden_in_blocks_without_a_language() -> None:
    """A block that looks like our commands or like Python is one that says so, and is run."""
    for page in sorted(DOCS.rglob("*.md")):
        for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
            first = found[4].lstrip().split("\n", 1)[0]
            assert found[3] or not re.match(r"\$ |import |from \w+ import|extagents \w+ ", first), f"{name_of(page)}: {first}"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('one')\n# prints: two\n", "shows 'two'"),
        ("print(1)\nprint(2)\n# prints: 1\n", "and prints"),
        ("1 / 0\n", "division"),
    ],
)
def test_a_page_that_tells_what_is_not_so_fails(code: str, said: str) -> None:
    block = Block(DOCS / "index.md", 1, "python", code, None)
    with pytest.raises((AssertionError, ZeroDivisionError), match=said):
        run_python(block, code, {})


# ------------------------------------------------------------------ links


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts and the site make it."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", text))


def anchors_of(page: Path) -> set[str]:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    made: list[str] = []
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        anchor = slug(heading)
        made.append(f"{anchor}-{count}" if (count := made.count(anchor)) else anchor)
    return set(made)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and other.suffix == ".md" and other.parent.name != "reference":
            assert anchor in anchors_of(other), f"{page.name} links to {target}: no such heading"
        inside = page.is_relative_to(DOCS)
        assert not inside or other.is_relative_to(DOCS), f"{page.name}: the site has no {target}"


# ------------------------------------------------------------------ the site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_builds_without_a_warning(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").exists(), f"{page.name} is not in the site"


def test_the_site_loads_nothing_from_another_host(site: Path) -> None:
    loads = re.compile(
        r"<(?:script|img|iframe)\b[^>]*\ssrc=\"?(https?:|//)[^>]*>|<link\b[^>]*\shref=\"?(?:https?:|//)[^>]*>", re.I
    )
    for page in site.rglob("*.html"):
        found = loads.search(page.read_text(encoding="utf-8"))
        assert found is None, f"{page.name}: {found[0] if found else ''}"


def test_public_names_stand_in_the_reference(site: Path) -> None:
    import extagents

    pages = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    for name in set(extagents.__all__) - {"__version__"}:
        assert re.search(rf'id="extagents\.[\w.]*\b{name}"', pages), f"{name} is not in the reference"


def test_figures_are_those_that_the_script_draws() -> None:
    script = ROOT / "scripts" / "figures.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
