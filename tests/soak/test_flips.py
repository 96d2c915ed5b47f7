"""The forger of `make soak`, briefly: it forges, and detects acceptance."""

from __future__ import annotations

import pytest

from tests.soak import flips


def test_no_forgery_is_accepted() -> None:
    count = flips.forge("a test", 1_000)
    assert (count.verified, count.letters) == (900, 100)
    assert count.accepted == []
    assert sum(count.rules.values()) == 1_000
    assert {"bad-signature", "not-jws", "not-sealed-to-us", "unknown-signer"} <= count.rules.keys()


def test_a_verifier_that_believes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.consent.signing.verify_signature", lambda _text, _key: None)
    assert flips.forge("a test", 1_000).accepted
