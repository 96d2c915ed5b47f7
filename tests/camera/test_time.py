"""The times of clips under a clock that is set late, steps, or is never set.

The whole camera process, with wall and monotonic time moved apart by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from agent.errors import StorageFault
from tests.support.camera_process import CameraProcess
from tests.support.clock import SimulatedClock
from tests.support.video import Video, make
from tests.vault.support import as_recorded

YEAR_1970 = 30.0  # seconds since the epoch, as a board without a battery says after its start
YEAR_2026 = 1_795_000_000.0
HOUR = 3_600.0
SECOND_BOOT = "00000000-0000-0000-0000-000000000002"


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return make(tmp_path, seconds=4)


def sync(process: CameraProcess) -> None:
    """The time service sets the clock: the film began in 2026."""
    wall = YEAR_2026 + process.clock.monotonic() - process.source.start
    process.set_clock(wall, synced=False)


def mark(process: CameraProcess) -> None:
    """And a moment later leaves its marker."""
    process.clock.is_synced = True


def set_right(process: CameraProcess) -> None:
    """Both at once."""
    sync(process)
    mark(process)


def run(process: CameraProcess, events: dict[float, Callable[[], object]]) -> None:
    app = process.app()
    app.start()
    process.watch(app, events)
    app.finish("stopped")


# A board that starts in 1970


def test_all_clips_of_a_boot_get_their_true_times_also_the_one_being_recorded(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=75, motion=[(5, 7), (20, 32), (55, 57)])
    process.set_clock(YEAR_1970, synced=False)
    in_1970: list[str] = []

    def note() -> None:
        in_1970.extend(clip.id for clip in process.clips())
        sync(process)

    run(process, {25: note, 27: lambda: mark(process)})
    clips = process.clips_as_recorded()
    assert [round(clip.started_at - YEAR_2026) for clip in clips] == [3, 18, 53]
    assert all(clip.clock_synced for clip in clips)
    assert [sidecar.clip for sidecar in process.sidecars()] == clips
    assert clips[0].id == in_1970[0]
    assert [clip.id[:4] for clip in clips] == ["1970", "1970", "2026"], "ids stay"
    with process.house.open_index() as index:
        found = index.clips(start=YEAR_2026, end=YEAR_2026 + 10)
        assert [clip.id for clip in found] == [clips[0].id]
        assert index.clips(end=HOUR) == [], "nothing is left in 1970"


def test_the_last_motion_is_told_once_the_clock_is_right(tmp_path: Path, video: Video) -> None:
    process = CameraProcess(tmp_path, video, seconds=40, motion=[(5, 7)])
    process.set_clock(YEAR_1970, synced=False)
    told: list[float | None] = []

    def note() -> None:
        told.append(process.health().last_motion_at)
        sync(process)

    run(process, {20: note, 22: lambda: mark(process)})
    assert told == [None], "no invented time"
    assert process.health().last_motion_at == pytest.approx(YEAR_2026 + 5, abs=0.5)
    assert "armed; the clock is not set" in process.states()
    assert process.states()[-1] == "stopped"


def test_many_clips_are_corrected_a_few_at_a_time(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs syncs of the card; the watchdog and the camera are served in between."""
    process = CameraProcess(tmp_path, video, seconds=20)
    process.set_clock(YEAR_1970, synced=False)
    for _ in range(23):
        process.house.record(seconds_ago=10)
    left: list[int] = []

    def notify(said: str) -> None:
        process.said.append(said)
        if said == "WATCHDOG=1":
            left.append(sum(not clip.clock_synced for clip in process.clips()))

    with monkeypatch.context() as patch:
        patch.setattr(process, "notify", notify)
        run(process, {5: lambda: set_right(process)})
    assert left[0] == 23
    assert left[-1] == 0
    assert max(before - later for before, later in pairwise(left)) <= 5


def test_a_clock_set_between_two_looks_at_it_leaves_no_clip_of_1970_that_passes_for_true(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a clip would be the first that retention takes for too old."""
    process = CameraProcess(tmp_path, video, seconds=25, motion=[(5, 7)])
    process.set_clock(YEAR_1970, synced=False)
    real = SimulatedClock.now

    def now(clock: SimulatedClock) -> float:
        wall = real(clock)
        if process.clock.monotonic() >= process.source.start + 5 and not clock.is_synced:
            sync(process)
            mark(process)
        return wall

    monkeypatch.setattr(SimulatedClock, "now", now)
    run(process, {})
    (clip,) = process.clips()
    assert clip.started_at == pytest.approx(YEAR_2026 + 3, abs=0.5)


def test_a_clock_that_counts_from_0_at_its_own_start_makes_readable_clips(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=20, motion=[(0.5, 2)])
    process.set_clock(0.0, synced=False)
    process.clock.monotonic_seconds = 0.0
    run(process, {})
    (sidecar,) = process.sidecars()
    assert sidecar.started_at >= 0
    assert not sidecar.clock_synced


# A clock that was set, and steps


def test_a_clock_that_steps_by_an_hour_leaves_clips_whole_in_order_and_dated_by_it(
    tmp_path: Path, video: Video
) -> None:
    film = [(5, 7), (18, 25), (40, 42), (58, 63), (72, 74)]
    process = CameraProcess(tmp_path, video, seconds=85, motion=film)
    began = process.clock.monotonic()

    run(
        process,
        {
            20: lambda: process.clock.step_wall(-HOUR),
            60: lambda: process.clock.step_wall(HOUR),
        },
    )
    clips = process.clips_as_recorded()
    assert [round(clip.monotonic_seconds - began) for clip in clips] == [3, 16, 38, 56, 70]
    assert [round(clip.started_at - process.wall) for clip in clips] == [
        3,
        16,  # it began before the step
        38 - HOUR,
        56 - HOUR,
        70,
    ]
    assert [round(clip.duration_seconds) for clip in clips] == [7, 12, 7, 10, 7]
    assert all(clip.clock_synced for clip in clips)
    assert [sidecar.clip for sidecar in process.sidecars()] == clips


def test_a_clip_that_is_cut_while_the_clock_steps_goes_on_without_a_gap(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=80, motion=[(5, 70)])
    run(
        process,
        {
            15: lambda: process.clock.step_wall(-HOUR),
            35: lambda: process.clock.step_wall(2 * HOUR),
        },
    )
    clips = process.clips_as_recorded()
    assert len(clips) >= 3
    for before, later in pairwise(clips):
        end = before.monotonic_seconds + before.duration_seconds
        assert later.monotonic_seconds == pytest.approx(end, abs=0.001)


@pytest.mark.parametrize("step_days", [-400, -40, 40, 400])
def test_a_clock_that_is_wrong_for_a_while_costs_no_clip_of_this_boot(
    tmp_path: Path, video: Video, step_days: int
) -> None:
    """Neither what was recorded while it was wrong, nor what was there before."""
    process = CameraProcess(tmp_path, video, seconds=45, motion=[(5, 7), (18, 20), (33, 35)])
    step = step_days * 86_400.0
    run(
        process,
        {
            14: lambda: process.clock.step_wall(step),
            28: lambda: process.clock.step_wall(-step),
        },
    )
    assert len(process.clips()) == 3
    with process.house.open_index() as index:
        assert [clip.id for clip in as_recorded(index)] == [
            sidecar.id for sidecar in process.sidecars()
        ]


# A reboot in between


def test_clips_of_a_boot_that_never_was_synced_keep_their_doubt_and_get_no_invented_time(
    tmp_path: Path, video: Video
) -> None:
    first = CameraProcess(tmp_path, video, seconds=20, motion=[(5, 7)])
    first.set_clock(YEAR_1970, synced=False)
    run(first, {})
    (lost,) = first.clips()
    assert not lost.clock_synced

    second = CameraProcess.again(first, seconds=30, motion=[(5, 7)])
    second.clock.boot = SECOND_BOOT
    second.clock.monotonic_seconds = 12.0
    second.set_clock(YEAR_1970, synced=False)
    run(second, {20: lambda: set_right(second)})
    kept, dated = second.clips_as_recorded()
    assert kept == lost, "not touched, and not too old either"
    assert dated.clock_synced
    assert dated.started_at == pytest.approx(YEAR_2026 + 3, abs=0.5)
    with second.house.open_index() as index:
        assert index.clips(start=YEAR_2026 - 86_400, end=YEAR_2026 + 60) == [dated]


def test_a_recording_cut_off_before_the_clock_was_set_is_corrected_after_a_restart(
    tmp_path: Path, video: Video
) -> None:
    first = CameraProcess(tmp_path, video, seconds=10, motion=[(5, 10)])
    first.set_clock(YEAR_1970, synced=False)
    app = first.app()
    app.start()
    first.watch(app)  # and then the process is killed, in the middle of its clip
    recorder = app._recorder
    assert recorder is not None
    assert recorder._recording is not None
    recorder._recording._draft.abandon()

    again = CameraProcess.again(first, seconds=10)
    run(again, {5: lambda: set_right(again)})
    (clip,) = again.clips()
    assert clip.truncated
    assert clip.clock_synced
    assert clip.started_at == pytest.approx(YEAR_2026 - 10 + 3, abs=1)


def test_the_times_of_a_clip_recovered_after_a_full_disk_are_corrected_too(
    tmp_path: Path, video: Video
) -> None:
    process = CameraProcess(tmp_path, video, seconds=60, motion=[(5, 30)])
    process.set_clock(YEAR_1970, synced=False)
    app = process.app()
    app.start()

    def fill() -> None:
        recorder = app._recorder
        assert recorder is not None
        assert recorder._recording is not None
        recorder._recording.abandon()
        recorder._recording = None
        app.housekeeping.failed(StorageFault("the disk is full"))
        sync(process)
        mark(process)

    process.watch(app, {10: fill})
    app.finish("stopped")
    clips = process.clips_as_recorded()
    assert clips[0].truncated
    assert [clip.clock_synced for clip in clips] == [True] * len(clips)
    assert clips[0].started_at == pytest.approx(YEAR_2026 + 3, abs=1)
