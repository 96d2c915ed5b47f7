"""The device's side: one try a code, new codes, a last one, and what is stored when."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from agent.cli.setup import device_pairing
from agent.cli.setup.device_pairing import MOST_CODES, Comer, pair
from agent.consent.cards import OwnerCard, format_card
from agent.errors import ConfigError, NetworkFault, Refused
from agent.mqtt.link import Settings
from agent.owner.home import keys as owner_keys
from agent.pairing.code import CODE_SECONDS, PairingCode
from agent.pairing.messages import Introduction, Offer
from agent.pairing.sides import OwnerSide
from tests.support.pairing import FakeOwner

BROKER = Settings(client_id="", host="127.0.0.1", port=1)
OFFER = Offer(card="name: front-door\n")


@pytest.fixture(scope="module")
def olive() -> OwnerCard:
    return owner_keys.make("Olive", "correct horse battery", now=0).card


@dataclass
class FakeHost:
    fails_to_store: bool = False
    shown: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    owners: list[Comer] = field(default_factory=list)
    withdrawn: list[Comer] = field(default_factory=list)

    def show(self, code: PairingCode, why: str) -> None:
        self.shown.append(str(code))
        self.reasons.append(why)

    def offer(self, comer: Comer, computer: str) -> Offer:
        assert computer == "ab" * 8
        return OFFER

    def store(self, comer: Comer) -> None:
        if self.fails_to_store:
            raise ConfigError("the disk is full")
        self.owners.append(comer)

    def withdraw(self, comer: Comer) -> None:
        self.withdrawn.append(comer)


def right(olive: OwnerCard) -> object:
    return lambda code: OwnerSide(code, Introduction(card=format_card(olive), computer="ab" * 8))


def guesser(code: PairingCode) -> OwnerSide:
    other = f"{(int(code.secret) + 1) % 10**6:06d}"
    introduction = Introduction(card="x", computer="ab" * 8)
    return OwnerSide(PairingCode(code.channel, other), introduction)


def run(host: FakeHost, owner: FakeOwner, monkeypatch: pytest.MonkeyPatch) -> Comer:
    monkeypatch.setattr(device_pairing, "Meeting", owner.meeting)
    return pair(host, BROKER)


def test_the_owner_who_has_the_code_is_stored(
    olive: OwnerCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, owner = FakeHost(), FakeOwner([right(olive)])  # type: ignore[list-item]
    assert run(host, owner, monkeypatch) == olive
    assert (host.owners, owner.offers, owner.stored) == ([olive], [OFFER], [""])


def test_each_wrong_code_and_each_late_one_brings_a_new_code_with_the_reason(
    olive: OwnerCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, owner = FakeHost(), FakeOwner([guesser, None, right(olive)])  # type: ignore[list-item]
    run(host, owner, monkeypatch)
    assert len(set(host.shown)) == 3
    assert host.reasons[0] == ""
    assert "another code" in host.reasons[1]
    assert "nobody came in time" in host.reasons[2]
    assert owner.meetings[1].waited == [CODE_SECONDS]


def test_somebody_who_knocks_and_vanishes_uses_the_code_up_in_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = FakeOwner([guesser] * MOST_CODES, is_cut_at="answer")
    host = FakeHost()
    with pytest.raises(Refused, match="answered without the code"):
        run(host, owner, monkeypatch)
    assert owner.meetings[0].waited == [CODE_SECONDS, 60.0]


def test_after_five_codes_the_setup_gives_up_and_stores_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, owner = FakeHost(), FakeOwner([guesser] * (MOST_CODES + 1))
    with pytest.raises(Refused, match="5 codes were used up") as caught:
        run(host, owner, monkeypatch)
    assert "stranger" in caught.value.advice
    assert (len(host.shown), len(owner.comers), host.owners) == (MOST_CODES, 1, [])


def test_an_owner_who_refuses_or_falls_silent_is_not_stored(
    olive: OwnerCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    refusing = FakeOwner([right(olive)], refuses="its name is taken")  # type: ignore[list-item]
    with pytest.raises(Refused, match="its name is taken"):
        run(host, refusing, monkeypatch)
    silent = FakeOwner([right(olive)], is_cut_at="offer")  # type: ignore[list-item]
    with pytest.raises(NetworkFault, match="nothing was stored here"):
        run(host, silent, monkeypatch)
    assert (host.owners, host.withdrawn) == ([], [olive, olive])


def test_a_card_that_cannot_be_stored_is_refused_to_the_owner_too(
    olive: OwnerCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, owner = FakeHost(fails_to_store=True), FakeOwner([right(olive)])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="disk is full"):
        run(host, owner, monkeypatch)
    assert owner.stored == ["the disk is full"]


def test_something_that_is_no_owners_card_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def odd(code: PairingCode) -> OwnerSide:
        return OwnerSide(code, Introduction(card="role: requester\n", computer="ab" * 8))

    host, owner = FakeHost(), FakeOwner([odd])
    with pytest.raises(ConfigError, match="the owner's card"):
        run(host, owner, monkeypatch)
    assert owner.stored[0].startswith("the owner's card")
