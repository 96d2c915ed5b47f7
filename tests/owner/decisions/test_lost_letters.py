"""A decision that a broker lost goes out again, as it was signed, as long as it counts."""

from __future__ import annotations

import pytest

from agent.consent import letters, signing
from agent.consent.letters import Letter
from agent.consent.statements import ApprovedClip, HouseholdOwner, Recipient
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.decisions import late_letters
from agent.owner.decisions.sent import RELEASES
from agent.owner.decisions.sign import Consent
from agent.owner.home.folder import OwnerFolder, StoredStatement
from agent.owner.inbox.inbox import Inbox
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.support import statements

NEIGHBOUR = Keys.generate()


class Household:
    """An owner, who decides, and two cameras, of which the broker lost what was decided."""

    def __init__(self, home: OwnerFolder, front: FakeCamera, keys: Keys) -> None:
        self.front, self.back = front, FakeCamera("back-door", front.owner)
        cards = {one.name: one.card for one in (self.front, self.back)}
        self.home, self.inbox, self.keys = home, Inbox(home, cards), keys

    def take(self, topic: str, letter: bytes) -> None:
        parsed = topics.parse(topic, feed="")
        assert parsed is not None
        self.inbox.take(parsed, letter, self.keys, now=NOW)

    def listed(self, camera: FakeCamera, plain: bytes) -> ApprovedClip:
        """A new clip, which ``camera`` lists."""
        offer = camera.record(plain)
        self.take(topics.release(camera.name, "0" * 16), camera.listing([offer]))
        return statements.approved(offer.id, offer.sha256)

    def sign(self, consent: Consent) -> str:
        """Decide so; returns the text."""
        jws = self.keys.signing.sign(consent)
        kept = StoredStatement(jws=jws, received_at=NOW)
        self.home.keep(RELEASES, self.front.name, signing.digest(jws)[:16], kept)
        return jws

    def share(self, clip: ApprovedClip) -> str:
        recipient = Recipient(
            name="The neighbour", key=NEIGHBOUR.signing.public.text, seal=NEIGHBOUR.recipient
        )
        aud = self.front.card.key.fingerprint
        return self.sign(statements.share(self.keys.fingerprint, aud, recipient, [clip]))

    def speaks(self, iat: int, **more: object) -> None:
        """The camera says how it is, and nothing of any decision."""
        topic = topics.status(self.front.name, self.keys.fingerprint)
        self.take(topic, self.front.status(iat=iat, **more))

    def due(self, now: float = NOW + 20) -> list[Letter]:
        """The letters that go out again, as the camera opens them."""
        found = late_letters.due(self.home, self.inbox, self.front.card, self.keys, now=now)
        return [letters.open_letter(one.letter, self.front.keys.identity) for one in found]


@pytest.fixture
def house(home: OwnerFolder, camera: FakeCamera, keys: Keys) -> Household:
    return Household(home, camera, keys)


def test_a_share_goes_out_again_with_its_keys_once_the_camera_has_spoken_without_it(
    house: Household,
) -> None:
    clip = house.listed(house.front, b"clip")
    house.listed(house.back, b"of the other camera")
    jws = house.share(clip)
    assert house.due() == []  # the camera has not spoken
    house.speaks(NOW)
    assert house.due() == []  # not since
    house.speaks(NOW + 10)
    assert house.due() == [Letter(jws=jws, keys={clip.id: house.front.identities[clip.id]})]
    assert house.due(now=NOW + 10 * 365 * 86_400) == []  # it counts no longer
    subject = signing.digest(jws)[:16]
    house.take(topics.release("front-door", subject), house.front.outcome(subject, "SENT"))
    assert house.due() == []  # the camera has it


def test_a_lost_share_that_another_owner_must_agree_to_goes_out_without_keys(
    house: Household,
) -> None:
    jws = house.share(house.listed(house.front, b"clip"))
    owners = tuple(
        HouseholdOwner(fingerprint=one.fingerprint, name=name)
        for one, name in ((house.keys, "Ann"), (NEIGHBOUR, "Otto"))
    )
    house.speaks(NOW + 10, owners=owners, approvals_needed=2)
    assert house.due() == [Letter(jws=jws, keys={})]


def test_a_lost_approval_goes_out_again_while_its_request_is_open(
    house: Household, requester: Keys
) -> None:
    request, offer = make_request(requester), house.front.record(b"clip")
    name = signing.digest(request)[:16]
    for camera, offers in ((house.front, [offer]), (house.back, [])):
        house.take(topics.inbox(camera.name, name), camera.report(request, offers))
    jws = house.sign(
        statements.approval(
            house.keys.fingerprint,
            house.front.card.key.fingerprint,
            signing.digest(request),
            [statements.approved(offer.id, offer.sha256)],
        )
    )
    house.speaks(NOW + 10)
    assert house.due() == [Letter(jws=jws, keys={offer.id: house.front.identities[offer.id]})]
    house.take(topics.inbox("front-door", name), b"")
    assert house.due() == []


def test_a_lost_share_of_a_clip_that_no_letter_offers_is_told_and_holds_up_no_other(
    house: Household,
) -> None:
    clip = house.listed(house.front, b"clip")
    gone = house.share(statements.approved("20240124-170000-abcdef", "0" * 64))
    jws = house.share(clip)
    house.speaks(NOW + 10)
    assert [letter.jws for letter in house.due()] == [jws]
    (warning,) = house.inbox.warnings
    assert warning.startswith(
        f"front-door: release {signing.digest(gone)[:16]} cannot be sent again: "
        "clip 20240124-170000-abcdef is in no letter here"
    )
