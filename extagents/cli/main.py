"""The command `extagents`: reads the command line, runs one command, and turns errors into one line and an exit status."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from extagents.cli.output import OutputClosed, print_json, safe, standard_streams, write
from extagents.errors import ExtAgentsError, RunError, UsageError

if TYPE_CHECKING:
    import argparse

DONE, FAILED, WRONG_USAGE, NOTHING_FOUND, STOPPED, INTERRUPTED = 0, 1, 2, 3, 4, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status; `--help` and `--version` raise SystemExit(0), as argparse does."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    with standard_streams():
        return _guarded(arguments)


def _guarded(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        try:
            return _run(arguments)
        except UsageError as error:
            return _tell(error, WRONG_USAGE, as_json=as_json)
        except OutputClosed:
            raise
        except Exception as error:  # noqa: BLE001 - the outermost edge: a stranger gets one line, a developer the traceback
            return _tell(error, FAILED, as_json=as_json)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED
    except OutputClosed as closed:
        # Nobody is left to tell, and the interpreter must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not closed.reason:
            return DONE
        sys.stderr.write(f"error: Stdout cannot be written ({closed.reason}). Free some space, or name another place.\n")
        return FAILED


def _run(arguments: list[str]) -> int:
    from extagents.cli.parser import build_parser

    parser = build_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    try:
        options: argparse.Namespace = parser.parse_args(arguments)
    except SystemExit:
        write("")
        raise
    if options.command is None:
        raise UsageError("No command was given.", hint="See: extagents --help")
    module = importlib.import_module(f"extagents.cli.{options.command}")
    status: int = module.run(options)
    return status


def _tell(error: Exception, status: int, *, as_json: bool) -> int:
    """One line on stderr; with --json also the error object on stdout."""
    known = isinstance(error, ExtAgentsError)
    message = " ".join((error.message if isinstance(error, ExtAgentsError) else str(error)).split())
    hint = " ".join(error.hint.split()) if isinstance(error, ExtAgentsError) else ""
    name = type(error).__name__
    if not known:
        message = f"{name}: {message}" if message else name
        hint = "This is a defect of extagents; EXTAGENTS_DEBUG=1 shows where."
    if os.environ.get("EXTAGENTS_DEBUG") == "1":
        sys.stderr.write(safe("".join(traceback.format_exception(error))))
    sys.stderr.write(f"error: {safe(f'{message} {hint}'.strip())}\n")
    if as_json:
        print_json(
            {
                "error": {
                    "type": name,
                    "message": message,
                    "hint": hint,
                    "retryable": isinstance(error, RunError) and error.retryable,
                    "run_id": error.run_id if isinstance(error, ExtAgentsError) else None,
                }
            }
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
