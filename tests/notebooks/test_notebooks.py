"""Every notebook runs from top to bottom in an empty folder, without a key or a network, and says what is stored in it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)


def script() -> ModuleType:
    """`scripts/notebooks.py`, which is no part of the package."""
    specification = importlib.util.spec_from_file_location("notebooks_script", ROOT / "scripts" / "notebooks.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["notebooks_script"] = module
    specification.loader.exec_module(module)
    return module


runner = script()


@pytest.fixture(scope="module", autouse=True)
def _fonts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One folder for matplotlib's list of fonts: it takes seconds to make."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
    yield
    patch.undo()


def test_there_are_the_six_notebooks() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == list("123456")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_and_says_what_is_stored(path: Path, tmp_path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    fresh = runner.execute(path, tmp_path)
    for number, (now, before) in enumerate(zip(runner.said(fresh), runner.said(stored), strict=True), start=1):
        assert now == before, f"cell {number} says something else than what is stored: run scripts/notebooks.py"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_whole_and_clean(path: Path) -> None:
    notebook: Any = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.read_text(encoding="utf-8") == nbformat.writes(runner.stripped(notebook)) + "\n"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any(cell.outputs for cell in code)
    for cell in code:
        assert not any(output.output_type == "error" for output in cell.outputs), cell.source
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.source
    assert notebook.cells[0].cell_type == "markdown"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_place_on_this_machine(path: Path) -> None:
    told = path.read_text(encoding="utf-8")
    assert not re.search(r"/(?:tmp|work|root|home|Users)/\w|[A-Z]:\\\\", re.sub(r'"image/png": "[^"]*"', "", told))


def test_links_between_notebooks_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w./-]+\.(?:ipynb|md))\)", SOURCES):
        assert (ROOT / "notebooks" / target).exists(), target


def test_the_kernel_reaches_nothing_but_this_machine(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "import socket, os\n"
                "try:\n    socket.create_connection(('example.org', 80))\nexcept OSError as error:\n    print('refused')\n"
                "print(sorted(name for name in os.environ if name.startswith('OPENAI_')), os.listdir('.'))"
            )
        ]
    )
    path = tmp_path / "probe.ipynb"
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    assert runner.said(runner.execute(path, tmp_path / "home")) == [["stdout: refused\n[] []\n"]]


def test_a_stale_output_is_seen() -> None:
    notebook: Any = nbformat.read(NOTEBOOKS[0], as_version=4)
    before = runner.said(notebook)
    output = next(o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs if o.output_type == "stream")
    output.text = output.text.replace("Ilse Brandt", "Somebody Else", 1)
    assert runner.said(notebook) != before
