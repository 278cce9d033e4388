"""What each part of the loop is worth: ours without it, on the same questions, with paired differences.

    python benchmarks/ablation.py --tools SIMULATOR_DIR --data DIR [--data DIR2] --json OUT.jsonl [--parts ladder,gate]

Options and output are those of compare.py; a difference above zero is what the part brings.
"""

from __future__ import annotations

from typing import get_args

from compare import conclude, parser
from measuring import variant

from extagents.types import Part


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--parts", default=",".join(get_args(Part)), help="parts to leave out, one at a time")
    made.add_argument("--variant", default="thorough/fused", help="what they are left out of")
    options = made.parse_args()
    loops = (options.variant, *(f"{options.variant}/without/{part}" for part in options.parts.split(",")))
    for loop in loops:
        variant(loop)
    conclude(options, loops)


if __name__ == "__main__":
    main()
