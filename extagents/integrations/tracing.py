"""OpenTelemetry: a span for every run, in it one for every wave of readers, in those one for every call to a model.

>>> from extagents.integrations import tracing
>>> tracing.instrument()

Names and attributes follow OpenTelemetry's conventions for generative AI (`gen_ai.*`); what they have no word for is under
`extagents.*`. Tokens, models, outcomes, names of shards and times are shown; questions, prompts, answers and quotes only with
`content=True` or the setting `trace_content`. A run is a child of the span that is current where it is asked, though the work
is done on a loop of our own.

LangSmith needs nothing of this: where it is switched on (`LANGSMITH_TRACING=true`), and for every LangChain callback, the
same run → wave → call is told as LangChain's runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from extagents import observing
from extagents.errors import ModelError, RunError, SettingsError
from extagents.observing import CallBegan, CallEnded, CallTrace, RunEnded, RunStarted, RunTrace, WaveBegan, WaveEnded, parts_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

SCOPE = "extagents"
_instrumented: observing.Tracer | None = None


def instrument(tracer_provider: TracerProvider | None = None, *, content: bool | None = None) -> None:
    """From now on, runs of this process give spans, to the provider given or to the global one.

    `content` shows texts in them: True or False, and with None as the setting `trace_content` says. Instrumenting again
    replaces what was. Raises `SettingsError` where OpenTelemetry is not installed.
    """
    global _instrumented
    try:
        from opentelemetry import trace
    except ImportError:
        raise SettingsError("OpenTelemetry is not installed.", hint='pip install "extagents[otel]"') from None
    from extagents import __version__

    def begin(run: RunStarted) -> RunTrace:
        tracer = trace.get_tracer(SCOPE, __version__, tracer_provider)
        return _Run(tracer, run, content=run.content if content is None else content)

    uninstrument()
    _instrumented = begin
    observing.tracers.append(begin)


def uninstrument() -> None:
    """From now on, runs give no spans; those under way go on giving theirs."""
    global _instrumented
    if _instrumented is not None:
        observing.tracers.remove(_instrumented)
        _instrumented = None


class _Run:
    """A run's span and those in it."""

    def __init__(self, tracer: Tracer, run: RunStarted, *, content: bool) -> None:
        from opentelemetry import context, trace

        self._tracer = tracer
        self._content = content
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": SCOPE,
            "extagents.run.id": run.run_id,
            "extagents.goal": run.goal,
            "extagents.strategy": run.strategy,
            "extagents.documents": run.documents,
        }
        if content:
            attributes["gen_ai.input.messages"] = _messages([("user", run.question)])
        self._span = tracer.start_span(f"invoke_workflow {SCOPE}", attributes=attributes)
        self._context = trace.set_span_in_context(self._span, context.get_current())
        self._wave: Span | None = None

    def wave_began(self, wave: WaveBegan) -> None:
        attributes: dict[str, Any] = {
            "extagents.wave": wave.wave,
            "extagents.round": wave.round,
            "extagents.shards": wave.shards,
            "extagents.lanes": wave.lanes,
            "extagents.reason": wave.reason,
        }
        self._wave = self._tracer.start_span(f"round {wave.round}", context=self._context, attributes=attributes)

    def wave_ended(self, wave: WaveEnded) -> None:
        if self._wave is not None:
            told = {"read": wave.read, "failed": wave.failed, "cached": wave.cached, "facts": wave.facts}
            self._wave.set_attributes({f"extagents.{name}": count for name, count in told.items()})
            self._wave.end()
            self._wave = None

    def call_began(self, call: CallBegan) -> CallTrace:
        from opentelemetry import trace

        within = self._context
        if self._wave is not None and call.role == "reader":
            within = trace.set_span_in_context(self._wave, self._context)
        provider, name = parts_of(call.model)
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": name,
            "gen_ai.request.max_tokens": call.output_tokens,
            "gen_ai.agent.name": call.role,
            "gen_ai.output.type": "json",
        }
        if call.shard is not None:
            attributes["extagents.shard"] = call.shard
        if self._content:
            attributes["gen_ai.input.messages"] = _messages([(part.role, part.content) for part in call.messages])
        kind = trace.SpanKind.CLIENT
        span = self._tracer.start_span(f"chat {name}", context=within, kind=kind, attributes=attributes)
        return _Call(span, content=self._content)

    def ended(self, end: RunEnded) -> None:
        self._span.set_attributes({"extagents.outcome": end.outcome, **_counted(end.usage)})
        if end.result is not None:
            coverage = end.result.coverage.model_dump()
            self._span.set_attributes({f"extagents.coverage.{name}": count for name, count in coverage.items()})
            if self._content:
                self._span.set_attribute("gen_ai.output.messages", _messages([("assistant", str(end.result))]))
        elif isinstance(end.error, Exception):
            _failed(self._span, _kind(end.error), end.error if self._content else None)
        self._span.end()


class _Call:
    """The span of one call: the current one while the call is made, so that spans of its HTTP client stand in it."""

    def __init__(self, span: Span, *, content: bool) -> None:
        from opentelemetry import context, trace

        self._span = span
        self._content = content
        self._token = context.attach(trace.set_span_in_context(span))

    def ended(self, end: CallEnded) -> None:
        from opentelemetry import context

        context.detach(self._token)
        span = self._span
        span.set_attribute("extagents.outcome", end.outcome)
        if end.model:
            span.set_attribute("gen_ai.response.model", parts_of(end.model)[1])
        if end.outcome == "answered" and end.usage is not None:
            span.set_attributes(_counted(end.usage))
        if end.output is not None and self._content:
            span.set_attribute("gen_ai.output.messages", _messages([("assistant", end.output.model_dump_json())]))
        if end.outcome == "failed":
            if end.usage is not None:
                span.set_attributes(_counted(end.usage))
            _failed(span, end.kind, end.error if self._content else None)
        elif end.kind:
            span.set_attribute("extagents.stopped_by", end.kind)
        span.end()


def _failed(span: Span, kind: str, error: BaseException | None) -> None:
    """Marks the span as failed; what the error says, which may quote the model, is shown with texts only."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind if error is None else str(error)))


def _kind(error: Exception) -> str:
    told = error.kind if isinstance(error, ModelError) else None
    return told or (type(error).__name__ if isinstance(error, RunError) else type(error).__qualname__)


def _counted(usage: Any) -> Mapping[str, Any]:
    """Tokens under the names of the conventions; `input_tokens` holds the cached ones, as there."""
    told: dict[str, Any] = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "extagents.attempts": usage.calls,
    }
    return told if usage.cost is None else {**told, "extagents.cost_usd": usage.cost}


def _messages(said: list[tuple[str, str]]) -> str:
    """Messages as the conventions have them in an attribute: JSON."""
    parts = [{"role": role, "parts": [{"type": "text", "content": content}]} for role, content in said]
    return json.dumps(parts, ensure_ascii=False)
