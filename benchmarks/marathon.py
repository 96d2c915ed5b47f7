"""The camera's whole app in a process of its own, hours in a minute, watched from inside.

Everything is real (``build()``, the source's thread, sealing, files, syncs, SQLite,
retention) but the clock and the camera, which is a :class:`benchmarks.player.Player`.
The process itself is :mod:`benchmarks.marathon_process`: apart, so that what the
household's keys need in memory is not counted there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent import config
from benchmarks.figures import NotMeasured
from benchmarks.marathon_process import Result, Settings
from benchmarks.player import Interval
from benchmarks.rig import AS_THE_UNIT
from tests.peers.requirements import ROOT
from tests.support.house import House

_PATIENCE_SECONDS = 900
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", **AS_THE_UNIT}  # the command's, and the unit's


def run(
    folder: Path,
    video: Path,
    *,
    seconds: float,
    motions: Sequence[Interval],
    max_bytes: int = 8_000_000_000,
) -> Result:
    """``video`` over and over for ``seconds``; ``max_bytes`` is what retention leaves."""
    house = House.build(folder / "house", storage=config.Storage(max_bytes=max_bytes))
    agent_yaml, settings = folder / "agent.yaml", folder / "settings.json"
    agent_yaml.write_text(config.effective(house.config))
    settings.write_bytes(
        msgspec.json.encode(Settings(str(agent_yaml), str(video), seconds, list(motions)))
    )
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.marathon_process", str(settings)],
            cwd=ROOT,
            env={**os.environ, **_ENVIRONMENT},
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasured(f"the run did not end within {_PATIENCE_SECONDS} s") from error
    if done.returncode:
        raise RuntimeError(f"the run failed: {done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Result)
