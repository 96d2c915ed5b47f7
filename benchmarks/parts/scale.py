"""A card with a hundred thousand clips: start, retention, windows and `reindex`.

The vault is a :mod:`benchmarks.large_vault` of thirty days: real sidecars beside recordings that
are holes. `reindex` and the camera are the real commands. A sweep is that of a full card, so one
clip goes in each; what its deletion costs (files and two synced commits) depends on the disk and is
shown without a target. Windows are the twelve hours that a request may ask for, as the gateway
asks its database; the million spans three hundred days.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent import config
from agent.clock import SystemClock
from agent.vault.clips.retention import Limits, Moment, Retention, plan
from agent.vault.clips.store import ClipStore
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.index import Index, path_of
from benchmarks import large_vault, procfs
from benchmarks.figures import Figure
from benchmarks.rig import CameraProcess, Workshop
from tests.peers.requirements import ROOT

TITLE = "100,000 clips"
SECONDS = 150
_CLIPS, _DAYS = 100_000, 30
_HALF_DAY = 43_200.0
_MAX_OFFERED = 500  # of a letter
_RUNS = 9
_LOOK_SECONDS = 0.02
_READY_SECONDS, _SWEEP_MS, _WINDOW_MS, _REINDEX_SECONDS, _REINDEX_MB = 2, 20, 5, 10, 120


def measure(workshop: Workshop) -> list[Figure]:
    """The camera's vault, then the gateway's rows of it and of ten times as many."""
    figures: list[Figure] = []
    until = time.time()

    def fill(state_dir: Path, agent_yaml: Path) -> None:
        large_vault.make(state_dir, clips=_CLIPS, days=_DAYS, until=until)
        figures.extend(_reindex(agent_yaml))

    with workshop.camera(config.SceneSource(walkers_per_minute=0), before=fill) as camera:
        figures.append(Figure("camera ready", _armed(camera), "s", _READY_SECONDS))
    figures += _sweeps(camera.house.config.state_dir)
    for clips, days in ((_CLIPS, _DAYS), (10 * _CLIPS, 10 * _DAYS)):
        figures += _windows(workshop.subfolder() / "gateway.sqlite", clips, days, until)
    return figures


def _armed(camera: CameraProcess) -> float:
    return camera.wait_until("armed")


def _reindex(agent_yaml: Path) -> list[Figure]:
    command = [sys.executable, "-m", "agent", "reindex", "--config", str(agent_yaml)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        with suppress(OSError, ValueError):  # it has just ended
            peak = max(peak, procfs.peak(process.pid))
        time.sleep(_LOOK_SECONDS)
    if process.returncode:
        raise RuntimeError(f"reindex ended with {process.returncode}")
    seconds = time.monotonic() - began
    return [
        Figure("reindex, no index there", seconds, "s", _REINDEX_SECONDS),
        Figure("its peak, resident", peak, "MB", _REINDEX_MB),
    ]


def _sweeps(state_dir: Path) -> list[Figure]:
    clock = SystemClock(synced_marker=None)
    with Index.open(path_of(state_dir)) as index:
        store = ClipStore(state_dir, index, recipients=(), clock=clock)
        limits = Limits(
            max_bytes=index.stock.bytes - 1,
            max_age_seconds=_DAYS * 86_400 * 2.0,
            min_free_bytes=0,
            max_held_share=0.5,
        )
        held = tuple(clip.id for clip in index.as_recorded())[-_CLIPS // 5 :]
        moment = Moment(time.time(), clock.monotonic(), clock.boot_id())

        def sweep() -> object:
            return plan(index, limits, held=held, now=moment, free_bytes=1 << 50, at_most=1)

        def sweep_and_delete() -> object:
            return Retention(
                store,
                index,
                clock=clock,
                free_bytes=lambda: 1 << 50,
                limits=limits,
                held=lambda: held,
            ).run(at_most=1)

        note = f"one clip must go, {len(held)} are held"
        figures = [Figure("retention sweep", _median_ms(sweep), "ms", _SWEEP_MS, note)]
        figures.append(Figure("the first with a deletion", _once_ms(sweep_and_delete), "ms"))
    return figures


def _windows(path: Path, clips: int, days: int, until: float) -> list[Figure]:
    with GatewayDatabase.open(path) as database:
        with database.transaction():
            for number, clip in enumerate(large_vault.rows(clips=clips, days=days, until=until)):
                database.put_clip(clip, stamp=number)
        start = until - days * 43_200
        window = {"start": start, "end": start + _HALF_DAY}
        matching = len(database.unmatched_clips("", **window))
        return [
            Figure(
                f"12 h of {clips}: all that match",
                _median_ms(lambda: database.unmatched_clips("", **window)),
                "ms",
                _WINDOW_MS,
                f"{matching} clips",
            ),
            Figure(
                f"12 h of {clips}: the newest, whole",
                _median_ms(lambda: database.newest_clips(**window, at_most=_MAX_OFFERED)),
                "ms",
                _WINDOW_MS,
                f"{min(matching, _MAX_OFFERED)} clips",
            ),
        ]


def _once_ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3


def _median_ms(act: Callable[[], object]) -> float:
    return statistics.median(_once_ms(act) for _ in range(_RUNS))
