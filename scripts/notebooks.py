"""Executes the notebooks in `notebooks/` and stores their outputs, without what would change with every run.

Run: python scripts/notebooks.py [--check] [NOTEBOOK…]     (--check executes and compares, and writes nothing)

The notebooks themselves are the source: edit them in Jupyter, then run this. A notebook whose outputs say the same as those
stored stays as it is, so that times and run ids make no differences in the history.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SECONDS = 60  # most that one notebook may take
# Nothing of the caller's settings and keys, and no proxy, reaches a notebook.
HIDDEN = ("EXTAGENTS_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
NO_NETWORK = """
def _only_loopback():
    import ipaddress, socket
    connect, resolve = socket.socket.connect, socket.getaddrinfo
    def guarded(self, address):
        if isinstance(address, tuple) and address[0] != "localhost" and not ipaddress.ip_address(address[0]).is_loopback:
            raise RuntimeError(f"A notebook tried to reach {address!r}; only loopback is open to it.")
        return connect(self, address)
    def local(host, *args, **options):
        if host not in (None, "localhost", "127.0.0.1", "::1"):
            raise socket.gaierror(socket.EAI_NONAME, f"Notebooks resolve no names: {host}")
        return resolve(host, *args, **options)
    socket.socket.connect, socket.getaddrinfo = guarded, local
_only_loopback()
del _only_loopback
"""
# What differs from run to run without meaning anything: times, run ids, names of temporary folders and of objects in memory.
VOLATILE = (
    (re.compile(r"\b\d+(?:\.\d+)? m?s\b|\b\d+:\d\d(?::\d\d)?\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "RUN"),
    (re.compile(r"/tmp/[\w./-]+|/var/folders/[\w./-]+"), "FOLDER"),
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
)


def notebooks() -> list[Path]:
    """All notebooks, in their order."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path, home: Path) -> Any:
    """The notebook with fresh outputs, run by a kernel of this Python in an empty folder, with a home and caches of its own."""
    notebook: Any = nbformat.read(path, as_version=4)
    work = home / "work"
    work.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
    environment |= {"HOME": str(home), "EXTAGENTS_DATA": str(home / "data"), "EXTAGENTS_CACHE": str(home / "cache")}
    environment |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONWARNINGS": "ignore"}
    notebook.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK))
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(work)}})
    client.execute(env=environment)
    del notebook.cells[0]
    return stripped(notebook)


def stripped(notebook: Any) -> Any:
    """The notebook without times of execution, widgets' state and what editors leave behind."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    number = 0
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type != "code":
            continue
        number += 1
        cell.execution_count = number
        cell.outputs = [_one(output, number) for output in _joined(cell.outputs)]
    return notebook


def _one(output: Any, number: int) -> Any:
    output.pop("transient", None)
    if "metadata" in output:
        output.metadata = {}
    if output.output_type == "execute_result":
        output.execution_count = number
    return output


def _joined(outputs: list[Any]) -> list[Any]:
    """Pieces of one stream as one output: how it was cut is chance."""
    joined: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def said(notebook: Any) -> list[list[str]]:
    """What the outputs of every code cell say, without what changes from run to run; of a picture, that there is one."""
    return [[_words(output) for output in _joined(cell.outputs)] for cell in notebook.cells if cell.cell_type == "code"]


def _words(output: Any) -> str:
    if output.output_type == "stream":
        text = f"{output.name}: {output.text}"
    elif output.output_type == "error":
        text = f"error: {output.ename}: {output.evalue}"
    else:
        data = output.data
        text = "picture" if "image/png" in data else f"{data.get('text/html', '')}\n{data.get('text/plain', '')}"
    for pattern, instead in VOLATILE:
        text = pattern.sub(instead, text)
    return text


def sources(notebook: Any) -> list[tuple[str, str]]:
    """What was written by hand."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def main() -> int:
    """Exit status 1 when a notebook is not as it was stored (`--check`)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--check", action="store_true", help="compare with what is stored, write nothing")
    options = parser.parse_args()
    stale = 0
    for path in options.notebooks or notebooks():
        with tempfile.TemporaryDirectory() as home:
            fresh = execute(path, Path(home))
        same = said(fresh) == said(nbformat.read(path, as_version=4))
        stale += not same
        print(f"{path.name}: {'as stored' if same else 'stale' if options.check else 'written'}")
        if not options.check and (not same or nbformat.writes(stripped(nbformat.read(path, as_version=4))) != path.read_text()):
            kept = stripped(nbformat.read(path, as_version=4)) if same else fresh
            path.write_text(nbformat.writes(kept) + "\n", encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
