"""A taken-over gateway has no clip deleted and no recording stopped, whatever it writes.

The model is :mod:`tests.camera.model`; ``make soak`` plays it for many thousand steps.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.camera.model import CameraModel


@pytest.mark.timeout(1800)  # bounded by examples and steps; a time limit would look like a flaw
@pytest.mark.untraced
def test_the_camera_deletes_and_stops_only_for_an_owner_whatever_the_gateway_writes() -> None:
    CameraModel.told.clear()
    run_state_machine_as_test(
        CameraModel,
        settings=settings(
            max_examples=45,
            stateful_step_count=25,
            derandomize=True,  # the counts below must not depend on the day
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    for event in ("disarmed", "restored", "deleted"):
        assert CameraModel.told[event] > 0, f"the model has hardly any {event}"
