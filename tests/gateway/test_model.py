"""A byte leaves only after enough owners have validly said so, whatever happens.

The model is in :mod:`tests.gateway.model`; ``make soak`` plays it for many thousand steps.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.gateway.model.machine import GatewayModel


@pytest.mark.timeout(1800)  # bounded by examples and steps; a time limit would look like a flaw
@pytest.mark.untraced  # half a minute of tracing, for lines that other tests run too
def test_only_what_enough_owners_consented_to_leaves_whatever_happens() -> None:
    GatewayModel.told.clear()
    run_state_machine_as_test(
        GatewayModel,
        settings=settings(
            max_examples=50,
            stateful_step_count=35,
            derandomize=True,  # the counts below must not depend on the day
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    told = GatewayModel.told
    assert told["delivered"] > 10, "the model hardly ever releases anything"
    assert told["shared"] > 0, "the model hardly ever shares anything"
    assert told["crashes"] > 5, "the model hardly ever crashes"
    for event in (
        "release.proposed", "request.withdrawn", "request.declined", "requester.muted",
        "requests.paused", "stopped in time", "alert.received", "second requester",
        "approved early", "revoked early", "withdrawn early", "too-many-open",
        "requester-muted", "jti-reused", "tricks", "keys came later", "revocation lost",
        "restored and noticed",
    ):  # fmt: skip
        assert told[event] > 0, f"the model has hardly any {event}"
