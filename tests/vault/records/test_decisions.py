"""Owners' decisions that were acted on, and requesters that they muted."""

from __future__ import annotations

import pytest

from agent.errors import InternalFault
from agent.vault.records.decisions import DecisionWriter
from tests.vault.records.test_requests import DIGEST, NOW
from tests.vault.support import Vault


@pytest.fixture
def decisions(vault: Vault) -> DecisionWriter:
    return DecisionWriter(vault.database)


def test_a_requester_muted_twice_is_muted_once(vault: Vault, decisions: DecisionWriter) -> None:
    for at in (NOW, NOW + 1):
        with vault.database.transaction():
            decisions.mute("police", at=at)
    assert decisions.muted() == ("police",)


def test_a_statement_counts_once(vault: Vault, decisions: DecisionWriter) -> None:
    assert not decisions.seen("jti")
    with vault.database.transaction():
        decisions.mark_seen("jti", DIGEST, at=NOW)
        assert decisions.seen("jti")
    with pytest.raises(InternalFault), vault.database.transaction():
        decisions.mark_seen("jti", "e" * 64, at=NOW)


def test_a_statement_whose_transaction_fails_was_never_seen(
    vault: Vault, decisions: DecisionWriter
) -> None:
    with pytest.raises(ZeroDivisionError), vault.database.transaction():
        decisions.mark_seen("jti", DIGEST, at=NOW)
        raise ZeroDivisionError
    assert not decisions.seen("jti")


def test_a_requester_is_muted_until_it_is_not(vault: Vault, decisions: DecisionWriter) -> None:
    with vault.database.transaction():
        decisions.mute("requester", at=NOW)
        decisions.mute("requester", at=NOW + 1)
    assert decisions.muted() == ("requester",)
    with vault.database.transaction():
        assert decisions.unmute("requester")
        assert not decisions.unmute("requester")
    assert decisions.muted() == ()


def test_a_decision_outside_a_transaction_is_our_mistake(decisions: DecisionWriter) -> None:
    with pytest.raises(InternalFault, match="outside a transaction"):
        decisions.mute("requester", at=NOW)
