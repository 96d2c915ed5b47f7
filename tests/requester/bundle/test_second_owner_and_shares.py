"""Bundles that two owners approved, and shares that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.signing import SigningKey
from agent.consent.statements import (
    ApprovedClip,
    Disclosure,
    Recipient,
    Share,
    SignerKeys,
)
from agent.keyfile import Keys
from tests.requester.bundle.opening import opened, refusal, resealed
from tests.requester.release import (
    CLIP,
    VIDEO,
    FakeRelease,
    replace,
    tar_of,
    with_manifests,
)


def test_a_bundle_that_two_owners_approved_opens(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.second = SigningKey.generate()
    bundle = opened(tmp_path, keys, release.bundle())
    assert bundle.second is not None
    assert bundle.second.iss == release.second.public.fingerprint
    assert bundle.release.second_approval is not None


def test_a_second_approval_by_the_same_owner(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.second = release.owner
    assert refusal(tmp_path, keys, release.bundle()) == "no-agreement"


def test_a_second_approval_signed_by_somebody_else(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.second = SigningKey.generate()
    release.change_release = replace(
        keys=SignerKeys(
            device=release.device.public.text,
            owner=release.owner.public.text,
            second_owner=SigningKey.generate().public.text,
        )
    )
    assert refusal(tmp_path, keys, release.bundle()) == "unknown-signer"


@pytest.mark.parametrize(
    "change",
    [
        {"request": "b" * 64},
        {"clips": (ApprovedClip(id=CLIP, sha256="b" * 64, trim=None, redact=()),)},
        {"disclose": Disclosure(name="Ann Example")},
    ],
)
def test_a_second_approval_of_other_clips(
    tmp_path: Path, keys: Keys, release: FakeRelease, change: dict[str, object]
) -> None:
    release.second, release.change_second = SigningKey.generate(), replace(**change)
    assert refusal(tmp_path, keys, release.bundle()) == "no-agreement"


def test_a_second_approval_given_to_another_device(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.second = SigningKey.generate()
    release.change_second = replace(aud=SigningKey.generate().public.fingerprint)
    assert refusal(tmp_path, keys, release.bundle()) == "other-device"


@pytest.mark.parametrize("without", ["second_approval", "keys", "file"])
def test_a_second_owner_named_incompletely(
    tmp_path: Path, keys: Keys, release: FakeRelease, without: str
) -> None:
    release.second = SigningKey.generate()
    one = SignerKeys(device=release.device.public.text, owner=release.owner.public.text)
    files = {path: data for path, data in release.files().items() if path.startswith("data/")}
    if without == "file":
        del files["data/approval-2.jws"]
    else:
        release.change_release = replace(**{without: one if without == "keys" else None})
        files = {path: data for path, data in release.files().items() if path.startswith("data/")}
    sealed = release.seal(tar_of(with_manifests(files)))
    assert refusal(tmp_path, keys, sealed) == "no-agreement"


def test_a_second_approval_that_the_release_does_not_name(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.second = SigningKey.generate()
    other = release.approval(release.second, replace()).encode()
    sealed = resealed(release, **{"approval-2": other})
    assert refusal(tmp_path, keys, sealed) == "other-approval"


def test_a_share_opens_without_a_request(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    release.shared = True
    bundle = opened(tmp_path, keys, release.bundle())
    assert (bundle.request, bundle.request_digest, bundle.second) == (None, None, None)
    assert isinstance(bundle.approval, Share)
    assert bundle.clips[0].read_bytes() == VIDEO


def test_a_share_by_two_owners_opens(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    release.shared, release.second = True, SigningKey.generate()
    assert isinstance(opened(tmp_path, keys, release.bundle()).second, Share)


@pytest.mark.parametrize("field", ["key", "seal"])
def test_a_share_for_another_recipient(
    tmp_path: Path, keys: Keys, release: FakeRelease, field: str
) -> None:
    """The recipient of a share must not be able to pass it on as given to another."""
    other = Keys.generate()
    values = {"key": keys.signing.public.text, "seal": keys.recipient}
    values[field] = {"key": other.signing.public.text, "seal": other.recipient}[field]
    release.shared = True
    release.change_approval = replace(recipient=Recipient(name="They", **values))
    assert refusal(tmp_path, keys, release.bundle()) == "other-requester"


def test_a_share_and_an_approval_in_one_bundle(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    approval = release.approval().encode()
    release.shared = True
    for extra in ("data/approval.jws", "data/request.jws", "data/approval-2.jws"):
        release.extra = {extra: approval}
        assert refusal(tmp_path, keys, release.bundle()) == "unknown-file"


def test_a_second_share_beside_an_approval(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.extra = {"data/share-2.jws": release.approval().encode()}
    assert refusal(tmp_path, keys, release.bundle()) == "unknown-file"


def test_a_share_that_claims_to_answer_a_request(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.shared = True
    release.change_release = replace(request=signing.digest(release.request))
    assert refusal(tmp_path, keys, release.bundle()) == "other-request"


def test_an_approval_whose_release_names_no_request(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.change_release = replace(request=None)
    assert refusal(tmp_path, keys, release.bundle()) == "other-request"


def test_an_approval_passed_off_as_a_share(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    approval = release.approval().encode()
    release.shared = True
    assert refusal(tmp_path, keys, resealed(release, share=approval)) == "wrong-typ"


def test_a_share_of_missing_clips(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    more = ApprovedClip(id="20240124-183015-ffffff", sha256="a" * 64, trim=None, redact=())
    release.shared, release.change_approval = True, replace(clips=(release.approved, more))
    assert refusal(tmp_path, keys, release.bundle()) == "clips-differ"
