"""The file that a command writes its result to: checked before anything is spent, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from extagents.errors import InputError, RunError

if TYPE_CHECKING:
    from extagents.types import Answer


def writable(out: str, *, example: str, over: Iterable[str] = ()) -> Path:
    """The file to write; a link leads to the file it names. `over` is what is read: the result must not lie in it.

    Raises `InputError` with the `example` of an option that would do.
    """
    target = Path(out)
    hint = f"Name another file: {example}"
    try:
        if target.is_dir():
            raise InputError(f"{target} is a folder.", hint=f"Name a file: {example}")
        if target.exists() and not target.is_file():
            raise InputError(f"{target} is no plain file.", hint=hint)
        if not target.parent.is_dir():
            raise InputError(f"The folder {target.parent} does not exist.", hint="Make it, or name another file.")
        if not os.access(target.parent, os.W_OK):
            raise InputError(f"The folder {target.parent} cannot be written.", hint=hint)
        if target.exists() and not os.access(target, os.W_OK):
            raise InputError(f"{target} cannot be written.", hint=hint)
        resolved = target.resolve()
        for path in over:
            read = Path(path).resolve()
            if resolved == read:
                raise InputError(f"{target} is read, and would be overwritten.", hint=hint)
            if read in resolved.parents:
                raise InputError(
                    f"{target} lies in {path}, which is read: the next question would read it, too.",
                    hint="Name a file in another folder.",
                )
    except (OSError, ValueError) as error:  # a name that is too long, or holds what no name may hold
        raise InputError(f"{out!r} cannot be written: {getattr(error, 'strerror', None) or error}.", hint=hint) from None
    return resolved


def save(target: Path, data: bytes, *, answer: Answer, hint: str) -> None:
    """Writes the file, all of it or nothing: what stood there before stays until the new one is complete.

    Raises `RunError` with the `hint` where it cannot be written; the answer is in the memory all the same.
    """
    made = ""
    try:
        handle, made = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(made, _mode(target))
        os.replace(made, target)
    except OSError as error:
        raise RunError(
            f"{target} cannot be written: {(error.strerror or str(error)).lower()}.",
            hint=hint,
            run_id=answer.run_id,
            spent=answer.usage,
        ) from None
    finally:
        if made:
            with suppress(OSError):
                os.unlink(made)


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced; for a new one what the umask leaves."""
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
