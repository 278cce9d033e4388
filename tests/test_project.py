"""Rules that hold for the whole project: who may import whom, what is public, what loads when, where links point."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import extagents

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "extagents"

# The higher may import the lower, never the other way round; parts of one level do not import each other.
LEVELS: list[set[str]] = [
    {
        *("frozen", "tabular", "tables", "types", "errors", "settings", "events", "budget", "text", "answers", "prose"),
        *("background", "redaction", "private", "observing", "wording", "progress", "display"),
    },
    {"memory", "corpus", "models", "prompts"},
    {"gate"},
    {"agents"},
    {"executors"},
    {"graph"},
    {"coordinator"},
    {"cli", "serve", "integrations", "evaluation"},
]
# Files that belong to a part though they stand beside it.
BELONGS = {
    "account": "gate",
    "journal": "gate",
    "sharing": "gate",
    "limiter": "gate",
    "parsing": "gate",
    "frontier": "graph",
    "packing": "graph",
    "schedule": "graph",
    "ending": "graph",
    "request": "graph",
    "workspace": "graph",
    "callbacks": "graph",
    "writing": "graph",
    "remembering": "graph",
    "scribe": "graph",
    "tabulating": "graph",
    "computing": "graph",
    "catalogue": "graph",
    "sampling": "graph",
    "gaps": "graph",
    "condensing": "graph",
    "confidence": "graph",
    "focusing": "graph",
    "estimate": "graph",
    "affording": "graph",
    "cohort": "graph",
    "trial": "graph",
    "resuming": "coordinator",
    "opening": "coordinator",
    "once": "coordinator",
    "batch": "coordinator",
    "batches": "coordinator",
    "questions": "coordinator",
    "answers_file": "coordinator",
    "__main__": "cli",
}
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}
HEAVY = (
    "bm25s",
    "dateparser",
    "duckdb",
    "langchain_core",
    "langgraph",
    "numpy",
    "openai",
    "pandas",
    "pint",
    "polars",
    "pydantic",
    "pypdf",
    "ray",
    "redis",
    "rich",
    "selectolax",
    "tiktoken",
)


def part_of(module: str) -> str:
    """`extagents.memory.sqlite` belongs to `memory`."""
    name = module.split(".")[1] if "." in module else ""
    return BELONGS.get(name, name)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every module of ours that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "extagents")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by full name"
            if node.module == "extagents":
                yield from ((node.lineno, f"extagents.{alias.name}") for alias in node.names)
            elif node.module and node.module.startswith("extagents."):
                yield node.lineno, node.module


def forbidden(importer: str, imported: str) -> bool:
    """Whether a file of part `importer` may not import something of part `imported`."""
    if importer == imported or importer == "testing":
        return imported == "cli" and importer == "testing"
    if imported == "testing":
        return True
    bottom = LEVEL[importer] == 0
    return LEVEL[imported] > LEVEL[importer] or (LEVEL[imported] == LEVEL[importer] and not bottom)


def test_imports_point_one_way() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        importer = part_of(module.removesuffix(".__init__"))
        if not importer:
            continue
        assert importer == "testing" or importer in LEVEL, f"{path.name} belongs to no part: add it to LEVELS or BELONGS"
        for line, imported in imports_of(path):
            part = part_of(imported)
            if part and (part in LEVEL or part == "testing") and forbidden(importer, part):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {importer} must not import {imported}")
    assert not wrong, "\n".join(wrong)


def test_an_agent_never_imports_another_agent() -> None:
    agents = {path.stem for path in (PACKAGE / "agents").glob("*.py")}
    roles = agents & {"planner", "reader", "reasoner", "fusion", "single", "writer", "memory_agent", "analyst"}
    for role in roles:
        for line, imported in imports_of(PACKAGE / "agents" / f"{role}.py"):
            other = imported.removeprefix("extagents.agents.")
            assert other == role or other not in roles, f"{role}.py:{line} imports {imported}"


@pytest.mark.parametrize(
    ("importer", "imported"), [("memory", "corpus"), ("agents", "graph"), ("types", "memory"), ("gate", "cli")]
)
def test_the_rule_of_imports_can_fail(importer: str, imported: str) -> None:
    assert forbidden(importer, imported)
    assert not forbidden(imported, importer) or LEVEL[importer] == LEVEL[imported]


def test_public_names_are_one_sorted_list_and_all_there() -> None:
    assert extagents.__all__ == sorted(set(extagents.__all__))
    for name in extagents.__all__:
        assert getattr(extagents, name) is not None, name
    assert set(extagents.__all__) <= set(dir(extagents))
    with pytest.raises(AttributeError):
        _ = extagents.no_such_name


def test_names_offered_to_type_checkers_are_the_public_ones() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    offered = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert offered - {"annotations", "TYPE_CHECKING", "Any"} == set(extagents.__all__) - {"__version__"}


def test_the_version_is_said_once_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == extagents.__version__


def modules_after(code: str) -> set[str]:
    """The top-level modules that are loaded once a fresh interpreter has run `code`."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import extagents",
        "from extagents.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from extagents.cli.main import main\ntry: main(['ask', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_importing_and_helping_load_nothing_heavy(code: str) -> None:
    assert modules_after(code).isdisjoint(HEAVY)


def test_links_at_the_top_point_into_the_package() -> None:
    for name in ("agents", "memory", "prompts"):
        assert os.readlink(ROOT / name) == f"extagents/{name}"
        assert (ROOT / name).is_dir()


def test_tools_leave_the_links_out_and_nothing_else() -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    listed = subprocess.run(ruff, capture_output=True, encoding="utf-8", check=True, cwd=ROOT).stdout.splitlines()
    seen = {str(Path(line).relative_to(ROOT)) for line in listed}
    assert {"extagents/agents/reader.py", "extagents/memory/base.py", "tests/test_project.py"} <= seen
    assert not [name for name in seen if name.split("/")[0] in ("agents", "memory", "prompts")]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["mypy"]["exclude"] == ["^(agents|memory|prompts)/"]
    assert tools["pytest"]["ini_options"]["testpaths"] == ["tests"]


def test_every_setting_is_frozen_and_documented() -> None:
    from extagents.budget import Budget
    from extagents.settings import Settings

    for model in (Settings, Budget):
        assert model.model_config.get("frozen")
        assert model.model_config.get("extra") == "forbid"
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no description"


def test_the_page_of_settings_tells_what_is() -> None:
    script = ROOT / "scripts" / "settings_table.py"
    written = subprocess.run([sys.executable, str(script)], capture_output=True, encoding="utf-8", check=True).stdout
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == written, "write it anew: python scripts/settings_table.py > docs/settings.md"


def test_locks_pin_with_hashes_and_name_no_host() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index" not in text
        pins = re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert not {"torch", "vllm"} & set(pins)
        assert "ray" not in pins or name == "requirements-dev.lock"


def test_locks_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=!~ ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}

    def pinned(lock: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))

    assert names(project["project"]["dependencies"]) <= pinned("requirements.lock")
    assert names(project["dependency-groups"]["dev"]) <= pinned("requirements-dev.lock")


def test_ci_runs_the_tests_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"


def test_the_readme_maps_every_folder() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for folder in sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()):
        assert f"{folder}/" in readme, f"the tree in README.md has no line for {folder}/"


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_first_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert example
    monkeypatch.chdir(ROOT)
    printed: list[str] = []
    scope = {"print": lambda *values: printed.append(" ".join(str(value) for value in values))}
    exec(compile(example[1], "README.md", "exec"), scope)
    shown = re.findall(r"^# prints: (.*)$", example[1], re.MULTILINE)
    assert printed == shown != []


def test_tests_cannot_leave_this_machine() -> None:
    import socket

    with socket.socket() as outward:
        with pytest.raises(RuntimeError, match="only loopback"):
            outward.connect(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror):
        socket.create_connection(("example.org", 80))
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_tests_have_folders_of_their_own_and_no_keys() -> None:
    from extagents.corpus.cache import default_folder
    from extagents.memory.open import data_folder

    for folder in (default_folder(), data_folder()):
        assert not folder.is_relative_to(Path.home()) or "pytest" in str(folder)
    assert "OPENAI_API_KEY" not in os.environ
