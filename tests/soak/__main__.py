"""The long tests: ``make soak``."""

from __future__ import annotations

import sys

from tests.soak import flips, model

if __name__ == "__main__":
    sys.exit(max(flips.main(), model.main()))
