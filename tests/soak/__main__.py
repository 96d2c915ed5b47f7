"""The long tests: ``make soak``, or some of them: ``python -m tests.soak plants model``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from tests.soak import chaos, disk_cuts, flips, model, plants, power_cut, statuses

PARTS: Final[dict[str, Callable[[], int]]] = {
    "flips": flips.main,
    "plants": lambda: plants.main([]),
    "power_cut": power_cut.main,
    "chaos": chaos.main,
    "disk_cuts": disk_cuts.main,
    "statuses": statuses.main,
    "model": model.main,
}

if __name__ == "__main__":
    sys.exit(max(PARTS[name]() for name in sys.argv[1:] or PARTS))
