"""The product's own detector in the shape that ``../shared/motion/score.py`` asks for.

From the root of the repository::

    python ../shared/motion/score.py benchmarks.adapters:detector --peers
"""

from __future__ import annotations

from collections.abc import Callable

from agent.camera.detection.detector import MotionDetector
from agent.camera.source import Luma


def detector(fps: float) -> Callable[[Luma, float], bool]:
    """A new detector for frames at ``fps``, with the defaults of the configuration."""
    return MotionDetector(frames_per_second=fps)
