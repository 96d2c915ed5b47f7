"""``python -m agent``: the same program as ``clip-agent``."""

import sys

from agent.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
