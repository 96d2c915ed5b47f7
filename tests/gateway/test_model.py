"""A byte leaves only after enough owners have validly said so, whatever happens.

The model is in :mod:`tests.gateway.model`; ``make soak`` plays it for many thousand steps, and
fails if one of its rare events never came.
"""

from __future__ import annotations

import pytest

from tests.gateway.model.machine import GatewayModel
from tests.support.models import play


@pytest.mark.timeout(1800)  # bounded by examples and steps; a time limit would look like a flaw
@pytest.mark.untraced  # half a minute of tracing, for lines that other tests run too
def test_only_what_enough_owners_consented_to_leaves_whatever_happens() -> None:
    least = {"delivered": 2, "crashes": 1, "release.proposed": 1, "request.declined": 1}
    play(GatewayModel, GatewayModel.told, examples=12, steps=35, least=least)
