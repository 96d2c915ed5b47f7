"""A taken-over gateway has no clip deleted and no recording stopped, whatever it writes.

The model is :mod:`tests.camera.model`; ``make soak`` plays it for many thousand steps.
"""

from __future__ import annotations

import pytest

from tests.camera.model import CameraModel
from tests.support.models import play


@pytest.mark.timeout(1800)  # bounded by examples and steps; a time limit would look like a flaw
@pytest.mark.untraced
def test_the_camera_deletes_and_stops_only_for_an_owner_whatever_the_gateway_writes() -> None:
    least = dict.fromkeys(("disarmed", "restored", "deleted"), 1)
    play(CameraModel, CameraModel.told, examples=30, steps=25, least=least)
