"""The installed package's ``clip-agent``, on the bent libcamera. picamera2 is the rig's."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

# Behind the package's own.
sys.path += map(str, Path("/venv/lib").glob("python3*/site-packages"))
sys.path.append(str(Path(__file__).parent))
FAULTS = Path("/tmp/rig")
FAULTS.mkdir(exist_ok=True)
import_module("vcam").install(FAULTS)
sys.exit(import_module("agent.cli.main").main())
