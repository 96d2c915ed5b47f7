"""Letters to the owners: what fits, and what is counted instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import OwnerCard
from agent.consent.statements import InboxReport, Listing, Outcome, RequesterRecord
from agent.errors import Refused
from agent.gateway import device_keys as keys
from agent.gateway.letters.writer import MAX_OFFERED_CLIPS, LetterWriter
from agent.parties import Parties
from agent.vault.clips import seal
from agent.vault.database.gateway import Clip, GatewayDatabase
from agent.vault.records.ledger import Ledger, LedgerWriter
from tests.support.clock import SimulatedClock
from tests.support.house import House, Person

NOW = 1_706_121_000.0


class Family:
    """A device with so many owners."""

    def __init__(self, root: Path, owners: int) -> None:
        self.owners = [Person() for _ in range(owners)]
        self.keys = keys.load_or_create(root, name="front-door")
        recoveries = [Person() for _ in self.owners]
        cards = [
            OwnerCard(
                role="owner",
                name="Olive",
                sign=owner.signing.public.text,
                seal=owner.recipient,
                recovery=recovery.recipient,
            )
            for owner, recovery in zip(self.owners, recoveries, strict=True)
        ]
        recipients = [person.recipient for person in (*self.owners, *recoveries)]
        self.sealed_key = seal.seal_key(
            seal.ClipIdentity().text, recipients, clip_id="20240124-000000-3f9a2c"
        )
        parties = Parties("front-door", self.keys.id, cards, 1, requesters={})
        database = GatewayDatabase.open(root / "gateway.sqlite")
        with database.transaction():
            LedgerWriter(database).append("event", "subject", {}, at=NOW)
        self.ledger = Ledger(database)
        clock = SimulatedClock(NOW + 0.9)
        self.writer = LetterWriter(
            parties=parties, keys=self.keys, ledger=self.ledger, clock=clock, random=os.urandom
        )

    def clips(self, count: int) -> list[Clip]:
        """Clips as they come from the index, the oldest first."""
        return [
            Clip(
                id=f"20240124-{number:06d}-3f9a2c",
                started_at=NOW - 100_000 + number * 10,
                duration_seconds=119.93333333333334,
                monotonic_seconds=1.0,
                boot_id="b",
                clock_synced=False,
                bytes=10**9 + number,
                sha256="f" * 64,
                sealed_key=self.sealed_key,
                truncated=False,
            )
            for number in range(count)
        ]

    def letter(self, clips: list[Clip], request: str = "a.b.c") -> bytes:
        record = RequesterRecord(
            name="Springfield Police Department",
            first_seen=int(NOW),
            requests=1,
            refused=0,
            withdrawn=0,
        )
        return self.writer.request_matches(request, record, clips)

    def read(self, letter: bytes, owner: Person) -> InboxReport:
        opened = mail.open_letter(letter, owner.identity)
        assert opened.keys == {}
        return signing.verify(opened.jws, InboxReport, {self.keys.id: self.keys.signing.public})


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path, owners=1)


def test_each_owner_opens_a_letter_and_nobody_else(tmp_path: Path) -> None:
    family = Family(tmp_path, owners=3)
    letter = family.letter(family.clips(2))
    reports = [family.read(letter, owner) for owner in family.owners]
    assert reports[0] == reports[1] == reports[2]
    assert (reports[0].iss, reports[0].iat) == (family.keys.id, int(NOW))
    assert (reports[0].device, reports[0].ledger) == ("front-door", family.ledger.head())
    with pytest.raises(Refused):
        mail.open_letter(letter, Person().identity)


def test_an_offer_carries_what_an_approval_needs(tmp_path: Path) -> None:
    house = House.build(tmp_path / "house")
    family = Family(tmp_path, owners=1)
    clip = house.record()
    (offer,) = family.read(family.letter([clip]), family.owners[0]).clips
    assert (offer.id, offer.sha256, offer.bytes) == (clip.id, clip.sha256, clip.bytes)
    key = seal.open_key(offer.sealed_key, house.owner.identity, clip_id=offer.id).identity
    assert house.clip_keys([clip]) == {clip.id: key}


@pytest.mark.parametrize("count", [0, 1, 50])
def test_clips_that_fit_are_all_offered(family: Family, count: int) -> None:
    clips = family.clips(count)
    report = family.read(family.letter(clips), family.owners[0])
    assert [offer.id for offer in report.clips] == [clip.id for clip in clips]
    assert report.more_clips == 0


@pytest.mark.parametrize("owners", [1, 2, 4, 8])
def test_of_many_clips_the_newest_are_offered_and_the_others_counted(
    tmp_path: Path, owners: int
) -> None:
    family = Family(tmp_path, owners)
    clips = family.clips(500)
    longest = "j" * 16_384  # a request of the greatest size
    report = family.read(family.letter(clips, longest), family.owners[-1])
    offered = len(report.clips)
    assert 20 < offered <= MAX_OFFERED_CLIPS
    assert [offer.id for offer in report.clips] == [clip.id for clip in clips[-offered:]]
    assert report.more_clips == 500 - offered
    assert report.request == longest


def test_a_clip_recorded_before_the_clock_was_set_is_offered_all_the_same(family: Family) -> None:
    (early,) = family.clips(1)
    early = Clip(**{**{name: getattr(early, name) for name in Clip.__slots__}, "started_at": -5.0})
    (offer,) = family.read(family.letter([early]), family.owners[0]).clips
    assert offer.started_at == 0


def test_an_outcome_tells_what_became_of_a_decision_in_few_words(family: Family) -> None:
    letter = family.writer.outcome("0" * 16, "FAILED", "x" * 1000, request="not a digest")
    opened = mail.open_letter(letter, family.owners[0].identity)
    outcome = signing.verify(opened.jws, Outcome, {family.keys.id: family.keys.signing.public})
    assert (outcome.subject, outcome.request, outcome.event) == ("0" * 16, None, "FAILED")
    assert outcome.detail == "x" * 200


def test_no_two_letters_have_the_same_id(family: Family) -> None:
    letters = [family.read(family.letter([]), family.owners[0]) for _ in range(3)]
    assert len({report.jti for report in letters}) == 3


@pytest.mark.parametrize("count", [0, 1, 300])
def test_a_list_of_clips_fits_into_a_letter_and_says_what_does_not(
    family: Family, count: int
) -> None:
    clips = family.clips(count)
    sealed = family.writer.listing(clips, more_clips=1_000)
    jws = mail.open_letter(sealed, family.owners[0].identity).jws
    listing = signing.verify(jws, Listing, {family.keys.id: family.keys.signing.public})
    assert len(listing.clips) + listing.more_clips == count + 1_000
    assert len(listing.clips) <= MAX_OFFERED_CLIPS
    assert [offer.id for offer in listing.clips] == [
        clip.id for clip in clips[count - len(listing.clips) :]
    ]
    assert listing.ledger == family.ledger.head()
