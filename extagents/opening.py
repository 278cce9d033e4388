"""Opening a run: its input loaded, its window settled, its workspace made from what the memory has of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, get_args

from extagents import events
from extagents.agents.calls import Desk
from extagents.catalogue import Catalogues
from extagents.cohort import Membership
from extagents.corpus.corpus import Corpus
from extagents.errors import RunExists, SettingsError
from extagents.executors.base import Executor
from extagents.executors.local import LocalExecutor
from extagents.gate import Account, Gate
from extagents.memory.base import Memory
from extagents.memory.lease import Holding
from extagents.models.base import ModelInfo
from extagents.prompts import language_of, own_prompts
from extagents.request import Request
from extagents.settings import Settings
from extagents.types import Role, StoppedBy
from extagents.workspace import Halted, Workspace

DEFAULT_WINDOW = 32_768  # tokens, where nobody knows the model's own
SMALLEST_WINDOW = 3_000  # tokens: below it, prompt, knowledge and answer leave no room for text
PROGRESS_EVERY = 0.1  # seconds between two reports on loading
LOCAL_LANES = 8  # reader lanes of a model that runs in this process: enough to keep the store busy beside it
KNOWN_IN_BATCH = 150  # tokens of knowledge in a read of a batch: where the shard is in the server's cache, they are what costs
NO_MODEL = (
    "No language model is configured: answers are extracted from the text by words alone. "
    "Set one with --model (for example openai:gpt-4o-mini) or EXTAGENTS_MODEL."
)


async def load(
    over: Any,
    info: ModelInfo,
    on_event: Callable[[events.Event], None],
    *,
    halted: Callable[[], StoppedBy | None],
) -> Corpus:
    """The corpus with its index, on a thread. What `halted` says ends it between two files."""
    told = 0.0

    def on_progress(done: int, total: int) -> None:
        nonlocal told
        if (stopped_by := halted()) is not None:
            raise Halted(stopped_by)
        if time.monotonic() - told >= PROGRESS_EVERY or done == total:
            told = time.monotonic()
            on_event(events.Progress(phase="load", done=done, total=total))

    on_event(events.Progress(phase="load"))
    corpus = await asyncio.to_thread(Corpus.load, over, encoding=info.encoding, on_progress=on_progress)
    on_event(events.Progress(phase="index"))
    await asyncio.to_thread(lambda: corpus.index)
    return corpus


async def workspace_of(
    request: Request,
    holding: Holding,
    corpus: Corpus,
    *,
    gate: Gate,
    settings: Settings,
    window: int,
    started: float,
    named: dict[str, str] | None,
    on_event: Callable[[events.Event], None],
    executor: Executor,
    catalogues: Catalogues,
    member: Membership | None = None,
) -> Workspace:
    """The workspace of a run whose lease is held, with what an earlier part of it left in the memory.

    `window` is in tokens, `started` a `time.monotonic()` value; `named` are the models' names by role, if all of them have one.
    `executor` runs its readers, `catalogues` hold the coordinator's tables, `member` is the run's place in a batch.
    """
    memory, run_id, budget = holding.memory, holding.run, settings.budget
    known = request.run is not None
    stored = await memory.load_run(run_id) if known else None
    if stored is not None and not request.resume:
        raise RunExists(f"A run named {run_id!r} was started meanwhile.", hint="Choose another name.", run_id=run_id)
    if stored is not None and stored.manifest.corpus != corpus.fingerprint:
        hint = "Give the input that it was begun with, or ask under another name."
        raise RunExists(f"The run named {run_id!r} read another input.", hint=hint, run_id=run_id)
    output_tokens = min(settings.output_tokens, window // 4)
    ends = [member.deadline] if member is not None and member.deadline is not None else []
    ends += [started + budget.seconds] if budget.seconds is not None else []
    account = Account(
        run_id,
        budget,
        memory=memory,
        deadline=min(ends, default=None),
        spent=await memory.spent(run_id) if known else None,
        answered=await memory.journal(run_id) if known else None,
        fence=holding.token,
        parent=None if member is None else member.account,
        share=None if member is None else member.share,
    )
    in_batch = member is not None and member.cohort is not None and "knowledge_tokens" not in settings.model_fields_set
    knowledge = min(settings.knowledge_tokens, KNOWN_IN_BATCH) if in_batch else settings.knowledge_tokens
    desk = Desk(
        gate=gate,
        account=account,
        language=language_of(request.question),
        window=window,
        output_tokens=output_tokens,
        secret=await memory.secret(),
        knowledge_tokens=min(knowledge, window // 8),
        own=await asyncio.to_thread(own_prompts, settings.prompts),
    )
    local = gate.model("reader").local
    workspace = Workspace(
        run_id=run_id,
        request=request,
        settings=settings,
        gate=gate,
        memory=memory,
        holding=holding,
        executor=executor,
        catalogues=catalogues,
        account=account,
        started=started,
        corpus=corpus,
        desk=desk,
        listener=on_event,
        readers=min(settings.concurrency, LOCAL_LANES) if local else settings.concurrency,
        remember_reads=settings.read_cache and not local,
        shared=corpus is request.over if member is None else member.shared,
        named=named,
        member=member,
    )
    if stored is not None:
        workspace.go_on(stored, await memory.reports(run_id), await memory.events(run_id))
    return workspace


def executor_of(settings: Settings, reader: Any, memory: Memory) -> Executor:
    """Who runs the readers. `reader` is their model as it was given. Raises `SettingsError` for what cannot be distributed."""
    if settings.executor == "local":
        return LocalExecutor()
    from extagents.executors.cluster import load as load_ray

    load_ray()
    from extagents.executors.ray import RayExecutor

    return RayExecutor(settings, reader, memory)


async def window_of(gate: Gate, settings: Settings) -> tuple[int, str]:
    """The smallest window of the roles' models; asked, else looked up, else assumed with a notice."""
    if settings.window is not None:
        window, notice = settings.window, ""
    else:
        known = [(await gate.describe(role)).window for role in get_args(Role) if role != "planner"]
        sizes = [size for size in known if size is not None]
        window = min(sizes, default=DEFAULT_WINDOW)
        notice = ""
        if len(sizes) < len(known) and not gate.model("reader").local:
            window = min(window, DEFAULT_WINDOW)
            notice = f"The model's window is not known; {window} tokens are assumed. Set it with --window."
    if window < SMALLEST_WINDOW:
        raise SettingsError(
            f"A window of {window} tokens leaves no room for text beside the prompts.",
            hint=f"Use a model with at least {SMALLEST_WINDOW} tokens.",
        )
    return window, notice


def wordless(gate: Gate) -> list[str]:
    """One line where roles are played without a language model."""
    roles = [role for role in get_args(Role) if gate.model(role).name == "extractive"]
    if len(roles) == len(get_args(Role)):
        return [NO_MODEL]
    return [f"No language model is configured for: {', '.join(roles)}. They work by words alone."] if roles else []


def unreadable(corpus: Corpus) -> list[str]:
    """One line about what could not be read."""
    if not corpus.unreadable:
        return []
    shown = "; ".join(f"{item.path}: {item.reason}" for item in corpus.unreadable[:3])
    more = f" and {len(corpus.unreadable) - 3} more" if len(corpus.unreadable) > 3 else ""
    noun = "file" if len(corpus.unreadable) == 1 else "files"
    return [f"{len(corpus.unreadable)} {noun} could not be read ({shown}{more}); see `extagents corpus`."]
