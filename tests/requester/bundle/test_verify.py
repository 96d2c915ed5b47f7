"""Broken and forged bundles, each refused by the name of the rule."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import bagit
import pytest

from agent.consent.signing import SigningKey
from agent.consent.statements import (
    Disclosure,
    SignerKeys,
    Trim,
)
from agent.errors import StorageFault
from agent.gateway.release.bundle.bag_writer import write_bundle
from agent.keyfile import Keys
from agent.requester.bundle.verify import open_bundle
from tests.peers.requirements import program
from tests.requester.bundle.opening import opened, refusal, resealed
from tests.requester.release import (
    CLIP,
    NOW,
    VIDEO,
    FakeRelease,
    replace,
)


def test_a_good_bundle_opens(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    bundle = opened(tmp_path, keys, release.bundle())
    (clip,) = bundle.clips
    assert clip == tmp_path / "out" / "data" / f"{CLIP}.mp4"
    assert clip.read_bytes() == VIDEO
    assert bundle.request is not None
    assert bundle.request.reference == "2024-001234"


def test_a_bundle_of_the_gateway_opens(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    files = release.files()
    payload = [
        (path, io.BytesIO(data))
        for path, data in files.items()
        if path.startswith("data/") and path != "data/release.jws"
    ]
    write_bundle(
        tmp_path / "bundle.age",
        name="release-0123456789abcdef",
        recipient=keys.recipient,
        payload=payload,
        release=lambda _: files["data/release.jws"],
        bagged_at=NOW,
    )
    bundle = open_bundle(tmp_path / "bundle.age", keys, tmp_path / "out")
    assert bundle.clips[0].read_bytes() == VIDEO


def test_the_reference_bagit_accepts_our_bag(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    bundle = opened(tmp_path, keys, release.bundle())
    assert bagit.Bag(str(bundle.folder)).is_valid()


def test_stock_age_and_tar_open_the_same(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    identity, path = tmp_path / "identity.txt", tmp_path / "bundle.age"
    identity.write_text(keys.identity + "\n")
    path.write_bytes(release.bundle())
    command = [program("age"), "-d", "-i", str(identity), str(path)]
    tar = subprocess.run(command, capture_output=True, check=True).stdout
    subprocess.run([program("tar"), "x"], input=tar, cwd=tmp_path, check=True)
    assert (tmp_path / "b" / "data" / f"{CLIP}.mp4").read_bytes() == VIDEO


def test_a_bundle_for_somebody_else(tmp_path: Path, release: FakeRelease) -> None:
    assert refusal(tmp_path, Keys.generate(), release.bundle()) == "not-sealed-to-us"


def test_a_truncated_bundle(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    release.videos = {f"data/{CLIP}.mp4": bytes(200_000)}
    sealed = release.bundle()
    for length in (0, 100, len(sealed) // 2, len(sealed) - 1):
        assert refusal(tmp_path, keys, sealed[:length]) == "not-sealed-to-us"


def test_a_changed_byte(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    sealed = bytearray(release.bundle())
    sealed[-100] ^= 1
    assert refusal(tmp_path, keys, bytes(sealed)) == "not-sealed-to-us"


def test_a_request_that_is_not_ours(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    release.request = release.make_request(Keys.generate())
    assert refusal(tmp_path, keys, release.bundle()) == "unknown-signer"


def test_another_request_of_ours(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    other = release.make_request(keys).encode()
    assert refusal(tmp_path, keys, resealed(release, request=other)) == "other-request"


def test_an_approval_for_another_request(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    release.change_approval = replace(request="b" * 64)
    assert refusal(tmp_path, keys, release.bundle()) == "other-request"


def test_a_swapped_approval(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    other = release.approval().encode()  # the same owner, clip and request; another id
    assert refusal(tmp_path, keys, resealed(release, approval=other)) == "other-approval"


def test_an_approval_signed_by_somebody_else(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    named, release.owner = release.owner, SigningKey.generate()
    release.change_release = replace(
        keys=SignerKeys(device=release.device.public.text, owner=named.public.text)
    )
    assert refusal(tmp_path, keys, release.bundle()) == "unknown-signer"


def test_an_approval_given_to_another_device(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.change_approval = replace(aud=SigningKey.generate().public.fingerprint)
    assert refusal(tmp_path, keys, release.bundle()) == "other-device"


def test_a_release_signed_by_another_key_than_it_names(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.signs_release = SigningKey.generate()
    assert refusal(tmp_path, keys, release.bundle()) == "unknown-signer"


def test_a_release_with_a_broken_signature(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    jws = release.files()["data/release.jws"]
    head, payload, _ = jws.split(b".")
    forged = b".".join([head, payload, b"A" * 86])
    assert refusal(tmp_path, keys, resealed(release, release=forged)) == "bad-signature"


def test_a_release_for_another_requester(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    release.change_release = replace(aud=Keys.generate().fingerprint)
    assert refusal(tmp_path, keys, release.bundle()) == "other-requester"


def test_malformed_statements(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    for name in ("request", "approval", "release"):
        for text in (b"", b"noise", b"\xff\xfe", b"a.b." + b"A" * 86):
            resealed_bundle = resealed(release, **{name: text})
            assert refusal(tmp_path, keys, resealed_bundle).startswith(("not-", "wrong-"))


def test_a_clip_that_was_not_approved(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    for changes in (
        {"id": "20240124-183015-ffffff"},
        {"sha256": "b" * 64},
        {"trim": Trim(from_seconds=1, to_seconds=2)},
    ):
        release.approved = replace(**changes)(FakeRelease(keys).approved)
        assert refusal(tmp_path, keys, release.bundle()) == "clips-differ"


def test_more_disclosed_than_approved(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    release.change_release = replace(disclosed=Disclosure(name="Ann Example"))
    assert refusal(tmp_path, keys, release.bundle()) == "disclosure"


def test_a_release_that_omits_a_file(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    def without_video(statement: object) -> object:
        return replace(files=statement.files[1:])(statement)  # type: ignore[attr-defined]

    release.change_release = without_video
    assert refusal(tmp_path, keys, release.bundle()) == "files-differ"


def test_an_existing_folder_is_not_written_into(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageFault, match="not overwritten"):
        opened(tmp_path, keys, release.bundle())
    with pytest.raises(StorageFault):
        open_bundle(tmp_path / "missing.age", keys, tmp_path / "new")
