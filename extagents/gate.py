"""Every model call passes here: reserve budget → wait for a place → call → retry → parse → settle usage.

What a call may cost at most is reserved before it starts, and what it did cost is settled after it, whatever happens in
between: a call that was cancelled or timed out at its upper bound, one that was refused at one call and no tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from extagents import journal
from extagents.account import Account, BudgetEnded, Closed, DeadlineEnded, Stop
from extagents.budget import Amount, Budget
from extagents.errors import CallError, CallErrorKind, ModelError, SettingsError
from extagents.frozen import Whole
from extagents.limiter import Clock, Endpoint, Limiter, Place, Sleep
from extagents.memory.base import Memory
from extagents.models.base import Completion, Model, ModelInfo, Prompt
from extagents.observing import CallBegan, CallEnded
from extagents.parsing import FieldStream, Unparsable, ask_again, parse, schema_text
from extagents.types import Role, Usage

__all__ = ["Account", "BudgetEnded", "CallFailed", "Called", "DeadlineEnded", "Gate", "Stop"]

T = TypeVar("T", bound=BaseModel)

REFUSALS_PER_ATTEMPT = 5  # a refusal for load says "later", not "no": it uses up a fifth of an attempt
PATIENCE = 120.0  # seconds without one answer, after which an endpoint that refuses or drops every call is given up
LONGEST_WAIT = 600.0  # seconds: a server that wants to be left alone for longer is given up at once
MOODS = 3  # tries of a call whose answer was withheld, or is no answer at all: it may be a mood
TOO_LONG = 2  # tries of a call that the server calls too long and that cannot be split
TIMEOUT_WEIGHT = 2  # attempts that one without an answer in time counts as: it costs more than any other
UNREACHED = 3  # connection failures in a row, none having ever succeeded, after which the endpoint counts as out of reach
FAILED = 8  # calls in a row given up for good, or never answered usably, after which the next will not fare better

_HINTS: dict[CallErrorKind, str] = {
    "auth": "Check the key: OPENAI_API_KEY, or api_key=.",
    "not_found": "Check the model's name and the base URL (--base-url).",
    "connection": "Is the server running, and is the base URL (--base-url) right?",
    "rate_limit": "Try again later, or lower --concurrency.",
    "server": "Try again later.",
    "timeout": "Try again later, or lower --concurrency or --shard-tokens.",
    "malformed": "Try a model that follows instructions better, or an endpoint with structured output.",
    "truncated": "Try a model that writes less, or smaller shards (--shard-tokens).",
    "context_length": "Give the model's window with --window, or smaller shards with --shard-tokens.",
    "content_filter": "The provider withheld the answer; another model may not.",
    "bad_request": "Check that the endpoint speaks the OpenAI chat completions API and serves this model.",
}
_MOODS = ("malformed", "content_filter", "context_length")
_SPLIT = ("reader", "memory")  # roles whose text is read in halves where it is too long
_PASSING_FOR_GOOD = ("rate_limit", "server", "timeout", "connection", "bad_request")


# ------------------------------------------------------------------ what leaves the gate


class CallFailed(Exception):
    """One call failed for good. `usage` is what all its attempts cost; `fatal`: every later call will fail the same way."""

    def __init__(self, kind: CallErrorKind, message: str, *, usage: Usage, fatal: bool = False, model: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.usage = usage
        self.fatal = fatal
        self.model = model
        self.hint = _HINTS[kind]

    def as_error(self, *, run_id: str | None = None, spent: Usage | None = None) -> ModelError:
        """The same as an error for the user."""
        retryable = self.kind in ("rate_limit", "server", "timeout", "connection")
        message = _sentence(f"{self.model}: {self.message}" if self.model else self.message)
        return ModelError(
            message, hint=self.hint, run_id=run_id, retryable=retryable, spent=spent or self.usage, kind=self.kind
        )


@dataclass(frozen=True, slots=True)
class Called(Generic[T]):
    """A call's result. `usage` covers all attempts, repairs included; `reasoning` is what the model thought."""

    output: T
    usage: Usage
    model: str
    reasoning: str = ""


# ------------------------------------------------------------------ the gate


@dataclass
class _Attempts:
    """What one call has tried so far. `key` is what its answer is kept under."""

    name: str
    key: str
    successes: int  # of the endpoint, when the call began
    usage: Usage = field(default_factory=Usage)
    tried: int = 0
    refused: int = 0  # of those: told to come later, or dropped while nobody was answered
    passed_over: int = 0  # of the refused: while others were answered
    seen: int = -1  # answers of the endpoint at the last refusal
    moods: int = 0
    unusable: int = 0  # answers that could not be used
    put_off: bool = False  # whether the last attempt was refused
    final: bool = False  # whether the call may use what is kept for the end
    parts: tuple[str, ...] = ()  # what the parts of its answer are kept under, where it answers several calls at once

    def begin(self) -> None:
        """A further completion has all its tries."""
        self.tried = self.refused = self.passed_over = self.moods = 0
        self.seen, self.put_off = -1, False

    def refuse(self, answers: int) -> None:
        """Books a refusal; `answers` is how many the endpoint has given so far."""
        self.put_off = True
        self.refused += 1
        self.passed_over += 0 <= self.seen < answers
        self.seen = answers


class Gate:
    """The one pipe that every model call passes.

    `models` maps a role to its model; the key `"default"` holds the model of all other roles. `timeout` is in seconds per
    attempt, `attempts` the number of tries of a call that fails in passing. `clock` and `sleep` can be replaced in tests.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        limiter: Limiter | None = None,
        memory: Memory | None = None,
        attempts: int = 6,
        timeout: float = 300.0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if "default" not in models:
            raise SettingsError("No model is given.", hint='Give one, for example "extractive" or "openai:NAME".')
        self.models = dict(models)
        self.limiter = limiter or Limiter(clock=clock, sleep=sleep)
        self.memory = memory
        self.attempts = attempts
        self.timeout = timeout
        self._clock = clock
        self._sleep = sleep
        self._infos: dict[int, ModelInfo] = {}
        self._usable: dict[int, int] = {}  # unusable answers in a row while none was ever usable; -1 once one was
        self._settling: set[asyncio.Task[None]] = set()

    def model(self, role: Role) -> Model:
        """The model that plays this role."""
        return self.models.get(role) or self.models["default"]

    async def describe(self, role: Role) -> ModelInfo:
        """What is known of the role's model; asked once."""
        model = self.model(role)
        info = self._infos.get(id(model))
        if info is None:
            info = self._infos[id(model)] = await model.describe()
        return info

    def affirm_prices(self, role: Role, info: ModelInfo, budget: Budget) -> None:
        """Raises `SettingsError` where the budget is in USD and no price is known for the role's model."""
        model = self.model(role)
        if budget.cost is not None and info.prices is None and not model.local:
            raise SettingsError(
                f"A budget in USD is set, but no price is known for {model.name}.",
                hint="Give its prices, or limit tokens (--max-tokens) or calls (--max-calls) instead.",
            )

    def upper_bound(self, prompt: Prompt[Any]) -> Amount:
        """The most that one attempt of this call can cost. Its cost is 0 until `describe` has told the prices."""
        return Amount.of(self._bound(prompt, self.model(prompt.role)))

    def tight_bound(self, prompt: Prompt[Any]) -> Amount:
        """The same, counted where the model's own encoding is at hand: what is reserved where the plain bound is too much."""
        model = self.model(prompt.role)
        return Amount.of(self._counted(prompt, model, self._bound(prompt, model)))

    async def call(
        self,
        prompt: Prompt[T],
        account: Account,
        *,
        final: bool = False,
        call_id: str = "",
        on_delta: Callable[[str], None] | None = None,
        parts: tuple[str, ...] = (),
    ) -> Called[T]:
        """Makes the call and gives its typed answer.

        `final` opens what the account keeps back. `call_id` names the reservation: give one that a resumed run would give
        again. `on_delta` gets the answer's text (the field `answer`, decoded) as it arrives, nothing twice; where a further
        attempt words it otherwise, no more is told. `parts` are the keys of the calls that this one answers together.
        Raises `BudgetEnded` or `DeadlineEnded` when nothing more may start,
        `CallFailed` when this call failed for good, `SettingsError` when a ceiling in USD is set for a model without prices.
        """
        if account.trace is None:
            return await self._call(prompt, account, final=final, call_id=call_id, on_delta=on_delta, parts=parts)
        model = self.model(prompt.role)
        began = CallBegan(
            role=prompt.role,
            model=model.name,
            name=call_id,
            output_tokens=prompt.max_output_tokens,
            messages=prompt.messages,
        )
        replayed = bool(account.answered) and journal.key_of(prompt) in account.answered
        with account.trace.call(began) as ended:
            try:
                called = await self._call(prompt, account, final=final, call_id=call_id, on_delta=on_delta, parts=parts)
            except CallFailed as failure:
                ended(CallEnded("failed", kind=failure.kind, usage=failure.usage, error=failure))
                raise
            except Stop as stop:
                ended(CallEnded("stopped", kind=stop.stopped_by, error=stop))
                raise
            except Exception as error:
                ended(CallEnded("failed", kind=type(error).__name__, error=error))
                raise
            outcome = "replayed" if replayed else "answered"
            ended(CallEnded(outcome, usage=called.usage, model=called.model, output=called.output))
            return called

    async def _call(
        self,
        prompt: Prompt[T],
        account: Account,
        *,
        final: bool,
        call_id: str,
        on_delta: Callable[[str], None] | None,
        parts: tuple[str, ...],
    ) -> Called[T]:
        if account.memory is None:
            account.memory = self.memory
        model = self.model(prompt.role)
        info = await self.describe(prompt.role)
        for payer in (account, account.parent):
            if payer is not None:
                self.affirm_prices(prompt.role, info, payer.budget)
        key = journal.key_of(prompt)
        if (kept := account.answered.get(key)) is not None:
            output, usage, answered_by = journal.replayed(kept, prompt.output)
            return Called(output=output, usage=usage, model=answered_by)
        if account.ended or (account.closed and not final):
            raise Closed("the run was told to end")
        attempts = _Attempts(
            name=account.name(call_id, prompt.role),
            key=key,
            successes=self._endpoint(model).successes,
            final=final,
            parts=parts,
        )
        keep = Amount() if final else account.keep
        deltas = None if on_delta is None else _Deltas(on_delta, decoded="answer" in prompt.output.model_fields)
        remaining = self._remaining(account)
        try:
            async with asyncio.timeout(remaining) as scope:
                account.scopes.add(scope)
                return await self._answer(prompt, model, account, attempts, keep, deltas)
        except TimeoutError:
            if not scope.expired():
                raise
            raise DeadlineEnded("the run's time is up") from None
        finally:
            account.scopes.discard(scope)

    def _endpoint(self, model: Model) -> Endpoint:
        return self.limiter.endpoint(getattr(model, "endpoint", model.name), probe=getattr(model, "load", None))

    async def aclose(self) -> None:
        """Waits for what is still being settled."""
        if self._settling:
            await asyncio.gather(*self._settling, return_exceptions=True)  # each is told to whoever made the call

    # ---- parse and repair

    async def _answer(
        self,
        prompt: Prompt[T],
        model: Model,
        account: Account,
        attempts: _Attempts,
        keep: Amount,
        deltas: _Deltas | None,
    ) -> Called[T]:
        completion = _unusable_before(prompt, account, attempts)
        if completion is None:
            completion = await self._complete(prompt, model, account, attempts, keep, deltas)
        # One that has answered usably before may only have had a mood, and is asked once more than one that never has.
        repairs = 2 if self._usable.get(id(model), 0) < 0 or account.answered else 1
        too_long = False
        while True:
            try:
                output = self._typed(completion, prompt)
                break
            except Unparsable as error:
                unusable = error
            if _cut(completion, prompt):
                message = "The answer was cut at the output limit."
                raise CallFailed("truncated", message, usage=attempts.usage, model=model.name)
            if repairs == 0:
                raise self._unusable(model, completion, unusable, attempts) from None
            repairs -= 1
            asked = prompt if too_long else ask_again(prompt, completion, str(unusable), self._infos[id(model)].window)
            before = _unusable_before(asked, account, attempts)
            try:
                completion = before or await self._complete(asked, model, account, attempts, keep, None)
            except BudgetEnded:
                raise self._unusable(model, completion, unusable, attempts) from None
            except CallFailed as last:
                if last.kind != "context_length" or too_long:
                    raise
                too_long = True  # with what was wrong shown beside it; alone it was not
        self._usable[id(model)] = -1
        return Called(output=output, usage=attempts.usage, model=completion.model or model.name, reasoning=completion.reasoning)

    def _typed(self, completion: Completion[T], prompt: Prompt[T]) -> T:
        if completion.output is not None:
            return completion.output
        if _cut(completion, prompt):
            raise Unparsable("the answer ends before it is complete")
        return parse(completion.text, prompt.output, truncated=completion.finish == "length")

    def _unusable(self, model: Model, completion: Completion[Any], error: Exception, attempts: _Attempts) -> CallFailed:
        """The failure of a call whose answers could not be used."""
        seen = self._usable.get(id(model), 0)
        if seen >= 0:
            self._usable[id(model)] = seen = seen + 1
        kind: CallErrorKind = "truncated" if completion.finish == "length" else "malformed"
        what = "was cut at the output limit" if kind == "truncated" else f"is not what was asked for ({error})"
        return CallFailed(kind, f"The answer {what}.", usage=attempts.usage, fatal=seen >= FAILED, model=model.name)

    # ---- retry

    async def _complete(
        self,
        prompt: Prompt[T],
        model: Model,
        account: Account,
        attempts: _Attempts,
        keep: Amount,
        deltas: _Deltas | None,
    ) -> Completion[T]:
        """One completion, tried again while what went wrong may pass."""
        endpoint = self._endpoint(model)
        attempts.begin()

        def enough(state: RetryCallState) -> bool:
            tries = attempts.tried - attempts.refused + attempts.passed_over / REFUSALS_PER_ATTEMPT
            return tries >= self.attempts or (attempts.put_off and self.limiter.silence(endpoint) >= PATIENCE)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            told = (error.retry_after if isinstance(error, CallError) else None) or 0.0
            if attempts.put_off:
                # The limiter paces everyone; a call's own back-off would only come late to a recovered endpoint.
                return told or min(2.0, _backoff(state))
            return max(told, _backoff(state))

        async def sleep(seconds: float) -> None:
            remaining = self._remaining(account)
            if remaining is not None and seconds >= remaining:
                raise DeadlineEnded("the run's time is up before the call can be tried again")
            await self._sleep(seconds)

        def again(error: BaseException) -> bool:
            if not isinstance(error, CallError) or (error.retry_after or 0.0) > LONGEST_WAIT:
                return False
            if error.kind == "context_length":
                return prompt.role not in _SPLIT and attempts.moods < TOO_LONG
            return error.passing or (error.kind in _MOODS and attempts.moods < MOODS)

        retrying = AsyncRetrying(stop=enough, wait=wait, sleep=sleep, retry=retry_if_exception(again), reraise=True)
        try:
            return cast(
                Completion[T],
                await retrying(self._once, prompt, model, endpoint, account, attempts, keep, deltas),
            )
        except CallError as error:
            raise self._failed(error, model, endpoint, attempts) from error

    def _failed(self, error: CallError, model: Model, endpoint: Endpoint, attempts: _Attempts) -> CallFailed:
        """The call's failure for good, and whether later calls can fare better."""
        fatal, message = error.kind in ("auth", "not_found"), error.message
        if error.kind in _PASSING_FOR_GOOD:
            endpoint.failed += 1
            none_since = endpoint.successes == attempts.successes
            silent = error.kind in ("connection", "rate_limit") and none_since
            # One call that alone is refused or dropped says nothing of the others.
            everyone = endpoint.successes == 0 or len(endpoint.silenced) > 1 or _never_made(error)
            fatal = endpoint.failed >= FAILED or (silent and everyone)
            if (error.retry_after or 0.0) > LONGEST_WAIT:
                fatal, message = True, f"{_sentence(message)} The server asks to come back in {error.retry_after:.0f} s."
            elif attempts.put_off and (silence := self.limiter.silence(endpoint)) >= PATIENCE:
                fatal, message = everyone, f"{_sentence(message)} Nothing was answered for {silence:.0f} s."
        return CallFailed(error.kind, message, usage=attempts.usage, fatal=fatal, model=model.name)

    # ---- one attempt

    async def _once(
        self,
        prompt: Prompt[T],
        model: Model,
        endpoint: Endpoint,
        account: Account,
        attempts: _Attempts,
        keep: Amount,
        deltas: _Deltas | None,
    ) -> Completion[T]:
        bound = self._bound(prompt, model)
        if not account.covers(Amount.of(bound), keep=keep):
            bound = self._counted(prompt, model, bound)
        amount = Amount.of(bound)
        await account.reserve(attempts.name, amount, keep=keep, final=attempts.final)
        first = attempts.usage.calls == 0
        attempts.tried += 1
        attempts.put_off = False
        on_delta = None if deltas is None else deltas.attempt()
        answers = endpoint.successes
        usage = Usage()
        completion: Completion[T] | None = None
        output: T | None = None
        place: Place | None = None
        try:
            if model.local:
                await asyncio.sleep(0)  # other tasks get their turn between two calls that never wait
                usage = bound
                completion = await model.complete(prompt, on_delta=on_delta)
            else:
                place = await self.limiter.acquire(endpoint, amount.tokens, priority=_priority(prompt, attempts))
                usage = bound  # from here on, a call that is broken off may have cost all that it could
                completion = await self._timed(prompt, model, account, on_delta)
                self.limiter.success(endpoint, place)
                place = None
            usage = self._priced(completion.usage, model)
            account.trouble = ""
            with contextlib.suppress(Unparsable):  # whoever asked says so, and asks once more
                output = self._typed(completion, prompt)
            return replace(completion, output=output)
        except CallError as error:
            account.trouble = error.message
            usage = self._cost_of(error, bound, model)
            attempts.moods += error.kind in _MOODS
            if place is not None:
                self._note(error, endpoint, place, attempts, answers)
                place = None
            if error.kind == "connection" and not endpoint.reached and endpoint.unreached >= UNREACHED:
                raise CallFailed(
                    "connection", error.message, usage=attempts.usage + usage, fatal=True, model=model.name
                ) from error
            raise
        finally:
            if place is not None:
                self.limiter.release(endpoint, place)
            if not first and usage.calls:
                usage = usage.model_copy(update={"retries": usage.retries + 1})
            attempts.usage = attempts.usage + usage
            account.roles[prompt.role] = account.roles.get(prompt.role, Usage()) + usage
            answered = None
            if completion is not None and output is not None:
                body = journal.kept(output, attempts.usage, completion.model or model.name, parts=attempts.parts)
                answered = (attempts.key, body)
            elif completion is not None:
                answered = (journal.unusable_key(prompt, attempts.unusable), journal.kept_unusable(completion, attempts.usage))
                attempts.unusable += 1
            await self._settle(account, attempts.name, usage, answered)

    async def _timed(
        self, prompt: Prompt[T], model: Model, account: Account, on_delta: Callable[[str], None] | None
    ) -> Completion[T]:
        remaining = self._remaining(account)
        limit = self.timeout if remaining is None else min(self.timeout, remaining)
        try:
            async with asyncio.timeout(self.timeout) as scope:
                return await model.complete(prompt, timeout=limit, on_delta=on_delta)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise CallError("timeout", f"No answer within {self.timeout:g} s.") from error

    def _note(self, error: CallError, endpoint: Endpoint, place: Place, attempts: _Attempts, answers: int) -> None:
        """Tells the limiter what the failure says about the endpoint, which had given `answers` when the attempt began."""
        if error.kind in ("rate_limit", "connection"):
            endpoint.silenced.add(attempts.key)
        # A server that served and now is not there, or drops one call after another, is down for a while: that asks for
        # patience as a refusal does. One that drops the same call again and again may be unable to bear it.
        down = error.kind == "connection" and 0 < answers == endpoint.successes
        if error.kind == "rate_limit" or (down and (_never_made(error) or len(endpoint.silenced) > 1)):
            attempts.refuse(endpoint.successes)
            after = error.retry_after if (error.retry_after or 0.0) <= LONGEST_WAIT else None
            self.limiter.trouble(endpoint, place, retry_after=after)
        elif error.kind == "timeout":
            attempts.tried += TIMEOUT_WEIGHT - 1
            self.limiter.trouble(endpoint, place, refused=False)
        elif error.kind == "connection":
            self.limiter.unreachable(endpoint, place)
        else:
            self.limiter.answered(endpoint, place)

    def _cost_of(self, error: CallError, bound: Usage, model: Model) -> Usage:
        """What a failed attempt cost: as told, else all that it could where the model may have worked, else one call."""
        if isinstance(error.usage, Usage):
            return self._priced(error.usage, model)
        worked = error.kind in ("timeout", "connection", "malformed", "truncated", "content_filter")
        return bound if worked else self._priced(Usage(calls=1), model)

    async def _settle(self, account: Account, name: str, usage: Usage, answered: tuple[str, str] | None) -> None:
        """Settles even if the caller is cancelled meanwhile."""
        if account.memory is None:
            await account.settle(name, usage)  # never waits
            return
        task = asyncio.create_task(account.settle(name, usage, answered=answered))
        self._settling.add(task)
        task.add_done_callback(self._settled)
        await asyncio.shield(task)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits is told; of a caller that was cancelled nobody does, and asyncio would print it

    # ---- amounts

    def _remaining(self, account: Account) -> float | None:
        """Seconds until the account's deadline, None where it has none. Raises `DeadlineEnded` when it has passed."""
        if account.deadline is None:
            return None
        remaining = account.deadline - self._clock()
        if remaining <= 0:
            raise DeadlineEnded("the run's time is up")
        return remaining

    def _bound(self, prompt: Prompt[Any], model: Model) -> Usage:
        """The most that one attempt can use: a token is at least one byte of the prompt, whatever the encoding."""
        size = 64 + sum(
            len(part.content) if part.content.isascii() else len(part.content.encode("utf-8", "surrogatepass"))
            for part in prompt.messages
        )
        size += 16 * len(prompt.messages)
        if not model.local:
            size += 2 * len(schema_text(cast(Any, prompt.output)))
        return self._priced(Usage(calls=1, input_tokens=size, output_tokens=prompt.max_output_tokens), model)

    def _counted(self, prompt: Prompt[Any], model: Model, bound: Usage) -> Usage:
        """A tighter bound for when the plain one is too much: counted, if the model's own encoding is at hand."""
        info = self._infos.get(id(model))
        if info is None or info.encoding is None:
            return bound
        from extagents.corpus.tokens import TokenCounter

        counter = TokenCounter(info.encoding)
        if not counter.exact:
            return bound
        size = 64 + 16 * len(prompt.messages) + 2 * len(schema_text(cast(Any, prompt.output)))
        size += sum(counter.count(part.content) for part in prompt.messages)
        counted = Usage(calls=1, input_tokens=min(size, bound.input_tokens), output_tokens=prompt.max_output_tokens)
        return self._priced(counted, model)

    def _priced(self, usage: Usage, model: Model) -> Usage:
        """The usage with its cost in USD, where prices are known; local models cost nothing."""
        if usage.cost is not None:
            return usage
        if model.local:
            return usage.model_copy(update={"cost": 0.0})
        info = self._infos.get(id(model))
        if info is None or info.prices is None:
            return usage
        prices = info.prices
        cached = prices.input if prices.cached is None else prices.cached
        fresh = usage.input_tokens - usage.cached_tokens
        cost = (fresh * prices.input + usage.cached_tokens * cached + usage.output_tokens * prices.output) / 1e6
        return usage.model_copy(update={"cost": cost})


# ------------------------------------------------------------------ small parts


def _unusable_before(prompt: Prompt[T], account: Account, attempts: _Attempts) -> Completion[T] | None:
    """An answer that could not be used, if an earlier part of the run got one: it is paid, only what follows is asked."""
    kept = account.answered.get(journal.unusable_key(prompt, attempts.unusable)) if account.answered else None
    if kept is None:
        return None
    completion: Completion[T] = journal.replayed_unusable(kept)
    attempts.unusable += 1
    attempts.usage = completion.usage
    return completion


def _cut(completion: Completion[Any], prompt: Prompt[Any]) -> bool:
    """Whether an answer that has to be whole was cut: no repair makes it shorter."""
    return completion.finish == "length" and completion.output is None and issubclass(prompt.output, Whole)


def _backoff(state: RetryCallState) -> float:
    """Seconds before the next attempt: 0.5, 1, 2, 4, 8, 16 and up to half a second more, so that calls spread."""
    return min(16.0, 0.25 * 2.0 ** min(state.attempt_number, 10)) + random.uniform(0.0, 0.5)


def _priority(prompt: Prompt[Any], attempts: _Attempts) -> int:
    """Who goes first when places are short: what others wait for, then what was begun, then new readings."""
    if prompt.role != "reader":
        return 0
    return 1 if attempts.usage.calls else 2


def _never_made(error: CallError) -> bool:
    """Whether the error is of a connection that was never made: it costs one call and no tokens."""
    return error.kind == "connection" and isinstance(error.usage, Usage) and error.usage.input_tokens == 0


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


class _Deltas:
    """The answer's text on its way to whoever watches; what a further attempt writes again is not told twice."""

    def __init__(self, tell: Callable[[str], None], *, decoded: bool) -> None:
        self._tell = tell
        self._decoded = decoded
        self._told = ""

    def attempt(self) -> Callable[[str], None]:
        """What a backend calls with the raw pieces of one attempt."""
        stream = FieldStream("answer") if self._decoded else None
        text = ""

        def feed(piece: str) -> None:
            nonlocal text
            text += piece if stream is None else stream.feed(piece)
            if len(text) > len(self._told) and text.startswith(self._told):
                fresh, self._told = text[len(self._told) :], text
                self._tell(fresh)

        return feed
