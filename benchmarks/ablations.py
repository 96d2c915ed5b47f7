"""The motion detector with its steps for weather taken out, one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from agent.camera.detection.background import empty_mask
from agent.camera.detection.detector import MotionDetector
from agent.camera.detection.light import shows_same_things
from agent.camera.detection.pace import Pace
from agent.camera.detection.regions import Regions
from agent.camera.detection.tracks import Tracks
from agent.camera.detection.verdict import Box
from agent.camera.zones import Mask


class _AlwaysCalm(Regions):
    weather = property(lambda _: False)


class _NoRestlessBlocks(Regions):
    def restless(self) -> Mask:
        return empty_mask()


class _NeverOld(Regions):
    def oldest(self, box: tuple[slice, slice]) -> int:
        del box
        return 0


class _NoDoubt(Tracks):
    def look(self, hit: Box | None, *, weather: bool, pace: Pace) -> bool:
        self._doubt = 0.0
        return super().look(hit, weather=weather, pace=pace)


class _HitsAnywhere(Tracks):
    def _follow(self, hit: Box, reach: float) -> None:
        super()._follow(hit, max(reach, math.inf))


class _NoSoftLight(MotionDetector):
    def _is_light(self, box: tuple[slice, slice]) -> bool:
        now, before = self._background.luma[box], self._background.level[box]
        textured = self._size >= 16
        return textured and shows_same_things(
            now, before, np.asarray(self._regions.lasting[box] > 0)
        )


def _with(
    regions: Callable[[], Regions], tracks: Callable[[], Tracks]
) -> Callable[[float], MotionDetector]:
    def make(fps: float) -> MotionDetector:
        detector = MotionDetector(frames_per_second=fps)
        detector._regions, detector._tracks = regions(), tracks()
        return detector

    return make


ABLATIONS: Mapping[str, Callable[[float], MotionDetector]] = {
    "lifetime in weather": _with(_AlwaysCalm, Tracks),
    "doubt after short tracks": _with(Regions, _NoDoubt),
    "hits near each other": _with(Regions, _HitsAnywhere),
    "soft light": lambda fps: _NoSoftLight(frames_per_second=fps),
    "noise of restless blocks": _with(_NoRestlessBlocks, Tracks),
    "lower gate for old regions": _with(_NeverOld, Tracks),
}
