"""Attacks of a gateway that was taken over, on its owner: one clip shown, another one signed.

It knows every sealed key and every sealed file, offers what it likes, and knows no key.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.consent.statements import ClipOffer
from agent.errors import ClipDamaged, Refused
from agent.vault.clips import seal
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import NOW, FakeCamera
from tests.support import footage

STREET = footage.record(1)
CUT_OFF: dict[str, Any] = {"truncated": True, "duration_seconds": 0.0}


def exchanged(camera: FakeCamera, secret: ClipOffer, shown: ClipOffer) -> ClipOffer:
    """``secret`` by id and key, ``shown`` by all else, which a preview then sends."""
    camera.clips[secret.id] = camera.clips[shown.id]
    return msgspec.structs.replace(shown, id=secret.id, sealed_key=secret.sealed_key)


def approve(owner: OwnerAtHome, name: str, *clips: str) -> int:
    return owner.run("approve", name, *(clips or ["1"]), "--yes", "--wait", "60")


def test_a_preview_of_one_clip_does_not_win_the_key_of_another(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    secret, street = camera.record(b"the bedroom"), camera.record(STREET)
    name = owner.post(request_jws, offers=[exchanged(camera, secret, street)])
    with camera.serve(owner.broker):
        owner.run("inbox")
        with pytest.raises(Refused, match="another recording") as refused:
            owner.run("preview", "1", "--request", name)
        assert refused.value.rule == "other-recording"
        with pytest.raises(Refused, match="another recording"):
            approve(owner, name)
    assert not camera.decisions


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        ({"started_at": NOW - 90_000}, "other-start"),
        ({"started_at": NOW - 4_999, "clock_synced": False}, "other-start"),
        ({"duration_seconds": 3.0}, "other-length"),
        ({"sha256": "0" * 64}, "other-recording"),
    ],
)
def test_a_clip_offered_as_something_else_is_not_released(
    owner: OwnerAtHome,
    camera: FakeCamera,
    request_jws: str,
    lie: dict[str, object],
    rule: str,
) -> None:
    offer = msgspec.structs.replace(camera.record(b"the bedroom"), **lie)
    name = owner.post(request_jws, offers=[offer])
    owner.run("inbox")
    with pytest.raises(Refused) as refused:
        approve(owner, name)
    assert refused.value.rule == rule


def test_the_corrected_start_of_a_clip_recorded_before_the_clock_was_set_is_believed(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    offer = camera.record(STREET, clock_synced=False)
    corrected = msgspec.structs.replace(offer, started_at=NOW - 3_000, clock_synced=True)
    name = owner.post(request_jws, offers=[corrected])
    owner.run("inbox")
    with camera.serve(owner.broker):
        assert approve(owner, name) == 0


def test_a_clip_that_was_cut_off_is_released_only_after_it_was_seen(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    name = owner.post(request_jws, offers=[camera.record(STREET, **CUT_OFF)])
    with camera.serve(owner.broker):
        owner.run("inbox")
        with pytest.raises(Refused, match="cut off") as refused:
            approve(owner, name)
        assert refused.value.rule == "not-seen"
        assert owner.run("preview", "1", "--request", name) == 0
        assert approve(owner, name) == 0


def test_having_seen_a_part_of_a_cut_off_clip_releases_no_more_than_that(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    name = owner.post(request_jws, offers=[camera.record(STREET, **CUT_OFF)])
    trim = ["--trim", "1=0-0.5"]
    with camera.serve(owner.broker):
        owner.run("inbox")
        assert owner.run("preview", "1", "--request", name, *trim) == 0
        with pytest.raises(Refused, match="cut off"):
            approve(owner, name)
        assert approve(owner, name, "1", *trim) == 0


def test_a_cut_off_clip_is_opened_by_its_own_key_alone(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    secret, street = camera.record(b"the bedroom", **CUT_OFF), camera.record(STREET, **CUT_OFF)
    name = owner.post(request_jws, offers=[exchanged(camera, secret, street)])
    with camera.serve(owner.broker):
        owner.run("inbox")
        with pytest.raises(ClipDamaged):
            owner.run("preview", "1", "--request", name)
        with pytest.raises(Refused, match="cut off"):
            approve(owner, name)


def test_a_forged_clip_that_was_seen_does_not_win_the_key_of_a_cut_off_one(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    """Anybody can seal a key of their own to the owner, under the id of the secret clip."""
    secret, street = camera.record(b"the bedroom", **CUT_OFF), camera.record(STREET, **CUT_OFF)
    readers = [camera.owner.seal, camera.owner.recovery]
    own = seal.seal_key(camera.identities[street.id], readers, clip_id=secret.id)
    forged = msgspec.structs.replace(exchanged(camera, secret, street), sealed_key=own)
    name = owner.post(request_jws, offers=[forged])
    with camera.serve(owner.broker):
        owner.run("inbox")
        assert owner.run("preview", "1", "--request", name) == 0
        real = msgspec.structs.replace(forged, sealed_key=secret.sealed_key)
        owner.post(request_jws, offers=[real])
        owner.run("inbox")
        with pytest.raises(Refused, match="cut off"):
            approve(owner, name)


def test_the_page_to_confirm_says_which_clips_were_seen(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = owner.post(request_jws, offers=[camera.record(STREET), camera.record(STREET)])
    with camera.serve(owner.broker):
        owner.run("inbox")
        owner.run("preview", "2", "--request", name)
        capsys.readouterr()
        assert approve(owner, name, "1", "2") == 0
    first, second = capsys.readouterr().out.split("Clip 2")
    assert "not seen on this computer" in first
    assert "seen on " in second and "not seen" not in second
    assert f"clip-agent owner preview 1 --request {name[:8]}" in second
    assert "owner preview 2" not in second


# Numbers


def test_a_number_does_not_pass_to_another_clip_when_one_is_gone(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    offers = [camera.record(STREET), camera.record(b"the bedroom")]
    name = owner.post(request_jws, offers=offers)
    with camera.serve(owner.broker):
        owner.run("inbox")
        owner.run("preview", "1", "--request", name)
        owner.post(request_jws, offers=offers[1:])
        owner.run("inbox")
        for command in (["approve", name, "1", "--yes"], ["preview", "1", "--request", name]):
            with pytest.raises(Refused, match=f"1 was {offers[0].id}") as refused:
                owner.run(*command)
            assert refused.value.rule == "numbers-changed"
        assert approve(owner, name, offers[1].id) == 0
        assert owner.run("show", name) == 0
        assert approve(owner, name) == 0


def test_a_number_does_not_pass_to_another_recording_of_the_same_id(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    before, after = camera.record(STREET), camera.record(STREET)
    name = owner.post(request_jws, offers=[before])
    owner.run("inbox")
    owner.run("show", name)
    owner.post(request_jws, offers=[msgspec.structs.replace(after, id=before.id)])
    owner.run("inbox")
    with pytest.raises(Refused, match="1 was "):
        approve(owner, name)


def test_a_new_clip_behind_the_listed_ones_leaves_their_numbers_alone(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str
) -> None:
    offers = [camera.record(STREET)]
    name = owner.post(request_jws, offers=offers)
    with camera.serve(owner.broker):
        owner.run("inbox")
        owner.run("show", name)
        owner.post(request_jws, offers=[*offers, camera.record(STREET)])
        owner.run("inbox")
        assert approve(owner, name) == 0
        with pytest.raises(Refused, match="2 was no clip"):
            approve(owner, name, "2")
