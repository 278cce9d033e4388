"""What a run's calls brought, as the memory keeps it: a run that is resumed is answered from here and pays nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from extagents.models.base import Completion, Prompt
from extagents.types import Usage

T = TypeVar("T", bound=BaseModel)


def key_of(prompt: Prompt[Any]) -> str:
    """What a call's answer is kept under: all that is asked, whichever model is asked."""
    hashed = hashlib.blake2b(digest_size=16)
    told = (prompt.role, prompt.version, str(prompt.max_output_tokens))
    for part in (*told, *(text for message in prompt.messages for text in (message.role, message.content))):
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(8, "big"))
        hashed.update(raw)
    return hashed.hexdigest()


def kept(output: BaseModel, usage: Usage, model: str, *, parts: Sequence[str] = ()) -> str:
    """An answer as it is kept; `usage` is what all its attempts cost, `parts` the keys of the calls it answers together."""
    told = f'"parts":{json.dumps(list(parts))},' if parts else ""
    return f'{{{told}"model":{json.dumps(model)},"usage":{usage.model_dump_json()},"output":{output.model_dump_json()}}}'


def replayed(body: str, output: type[T]) -> tuple[T, Usage, str]:
    """The answer that an earlier part of the run has paid for, what it cost then, and who gave it."""
    told = json.loads(body)
    return output.model_validate(told["output"]), Usage.model_validate(told["usage"]), told["model"]


def parts_of(body: str) -> tuple[str, ...]:
    """The keys of the calls that a kept answer answers together; none for most."""
    if not body.startswith('{"parts":'):
        return ()
    return tuple(json.loads(body)["parts"])


def unusable_key(prompt: Prompt[Any], number: int) -> str:
    """What the call's answer number `number` is kept under that could not be used: what follows says what was wrong with it."""
    return f"{key_of(prompt)}:unusable:{number}"


def kept_unusable(completion: Completion[Any], usage: Usage) -> str:
    """Such an answer as it is kept."""
    cost = usage.model_dump(mode="json")
    return json.dumps({"model": completion.model, "usage": cost, "text": completion.text, "finish": completion.finish})


def replayed_unusable(body: str) -> Completion[Any]:
    """Such an answer, with what it cost then."""
    told = json.loads(body)
    usage = Usage.model_validate(told["usage"])
    return Completion(text=told["text"], usage=usage, finish=told["finish"], model=told["model"])
