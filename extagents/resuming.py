"""Going on with a stored run: what was asked and how, from what the memory kept of it."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ValidationError

from extagents.errors import InputError, SettingsError, StoreError
from extagents.memory.base import RunRecord
from extagents.request import Request, told_history
from extagents.settings import Settings
from extagents.types import Answer, Compressed, Turn

# What decides the prompts: a run goes on as it was begun, or it would pay for its calls again.
DECIDING = (
    "effort", "strategy", "rounds", "shard_tokens", "window", "knowledge_tokens", "memory_tokens", "lanes", "heads", "without",
    "output_tokens", "prompts", "seed",
)  # fmt: skip
# What may be given anew; otherwise it is as it was.
OPEN = ("budget", "base_url", "prices", "concurrency", "timeout", "read_cache", "lease_seconds")


def request_of_run(record: RunRecord, over: Any, schema: type[BaseModel] | None) -> Request:
    """The request that the run was begun with, to be gone on with; `over` and `schema` where the memory cannot hold them.

    Raises `InputError` where the input was not given as paths and is not given now, `SettingsError` where a schema is missing.
    """
    manifest, told = record.manifest, record.manifest.request
    if not told:
        raise StoreError(
            f"The run {manifest.run!r} was stored by an older version, which did not keep how it was asked.",
            hint="Ask again with the same question and input, --run NAME and --resume.",
            run_id=manifest.run,
        )
    finished = record.status == "done" and record.answer is not None and schema is None
    if over is None:
        over = told["over"]
    if over is None and not finished:
        raise InputError(
            f"The run {manifest.run!r} was given documents, which the memory does not keep.",
            hint="Give the same documents again: over= or --over.",
            run_id=manifest.run,
        )
    if told["schema"] is not None and schema is None:
        raise SettingsError(
            f"The answer of the run {manifest.run!r} fills the schema {told['schema']}, which the memory does not keep.",
            hint="Give the same pydantic model again: schema=.",
            run_id=manifest.run,
        )
    return Request(
        question=manifest.question,
        over=over if over is not None else (),
        instructions=told["instructions"],
        history=tuple(Turn.model_validate(turn) for turn in told["history"]),
        schema=schema,
        run=manifest.run,
        resume=True,
        kind=told["kind"],
        words=told["words"],
        goal=told["goal"],
        tokens=told["tokens"],
        granularity=told["granularity"],
    )


def settings_of_run(record: RunRecord, now: Settings) -> Settings:
    """The settings that the run was begun with, under what is given now of budget, endpoint and the like."""
    stored, given = record.manifest.settings, now.model_fields_set
    kept = {name: stored[name] for name in DECIDING if name in stored}
    kept |= {name: stored[name] for name in OPEN if name in stored and name not in given}
    kept["budget"] = {**stored.get("budget", {}), **now.budget.model_dump(exclude_unset=True)}
    try:
        return Settings(**{**now.given, **kept})
    except ValidationError as error:
        raise StoreError(
            f"The settings of the run {record.manifest.run!r} are not understood: it was stored by another version.",
            hint="Use the release that wrote it, or ask again under another name.",
            run_id=record.manifest.run,
        ) from error


def models_of_run(record: RunRecord) -> dict[str, str]:
    """The models that the run was begun with, by role, `default` for the rest. Raises `SettingsError` for model objects."""
    models = record.manifest.request.get("models")
    if models is None:
        raise SettingsError(
            f"The run {record.manifest.run!r} was begun with a model object ({record.manifest.model}), which cannot be stored.",
            hint="Give the model again: model= or --model.",
            run_id=record.manifest.run,
        )
    return cast(dict[str, str], models)


def kept_whole(answer: Answer | Compressed) -> dict[str, Any]:
    """The answer as it is stored: with titles and what stands around the quotes, which are no part of what is printed."""
    kept = answer.model_dump(mode="json")
    if isinstance(answer, Answer):
        for told, citation in zip(kept["citations"], answer.citations, strict=True):
            told |= {"title": citation.title, "before": citation.before, "after": citation.after}
    return kept


def finished_with(stored: RunRecord, request: Request) -> Answer | Compressed | None:
    """What a finished run ended with; None for one that has something left to do."""
    if stored.answer is None or stored.status != "done" or request.schema is not None:
        return None
    compressing = request.goal == "compress"
    told = stored.manifest.request
    if told and (told["instructions"], told["history"]) != (request.instructions, told_history(request)):
        return None  # the same question, but another form of the answer
    try:
        answer = (Compressed if compressing else Answer).model_validate(stored.answer)
    except ValidationError as error:
        from extagents.memory.stored import unreadable

        raise unreadable(f"The answer of the run {stored.manifest.run!r}") from error
    if isinstance(answer, Compressed):  # another length is another result, from the same reports
        same = (told.get("tokens"), told.get("granularity")) == (request.tokens, request.granularity)
        return answer if same else None
    return answer


def refuse_busy(stored: RunRecord) -> None:
    """Raises `RunBusy` for a run that somebody works on."""
    from extagents.memory.lease import busy, live

    if stored.lease is not None and live(stored.lease):
        raise busy(stored.manifest.run, stored.lease)
