"""A process that works on a batch until it is killed: `child.py MEMORY OUT LOG PER_READ`, a line in LOG for every call."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import crowd

from extagents import Coordinator
from extagents.answers_file import AnswersFile
from extagents.journal import key_of
from extagents.questions import questions_of
from extagents.testing import ScriptedModel

COUNT = 10


def corpus() -> Any:
    return crowd.corpus(COUNT, documents=16, lines=24)


class Logged(ScriptedModel):
    """The world's model, which says what it is asked before it answers, a little later."""

    log: int

    async def complete(self, prompt: Any, **options: Any) -> Any:
        os.write(self.log, f"{prompt.role} {key_of(prompt)}\n".encode())
        await asyncio.sleep(0.002)
        return await super().complete(prompt, **options)


def main(memory: str, out: str, log: str, per_read: str) -> None:
    scripts = {"planner": crowd.plan, "reader": crowd.read, "reasoner": crowd.judge, "fusion": crowd.write}
    model = Logged(scripts)
    model.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with AnswersFile(Path(out)) as answers:
        team = Coordinator(model, memory=memory, window=16_000, shard_tokens=1_000, strategy="parallel", concurrency=4)
        with team:
            asked = [one for one in questions_of(crowd.questions(range(COUNT))) if one.id not in answers.done]
            for event in team.batch_events(asked, corpus(), None, int(per_read), "ours") if asked else ():
                if isinstance(event, tuple) and event[2]:
                    answers.put(event[0].id, event[1])
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
