"""`extagents doctor`: checks what a run will need, and says how to mend what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from extagents.cli.options import settings_of
from extagents.cli.output import console, is_terminal, money, one_line, print_json, safe, write
from extagents.errors import CallError, ExtAgentsError

if TYPE_CHECKING:
    import argparse

    from extagents.models.base import Model
    from extagents.settings import Settings

Status = Literal["ok", "note", "fail"]
CALL_SECONDS = 30.0
EXTRAS = {
    "langchain": ("langchain", "langchain: models"),
    "ray": ("ray", "readers on a cluster, --executor ray"),
    "vllm": ("vllm", "models in this process, --model vllm:NAME"),
}
MARKS = {"ok": ("✓", "green"), "note": ("•", "yellow"), "fail": ("✗", "red")}
# A call that comes back in one of these ways has reached a model that works: one token is no answer.
REACHED = ("truncated", "malformed", "content_filter")
MENDING = {
    "auth": "Check the key: OPENAI_API_KEY, or EXTAGENTS_API_KEY.",
    "not_found": "Check the model's name and --base-url (it usually ends in /v1).",
    "connection": "Check --base-url, and that the server is up.",
    "timeout": "The server is there but slow: is it loading, or overloaded?",
    "rate_limit": "The key's quota is used up, or the server is overloaded: wait, or raise the limit.",
    "server": "The server fails by itself: see its log.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `hint` says how to mend it."""

    name: str
    status: Status
    detail: str
    hint: str = ""


def run(options: argparse.Namespace) -> int:
    """Exit status 0 when a run can start, 1 when something is in its way."""
    settings = settings_of(options)
    checks = asyncio.run(_all(settings, options.quiet or options.json))
    ok = all(check.status != "fail" for check in checks)
    if options.json:
        print_json({"ok": ok, "checks": [asdict(check) for check in checks]})
    else:
        _show(checks, ok)
    return 0 if ok else 1


async def _all(settings: Settings, quiet: bool) -> list[Check]:
    from extagents.cli.loading import waiting

    checks = [python(), *extras(), *folders()]
    with waiting("Asking memory and model …", quiet=quiet):
        checks += await memory(settings)
        checks += await asyncio.to_thread(executor, settings)
        checks += [check async for check in models(settings)]
    return checks


def python() -> Check:
    """The interpreter."""
    version = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        return Check("python", "ok", version)
    return Check("python", "fail", f"{version} is not supported", "Use Python 3.11, 3.12 or 3.13.")


def extras() -> Iterator[Check]:
    """What can be installed beside the package."""
    for extra, (module, purpose) in EXTRAS.items():
        found = find_spec(module)
        if found is not None and found.origin is not None:  # a folder of that name is no package
            yield Check(f"extra {extra}", "ok", f"installed{_version(module)}")
        else:
            yield Check(f"extra {extra}", "note", "not installed", f'Only for {purpose}: pip install "extagents[{extra}]"')


def _version(package: str) -> str:
    """The package's version, where it tells one; of vLLM's CPU build that it is one."""
    for name, told in ((package, ""), (f"{package}-cpu", " (CPU build)")):
        with contextlib.suppress(PackageNotFoundError):
            return f", version {version(name)}{told}"
    return ""


def folders() -> Iterator[Check]:
    """Whether data (the embedded memory) and cache (what was indexed) can be written."""
    from extagents.corpus.cache import default_folder
    from extagents.memory.open import data_folder

    for name, folder, variable in (
        ("data folder", data_folder(), "EXTAGENTS_DATA"),
        ("cache folder", default_folder(), "EXTAGENTS_CACHE"),
    ):
        reason = _unwritable(folder)
        if reason:
            yield Check(name, "fail", f"{folder}: {reason}", f"Make it writable, or name another in {variable}.")
        else:
            yield Check(name, "ok", str(folder))


def _unwritable(folder: Path) -> str:
    """Why a file cannot be written there; empty if it can. A folder that is missing is made."""
    from extagents.private import make_folder

    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"extagents")
    except OSError as error:
        return error.strerror or str(error)
    return ""


async def memory(settings: Settings) -> list[Check]:
    """Whether the memory can be read and written, and what it warns of."""
    from extagents.memory.open import open_memory

    try:
        opened = open_memory(settings.memory, tenant=settings.tenant)
    except ExtAgentsError as error:
        return [Check("memory", "fail", error.message, error.hint)]
    warnings: list[str] = []
    try:
        warnings = await opened.check()
        await opened.secret()  # writes where nothing is yet: a store that can only be read is of no use
        runs = len(await opened.list_runs())
    except ExtAgentsError as error:
        found = Check("memory", "fail", error.message, error.hint or "Check --memory.")
    else:
        found = Check("memory", "ok", f"{opened.url} · {runs:,} runs")
    finally:
        await opened.aclose()
    return [found] + [Check("memory setup", "note", warning) for warning in warnings]


def executor(settings: Settings) -> list[Check]:
    """Where readers are to run on a cluster: whether Ray and the cluster are there, and model and memory of use to it."""
    if settings.executor != "ray":
        return []
    from extagents.executors import cluster
    from extagents.memory.open import open_memory
    from extagents.opening import executor_of

    try:
        executor_of(settings, settings.models.get("reader", settings.model), open_memory(settings.memory))
        address = cluster.running_address()
        if address is None:
            return [
                Check(
                    "executor ray",
                    "note",
                    "no cluster is running here: one of this machine alone would be started for the run",
                    "For several machines: ray start --head, and RAY_ADDRESS=HOST:PORT. See docs/ray.md.",
                )
            ]
        cluster.connect()
        try:
            found = cluster.nodes()
        finally:
            cluster.disconnect()
    except ExtAgentsError as error:
        return [Check("executor ray", "fail", error.message, error.hint)]
    noun = "node" if len(found) == 1 else "nodes"
    cpus = sum(node.cpus for node in found)
    return [Check("executor ray", "ok", f"{len(found)} {noun} with {cpus:g} CPUs at {address}")]


async def models(settings: Settings) -> AsyncIterator[Check]:
    """Whether each model can be found, is reachable and answers, and what is known of it."""
    from extagents.models.resolve import resolve

    named = {"model": settings.model, **{f"model of the {role}": name for role, name in settings.models.items()}}
    for title, name in named.items():
        try:
            model = resolve(
                name,
                base_url=settings.base_url,
                api_key=settings.api_key,
                window=settings.window,
                seed=settings.seed,
                vllm=settings.vllm,
            )
        except ExtAgentsError as error:
            yield Check(title, "fail", error.message, error.hint)
            continue
        if model.local:
            yield Check(
                title,
                "note",
                f"{name}: built in, no language model",
                "Answers are extracted by words alone. For a real one: --model openai:NAME, and OPENAI_API_KEY or --base-url.",
            )
            continue
        try:
            if name.startswith("vllm:"):
                await model.describe()  # starts the engine, which takes longer than a call may
            yield await _call(title, model)
            yield await _window(f"window of {name}", model)
            if (told := await _load(f"server of {name}", model)) is not None:
                yield told
        except ExtAgentsError as error:
            yield Check(title, "fail", error.message, error.hint)
        finally:
            await model.aclose()


async def _call(title: str, model: Model) -> Check:
    """One call of one token."""
    from pydantic import BaseModel

    from extagents.models.base import Message, Prompt

    class Word(BaseModel):
        word: str

    inputs = Word(word="ok")
    prompt = Prompt(
        role="planner",
        inputs=inputs,
        output=Word,
        messages=(Message("user", 'Answer with {"word": "ok"}.'),),
        max_output_tokens=1,
        version="doctor",
    )
    where = getattr(model, "endpoint", "").split(" ")[0]
    at = f" at {where}" if where else ""
    try:
        await asyncio.wait_for(model.complete(prompt, timeout=CALL_SECONDS), CALL_SECONDS + 1)
    except CallError as error:
        if error.kind not in REACHED:
            return Check(title, "fail", f"{model.name}{at}: {error.message}", MENDING.get(error.kind, "Check --model."))
    except TimeoutError:
        return Check(title, "fail", f"{model.name}{at}: no answer within {CALL_SECONDS:.0f} s", MENDING["timeout"])
    return Check(title, "ok", f"{model.name}{at} answers")


async def _window(title: str, model: Model) -> Check:
    info = await model.describe()
    prices = info.prices
    costs = f"{money(prices.input)} in, {money(prices.output)} out per million tokens" if prices else "price unknown"
    if info.window is None:
        return Check(title, "note", f"not known, 32,768 tokens are taken · {costs}", "Say it: --window N, or EXTAGENTS_WINDOW.")
    return Check(title, "ok", f"{info.window:,} tokens · {costs}")


async def _load(title: str, model: Model) -> Check | None:
    """What a vLLM server tells of its queue and its caches; None of another endpoint."""
    from extagents.models.openai_compatible import OpenAICompatible

    if not isinstance(model, OpenAICompatible) or not await model.is_vllm():
        return None
    try:
        load = await model.load()
    except CallError as error:
        return Check(title, "note", f"vLLM, but its figures cannot be had: {error.message}")
    if load is None:
        return Check(title, "note", "vLLM, but its figures cannot be had", "Let /metrics through, and calls are paced by them.")
    detail = (
        f"vLLM · {load.running} running, {load.waiting} waiting · {load.cached_share():.0%} of prompt tokens from its cache"
    )
    return Check(title, "ok", detail)


def _show(checks: list[Check], ok: bool) -> None:
    ending = "Ready." if ok else "Not ready: mend what is marked ✗."
    if not is_terminal(sys.stdout):
        for check in checks:
            write(f"{check.status:5} {check.name:16} {one_line(' · '.join(filter(None, (check.detail, check.hint))), 500)}\n")
        write(ending.replace("✗", "fail") + "\n")
        return
    from rich.table import Table
    from rich.text import Text

    out = console(sys.stdout)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for check in checks:
        mark, colour = MARKS[check.status]
        detail = Text(safe(check.detail))
        if check.hint:
            detail.append(f"\n{safe(check.hint)}", style=colour if check.status == "fail" else "dim")
        table.add_row(Text(mark, style=colour), check.name, detail)
    out.print(table)
    out.print(Text(f"\n{ending}", style="bold green" if ok else "bold red"))
