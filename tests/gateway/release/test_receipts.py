"""Receipts: what turns SENT into DELIVERED or REJECTED, and what does not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from agent.consent.signing import SigningKey
from agent.consent.statements import Receipt, Revoke
from agent.gateway.release.receipts import FIRST_PAUSE_SECONDS, GIVE_UP_SECONDS, OVERDUE_SECONDS
from agent.vault.records.receipts import ReceiptTable
from tests.support import statements
from tests.support.gateway_world import World, change_cards, state_of
from tests.support.house import Person
from tests.support.peers import open_bundle
from tests.support.two_owners import write


def sent(world: World) -> str:
    """A release that reached its receiver; its id."""
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]))
    (release_id,) = world.outcomes()
    assert state_of(world, release_id) == "SENT"
    return release_id


def answer(world: World, *, by: SigningKey | None = None, **changes: Any) -> str:
    """Put the recipient's receipt beside the only upload; returns its text."""
    ((url, upload),) = world.receiver.uploads.items()
    signer = by or world.house.requester.signing
    files = open_bundle(bytes(upload.data), world.house.requester.identity)
    fields: dict[str, Any] = {
        "bundle": hashlib.sha256(upload.data).hexdigest(),
        "release": hashlib.sha256(files["data/release.jws"]).hexdigest(),
        "verdict": "accepted",
        **changes,
    }
    receipt = Receipt(
        iss=signer.public.fingerprint,
        jti=statements.new_jti(),
        iat=int(world.clock.now()),
        **fields,
    )
    jws = signer.sign(receipt)
    world.receiver.receipts[url] = jws.encode()
    return jws


def later(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    world.run()


def awaited(world: World) -> int:
    with world.house.open_database() as database:
        return int(ReceiptTable(database)._database.rows("SELECT count(*) FROM receipt")[0][0])


def test_an_accepted_bundle_is_delivered_and_the_receipt_stands_in_the_ledger(
    world: World,
) -> None:
    release_id = sent(world)
    jws = answer(world)
    later(world, FIRST_PAUSE_SECONDS)
    assert state_of(world, release_id) == "DELIVERED"
    assert world.events("release.delivered") == [("release.delivered", {"receipt": jws})]
    assert awaited(world) == 0
    asked = world.receiver.asked
    later(world, 86_400)
    assert world.receiver.asked == asked, "a finished release is asked for no more"


def test_a_rejected_bundle_tells_its_owner_why_and_is_not_sent_again(world: World) -> None:
    release_id = sent(world)
    jws = answer(world, verdict="rejected", rule="clips-differ", detail="one too many")
    later(world, FIRST_PAUSE_SECONDS)
    outcome = world.outcomes()[release_id]
    assert (outcome.event, outcome.detail) == ("REJECTED", "clips-differ: one too many")
    assert world.events("release.rejected") == [
        ("release.rejected", {"receipt": jws, "rule": "clips-differ", "why": "one too many"})
    ]
    later(world, 86_400)
    assert world.receiver.calls.count("create") == 1


def test_a_bundle_that_could_not_be_opened_is_rejected_without_naming_what_is_in_it(
    world: World,
) -> None:
    release_id = sent(world)
    answer(world, verdict="rejected", rule="not-sealed-to-us", release=None)
    later(world, FIRST_PAUSE_SECONDS)
    assert state_of(world, release_id) == "REJECTED"


WRONG: dict[str, Callable[[World], object]] = {
    "another bundle": lambda world: answer(world, bundle="0" * 64),
    "never opened": lambda world: answer(world, release="0" * 64),
    "another signer": lambda world: answer(world, by=Person().signing),
    "the owner": lambda world: answer(world, by=world.house.owner.signing),
    "a page": lambda world: put(world, b"<!doctype html><title>502</title>"),
    "no text": lambda world: put(world, b"\xff\x00" * 40),
    "cut off": lambda world: put(world, answer(world).encode()[:-5]),
    "another statement": lambda world: put(world, world.house.post(world.house.request()).encode()),
}


def put(world: World, data: bytes) -> None:
    (url,) = world.receiver.uploads
    world.receiver.receipts[url] = data


@pytest.mark.parametrize("wrong", WRONG)
def test_anything_else_beside_the_upload_counts_as_no_receipt(world: World, wrong: str) -> None:
    release_id = sent(world)
    WRONG[wrong](world)
    later(world, 60)
    assert state_of(world, release_id) == "SENT"
    answer(world)
    later(world, 60)
    assert state_of(world, release_id) == "DELIVERED", "a right one that comes later is believed"


def test_a_receiver_that_lies_about_its_offset_is_told_as_sent_without_receipt(
    world: World,
) -> None:
    release_id = sent(world)
    assert world.outcomes()[release_id].detail == ""
    later(world, OVERDUE_SECONDS - 1)
    assert world.outcomes()[release_id].detail == ""
    later(world, 1)
    outcome = world.outcomes()[release_id]
    assert outcome.event == "SENT" and outcome.detail.startswith("no receipt")
    for _ in range(20):
        later(world, 3_600)
    assert len(world.events("release.unconfirmed")) == 1, "the owners are told once"
    answer(world)
    later(world, 6 * 3_600)
    assert state_of(world, release_id) == "DELIVERED", "a late receipt still counts"


def test_the_questions_grow_rarer_and_end(world: World) -> None:
    release_id = sent(world)
    for _ in range(15 * 24):
        later(world, 3_600)
    assert 40 <= world.receiver.asked <= 130
    assert state_of(world, release_id) == "SENT" and awaited(world) == 0
    asked = world.receiver.asked
    later(world, GIVE_UP_SECONDS)
    assert world.receiver.asked == asked


def test_a_receiver_that_is_gone_is_asked_again(world: World) -> None:
    release_id = sent(world)
    world.receiver.receipts_away = True
    later(world, 60)
    world.receiver.receipts_away = False
    answer(world)
    later(world, 600)
    assert state_of(world, release_id) == "DELIVERED"


def test_a_receipt_is_awaited_across_a_restart(world: World) -> None:
    release_id = sent(world)
    world.restart()
    answer(world)
    later(world, 60)
    assert state_of(world, release_id) == "DELIVERED"


@pytest.mark.parametrize("uncommitted", [True, False])
def test_a_crash_at_the_receipt_changes_nothing_or_all(world: World, uncommitted: bool) -> None:
    release_id = sent(world)
    answer(world)
    world.crash_after, world.crash_uncommitted = 0, uncommitted
    later(world, 60)
    assert world.crashes == 1
    later(world, 60)
    assert state_of(world, release_id) == "DELIVERED"
    assert len(world.events("release.delivered")) == 1


def test_no_receipt_is_asked_for_elsewhere_than_where_the_bundle_went(world: World) -> None:
    sent(world)
    write(world, "UPDATE release SET upload_url = 'http://127.0.0.1:2/files/0'")
    later(world, 60)
    assert world.receiver.asked == 0


def test_a_requester_whose_card_was_removed_confirms_nothing(world: World) -> None:
    release_id = sent(world)
    answer(world)
    change_cards(world, lambda cards: cards.clear())
    world.restart()
    later(world, 60)
    assert state_of(world, release_id) == "SENT"


def test_what_was_sent_cannot_be_revoked_while_its_receipt_is_awaited(world: World) -> None:
    release_id = sent(world)
    world.to_device(world.house.command(Revoke(release=release_id)))
    answer(world)
    later(world, 60)
    assert state_of(world, release_id) == "DELIVERED"


def test_the_recipient_of_a_share_confirms_it(world: World) -> None:
    clip = world.house.record()
    world.to_device(world.house.share([clip], world.house.requester))
    (release_id,) = world.outcomes()
    answer(world)
    later(world, 60)
    assert state_of(world, release_id) == "DELIVERED"


def test_a_release_that_ends_unsent_awaits_nothing(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["request-lost"] * 9
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    assert awaited(world) == 1
    world.to_device(world.house.command(Revoke(release=release_id)))
    assert state_of(world, release_id) == "REVOKED" and awaited(world) == 0
