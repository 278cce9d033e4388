"""Prompts of a user's own: they stand in for the package's of the same name, and mistakes are found before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
import world

import extagents
from extagents import prompts
from extagents.errors import SettingsError
from extagents.testing import ScriptedModel
from extagents.types import Reading, SinglePass

RULE = "Names are given as first name and last name."


def with_rule(folder: Path, name: str) -> Path:
    text = prompts.shipped(name)
    (folder / name).write_text(text.replace("\n## user\n", f"\n{RULE}\n## user\n"), encoding="utf-8")
    return folder


def asked(folder: Path | None, question: str = world.QUESTION, **options: object) -> ScriptedModel:
    """The model of a run with these prompts; it holds every prompt that it got."""
    model = world.model(window=4_000)
    with extagents.Coordinator(model, memory="memory://", prompts=folder, **options) as team:
        team.ask(question, world.corpus())
    return model


def systems(model: ScriptedModel, role: str) -> set[str]:
    return {prompt.messages[0].content for prompt in model.calls if prompt.role == role}


def test_an_own_template_is_what_the_model_gets_and_the_others_stay(tmp_path: Path) -> None:
    plain, own = asked(None), asked(with_rule(tmp_path, "reader.en.md"))
    assert all(RULE in text for text in systems(own, "reader"))
    assert systems(own, "reasoner") == systems(plain, "reasoner") != set()
    assert {p.version for p in own.calls if p.role == "reader"}.isdisjoint(p.version for p in plain.calls if p.role == "reader")


def test_the_folder_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAGENTS_PROMPTS", str(with_rule(tmp_path, "planner.en.md")))
    assert all(RULE in text for text in systems(asked(None), "planner"))


def test_each_language_has_templates_of_its_own(tmp_path: Path) -> None:
    own = prompts.own_prompts(with_rule(tmp_path, "single.zh.md"))
    slots = {"nonce": "n", "shard": "s", "question": "q"}
    assert RULE in prompts.render("single", "zh", own, **slots).system
    assert prompts.render("single", "en", own, **slots) == prompts.render("single", "en", **slots)
    assert prompts.version("single", "zh", SinglePass, own) != prompts.version("single", "zh", SinglePass)
    assert prompts.version("single", "en", SinglePass, own) == prompts.version("single", "en", SinglePass)


def test_several_questions_in_a_read_begin_with_the_own_readers_words(tmp_path: Path) -> None:
    own = prompts.own_prompts(with_rule(tmp_path, "reader.en.md"))
    slots = {"nonce": "n", "shard": "s", "questions": "q", "count": "2"}
    assert RULE in prompts.render("readers", "en", own, **slots).system


def test_the_shipped_templates_are_fit_to_begin_with(tmp_path: Path) -> None:
    for name in prompts.names():
        (tmp_path / name).write_text(prompts.shipped(name), encoding="utf-8")
    own = prompts.own_prompts(tmp_path)
    assert len(own.texts) == len(prompts.names())
    assert prompts.version("reader", "en", Reading, own) == prompts.version("reader", "en", Reading)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("reader.en.md", ("{{question}}", ""), r"lacks \{\{question\}\}"),
        ("reader.en.md", ("{{question}}", "{{question}} {{secret}}"), r"nothing fills: \{\{secret\}\}"),
        ("reader.en.md", ("=== text {{nonce}} ends ===", ""), "before and after"),
        ("reader.en.md", ("## user", "## User"), '"## system"'),
        ("reader.en.md", ("## system\n", "## system\n{{question}}\n"), "in its system part"),
        ("readers.en.md", ("{{questions}}", ""), r"lacks \{\{questions\}\}"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(tmp_path: Path, name: str, change: tuple[str, str], said: str) -> None:
    text = prompts.shipped(name)
    assert change[0] in text
    (tmp_path / name).write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        prompts.own_prompts(tmp_path)


def test_a_name_that_is_no_templates_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("What these are for.", encoding="utf-8")
    assert prompts.own_prompts(tmp_path) == prompts.NONE
    (tmp_path / "raeder.en.md").write_text("## system\n## user\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"meant to be reader\.en\.md"):
        prompts.own_prompts(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 200_000])
def test_what_is_no_text_or_too_long_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "reader.en.md").write_bytes(content)
    with pytest.raises(SettingsError, match=r"reader\.en\.md"):
        prompts.own_prompts(tmp_path)


def test_a_folder_that_is_not_there_ends_the_question_before_any_call(tmp_path: Path) -> None:
    model = world.model()
    with extagents.Coordinator(model, memory="memory://", prompts=tmp_path / "none") as team:
        with pytest.raises(SettingsError, match="cannot be read"):
            team.ask(world.QUESTION, world.corpus())
    assert model.calls == []


def test_a_resumed_run_goes_on_with_the_prompts_that_it_was_begun_with(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    memory = f"sqlite:///{tmp_path / 'runs.sqlite'}"
    budget = extagents.Budget(calls=4)
    with extagents.Coordinator(
        world.model(window=4_000), memory=memory, prompts=with_rule(folder, "reader.en.md"), budget=budget
    ) as team:
        assert team.ask(world.QUESTION, world.corpus(), run="begun").stopped_by == "budget"
    model = world.model(window=4_000)
    with extagents.Coordinator(model, memory=memory, budget=extagents.Budget(calls=500)) as later:
        assert later.resume("begun", over=world.corpus()).answered
    assert all(RULE in text for text in systems(model, "reader"))


def test_stretches_that_a_memory_head_scanned_are_kept_under_the_own_prompts_version(tmp_path: Path) -> None:
    versions = []
    for folder in (None, with_rule(tmp_path, "memory_scan.en.md")):
        with extagents.Coordinator(memory="memory://", strategy="iterative", window=4_000, prompts=folder) as team:
            team.ask(world.QUESTION, world.corpus(), run="scanned")
            versions.append({report.version for report in team.reports("scanned")})
    assert versions[0]
    assert versions[1]
    assert versions[0].isdisjoint(versions[1])
