"""Every error that reaches a user, as one tree.

ExtAgentsError
├── UsageError                the caller can mend it; nothing was spent
│   ├── InputError            nothing readable at the given paths, or an empty question
│   ├── SettingsError         unknown model, missing key, impossible window
│   │   └── BudgetTooSmall    the budget does not cover the smallest run; says what would do
│   ├── RunExists             a run of that name is stored already
│   └── RunBusy               another process is working on the run
└── RunError                  the run failed; carries what it cost and whether a retry can help
    ├── ModelError            the model is out of reach, refuses the key, or never answers usably
    └── StoreError            the memory is out of reach, full, or read-only
        └── LeaseLost         another process has taken the run over; this one may not write to it any more

CallError is the one shape in which a model backend reports a failed call to the gate; it never leaves the gate.
"""

from __future__ import annotations

from typing import Literal

CallErrorKind = Literal[
    "rate_limit",  # 429, quota or overload: wait, then again
    "server",  # 5xx
    "timeout",  # no answer, or none in time
    "connection",  # refused, reset, name not resolved
    "malformed",  # an answer that is not what was asked for
    "truncated",  # the output limit cut the answer
    "content_filter",  # the provider withheld the answer
    "context_length",  # the prompt is longer than the window
    "auth",  # key missing or refused
    "not_found",  # no such model or endpoint
    "bad_request",  # anything else that the same request cannot mend
]


class ExtAgentsError(Exception):
    """Base of all errors raised by this package: a one-line message and a hint that says what to do."""

    retryable = False

    def __init__(self, message: str, *, hint: str = "", run_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.run_id = run_id

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(ExtAgentsError):
    """The caller can mend it: bad settings, unreadable input, unknown model, no key."""


class InputError(UsageError):
    """There is nothing to read at the given paths, or nothing to ask."""


class SettingsError(UsageError):
    """A setting is missing, unknown, or cannot work with the others."""


class BudgetTooSmall(SettingsError):
    """The budget does not cover the smallest run over this input; nothing was spent."""


class RunExists(UsageError):
    """A run of this name is stored already."""


class RunBusy(UsageError):
    """Another process is working on the run."""


class RunError(ExtAgentsError):
    """The run failed. `retryable` says whether the same call may succeed later; `spent` is what it cost so far."""

    def __init__(
        self, message: str, *, hint: str = "", run_id: str | None = None, retryable: bool = False, spent: object = None
    ) -> None:
        super().__init__(message, hint=hint, run_id=run_id)
        self.retryable = retryable
        self.spent = spent


class ModelError(RunError):
    """The model could not be reached, refused the call, or never gave a usable answer. `kind` says which, where it is known."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        run_id: str | None = None,
        retryable: bool = False,
        spent: object = None,
        kind: CallErrorKind | None = None,
    ) -> None:
        super().__init__(message, hint=hint, run_id=run_id, retryable=retryable, spent=spent)
        self.kind = kind


class StoreError(RunError):
    """The memory could not be reached, is full, or cannot be written."""


class LeaseLost(StoreError):
    """Another process has taken the run over; this one may not write to it any more."""

    def __init__(self, run: str) -> None:
        super().__init__(
            f"The run {run!r} was taken over by another process, or forgotten; nothing more is written to it here.",
            hint="See what became of it: extagents runs show RUN.",
            run_id=run,
        )


class CallError(Exception):
    """How a model backend reports one failed call to the gate.

    `retry_after` is in seconds and None where the server gave none. `usage` is what the failed call cost, where known.
    """

    def __init__(
        self,
        kind: CallErrorKind,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        usage: object = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.usage = usage

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.kind in ("rate_limit", "server", "timeout", "connection")
