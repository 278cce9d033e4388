"""Plain text as an output: sent without a schema, taken as it is written."""

from __future__ import annotations

from typing import Any

import pytest

from extagents.evaluation.baselines.loop import Asked
from extagents.gate import Account, Gate
from extagents.models.base import Message, Prompt
from extagents.models.openai_compatible import OpenAICompatible
from extagents.parsing import parse
from extagents.testing import FakeEndpoint
from extagents.testing.endpoint import Fault
from extagents.types import Plain

PROMPT = Prompt(
    role="memory",
    inputs=Asked(loop="memagent", step="update"),
    output=Plain,
    messages=(Message("user", "Updated memory:"),),
    max_output_tokens=64,
    version="memagent/update",
)


@pytest.mark.parametrize("said", ['- a note\n- {"not": "json"}', "{}"])
def test_plain_text_is_never_parsed(said: str) -> None:
    assert parse(said, Plain) == Plain(text=said)
    assert parse(f"\n{said}  ", Plain, truncated=True) == Plain(text=said)


@pytest.mark.parametrize("refuses", [False, True])
async def test_no_schema_is_asked_for(refuses: bool) -> None:
    def script(body: dict[str, Any]) -> Any:
        if refuses and "seed" in body:
            return Fault(400, {"error": {"message": "Unsupported parameter: seed; response_format json_schema is fine"}})
        return "- a note"

    async with FakeEndpoint(script) as endpoint:
        model = OpenAICompatible("fake", base_url=endpoint.base_url, api_key="none", window=8_000)
        called = await Gate({"default": model}).call(PROMPT, Account("run"))
        await model.aclose()
    assert called.output == Plain(text="- a note")
    for body in endpoint.requests:
        assert "response_format" not in body
        assert body["messages"] == [{"role": "user", "content": "Updated memory:"}]
