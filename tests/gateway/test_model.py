"""A byte leaves only after enough owners have validly said so, whatever happens.

The model is in :mod:`tests.gateway.model`; ``make soak`` plays it for many thousand steps.
"""

from __future__ import annotations

import pytest

from tests.gateway.model.machine import GatewayModel
from tests.support.models import play

_EVENTS = (
    "release.proposed", "request.withdrawn", "request.declined", "requester.muted",
    "requests.paused", "stopped in time", "alert.received", "second requester",
    "approved early", "revoked early", "withdrawn early", "too-many-open",
    "requester-muted", "jti-reused", "tricks", "keys came later", "revocation lost",
    "restored and noticed", "shared", "release.delivered", "release.rejected",
)  # fmt: skip


@pytest.mark.timeout(1800)  # bounded by examples and steps; a time limit would look like a flaw
@pytest.mark.untraced  # half a minute of tracing, for lines that other tests run too
def test_only_what_enough_owners_consented_to_leaves_whatever_happens() -> None:
    least = dict.fromkeys(_EVENTS, 1) | {"delivered": 11, "crashes": 6}
    play(GatewayModel, GatewayModel.told, examples=50, steps=35, least=least)
