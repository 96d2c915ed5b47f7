"""The rule by which a letter about a release replaces another."""

from __future__ import annotations

import pytest

from agent.consent.lifecycle import LEFT
from agent.consent.statements import LedgerHead, Outcome
from agent.owner.inbox.placing import may_follow
from tests.consent import world


def told(event: str, iat: int) -> Outcome:
    return Outcome(
        iss=world.DEVICE.public.fingerprint,
        jti="outcome-000000001",
        iat=iat,
        device="front-door",
        subject="0" * 16,
        request=None,
        event=event,
        detail="",
        ledger=LedgerHead(size=iat, root="0" * 64),
    )


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("event", ["APPROVED", "SEALED", "HELD", "FAILED", "REVOKED", "REFUSED"])
def test_a_camera_that_was_set_back_does_not_unsend(left: str, event: str) -> None:
    assert not may_follow(told(event, 2), told(left, 1))


@pytest.mark.parametrize("event", ["DELIVERED", "REJECTED"])
def test_a_receipt_follows_on_sent_and_not_the_other_way(event: str) -> None:
    assert may_follow(told(event, 2), told("SENT", 1))
    assert not may_follow(told(event, 1), told("SENT", 2)), "an older letter"
    assert not may_follow(told("SENT", 2), told(event, 1))


def test_sent_without_a_receipt_follows_on_sent() -> None:
    assert may_follow(told("SENT", 2), told("SENT", 1))
