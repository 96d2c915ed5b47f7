"""Broken and forged bundles, each refused by the name of the rule."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import av
import bagit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.consent import signing
from agent.consent.signing import SigningKey
from agent.consent.statements import (
    ApprovedClip,
    Disclosure,
    Recipient,
    Share,
    SignerKeys,
    Trim,
)
from agent.errors import BundleRefused, StorageFault
from agent.gateway.release.bundle.bag_writer import write_bundle
from agent.keyfile import Keys
from agent.requester.bundle import bag
from agent.requester.bundle.verify import OpenedBundle, open_bundle
from tests.peers.requirements import program
from tests.requester.release import (
    CLIP,
    NOW,
    VIDEO,
    FakeRelease,
    member,
    replace,
    tar_of,
    with_manifests,
)
from tests.support.footage import prepared, record


def opened(tmp_path: Path, keys: Keys, sealed: bytes) -> OpenedBundle:
    path = tmp_path / "bundle.age"
    path.write_bytes(sealed)
    return open_bundle(path, keys, tmp_path / "out")


def refusal(tmp_path: Path, keys: Keys, sealed: bytes) -> str:
    """The rule that refuses; nothing may be left behind."""
    with pytest.raises(BundleRefused) as caught:
        opened(tmp_path, keys, sealed)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.age"]
    assert "\n" not in str(caught.value)
    return caught.value.rule


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


# 1. Sealed to us, and whole


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


# 2. A bag of regular files


def test_noise_inside_a_good_seal(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    for tar in (b"", b"noise" * 300, bytes(10_240)):
        assert refusal(tmp_path, keys, release.seal(tar)) in ("not-a-tar", "missing-file")


def test_a_tar_truncated_before_sealing(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    tar = tar_of(release.files())
    assert refusal(tmp_path, keys, release.seal(tar[:3_000])) == "not-a-tar"


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "b/../../evil",
        "/etc/passwd",
        "b/data/../evil",
        "b//evil",
        "./b/evil",
        "b/data/.hidden",
        "b/data/a b",
        "b/data/\x1b[2J",
        "b/data/deep/er",
        "other/data/x",
        "C:\\evil",
    ],
)
def test_a_path_outside_the_bag(
    tmp_path: Path, keys: Keys, release: FakeRelease, name: str
) -> None:
    sealed = release.seal(tar_of(release.files(), member(name, b"evil")))
    assert refusal(tmp_path, keys, sealed) == "unsafe-name"
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, b"3", b"S"])
def test_a_member_that_is_not_a_regular_file(
    tmp_path: Path, keys: Keys, release: FakeRelease, kind: bytes
) -> None:
    files = release.files()
    del files[f"data/{CLIP}.mp4"]
    odd = member(f"b/data/{CLIP}.mp4", type=kind, linkname="/etc/passwd")
    rule = refusal(tmp_path, keys, release.seal(tar_of(files, odd)))
    assert rule in ("not-a-regular-file", "not-a-tar")


def test_an_unexpected_folder(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    odd = member("b/data/folder", type=tarfile.DIRTYPE)
    rule = refusal(tmp_path, keys, release.seal(tar_of(release.files(), odd)))
    assert rule in ("not-a-regular-file", "unsafe-name")


@pytest.mark.parametrize("name", ["data/run.sh", "fetch.txt", "data/other.mp4", "x.py"])
def test_an_extra_file_though_the_manifests_list_it(
    tmp_path: Path, keys: Keys, release: FakeRelease, name: str
) -> None:
    release.extra = {name: b"extra"}
    assert refusal(tmp_path, keys, release.bundle()) == "unknown-file"


def test_an_extra_clip_though_the_manifests_list_it(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.extra = {"data/20240101-000000-aaaaaa.mp4": b"extra"}
    assert refusal(tmp_path, keys, release.bundle()) == "files-differ"


def test_a_readme_that_the_device_has_not_signed_for(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.extra = {"data/README.txt": b"Believe it."}
    assert refusal(tmp_path, keys, release.bundle()) == "files-differ"


@pytest.mark.parametrize(("size", "rule"), [(200_000, "files-differ"), (300_000, "bad-manifest")])
def test_a_readme_has_room_for_all_that_an_approval_can_name(
    tmp_path: Path, keys: Keys, release: FakeRelease, size: int, rule: str
) -> None:
    release.extra["data/README.txt"] = b"x" * size
    assert refusal(tmp_path, keys, release.bundle()) == rule


@pytest.mark.parametrize("name", ["data/README.txt", "bag-info.txt"])
@pytest.mark.parametrize("hidden", ["\x1b]0;x\x07", "\r", "\u202e", "\x9b2J"])
def test_a_text_that_would_control_the_terminal_it_is_read_in(
    tmp_path: Path, keys: Keys, release: FakeRelease, name: str, hidden: str
) -> None:
    release.extra["data/README.txt"] = (
        f"read me{hidden if name.startswith('data') else ''}\n".encode()
    )
    files = release.files()
    if name == "bag-info.txt":
        files[name] += f"Note: {hidden}\n".encode()
        tags = [one for one in files if not one.startswith(("data/", "tag"))]
        listed = (f"{hashlib.sha256(files[one]).hexdigest()}  {one}\n" for one in tags)
        files["tagmanifest-sha256.txt"] = "".join(listed).encode()
    sealed = release.seal(tar_of(files))
    assert refusal(tmp_path, keys, sealed) == "control-character"


def test_a_repeated_file(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    twin = member(f"b/data/{CLIP}.mp4", b"another")
    sealed = release.seal(tar_of(release.files(), twin))
    assert refusal(tmp_path, keys, sealed) == "file-twice"


def test_a_missing_file(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    for name in ("bagit.txt", "manifest-sha256.txt", "data/approval.jws", "data/release.jws"):
        files = release.files()
        del files[name]
        assert refusal(tmp_path, keys, release.seal(tar_of(files))) == "missing-file"


def test_a_changed_clip_in_the_bag(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    files = release.files()
    files[f"data/{CLIP}.mp4"] = b"another video"
    assert refusal(tmp_path, keys, release.seal(tar_of(files))) == "changed-file"


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("bagit.txt", b"BagIt-Version: 0.97\n", "bad-declaration"),
        ("bag-info.txt", b"Payload-Oxum: 1.1\n", "changed-file"),
        ("manifest-sha256.txt", b"noise\n", "bad-manifest"),
        ("manifest-sha256.txt", b"", "bad-manifest"),
        ("manifest-sha256.txt", b"\xff", "bad-manifest"),
        ("tagmanifest-sha256.txt", b"0" * 64 + b"  ../../etc/passwd\n", "bad-manifest"),
    ],
)
def test_manifests_that_say_something_else(
    tmp_path: Path, keys: Keys, release: FakeRelease, name: str, text: bytes, rule: str
) -> None:
    files = {**release.files(), name: text}
    assert refusal(tmp_path, keys, release.seal(tar_of(files))) == rule


# 3 to 9. Signatures and what they say


def resealed(release: FakeRelease, /, **payload: bytes) -> bytes:
    """The good bundle with other statements in it, and manifests that fit them."""
    files = {path: data for path, data in release.files().items() if path.startswith("data/")}
    for name, data in payload.items():
        files[f"data/{name}.jws"] = data
    return release.seal(tar_of(with_manifests(files)))


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


@pytest.mark.parametrize(
    "changes",
    [
        {"pictures": 9},
        {"pictures": 11},
        {"codec": "hevc"},
        {"last_picture_ms": (NOW - 5_000) * 1000 + 1_900},
        {"first_picture_ms": (NOW - 5_000) * 1000 + 890},
    ],
)
def test_a_clip_that_holds_other_pictures_than_stated(
    tmp_path: Path, keys: Keys, release: FakeRelease, changes: dict[str, Any]
) -> None:
    def misstated(statement: Any) -> Any:
        clips = tuple(replace(**changes)(clip) for clip in statement.clips)
        return replace(clips=clips)(statement)

    release.change_release = misstated
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


@pytest.mark.parametrize("content", [b"", b"no video", VIDEO[:-500], VIDEO[: len(VIDEO) // 2]])
def test_a_file_that_is_no_whole_clip(
    tmp_path: Path, keys: Keys, release: FakeRelease, content: bytes
) -> None:
    release.videos = dict.fromkeys(release.videos, content)
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def with_number(kind: bytes, skip: int, number: int) -> bytes:
    """The good clip with another number in its index."""
    at = VIDEO.index(kind) + 4 + skip
    return VIDEO[:at] + number.to_bytes(4) + VIDEO[at + 4 :]


BOMBS = {
    "samples": with_number(b"stsz", 8, 100_000_000),
    "one sample too many": with_number(b"stsz", 8, 11),
    "edits": with_number(b"elst", 4, 5_000),
    "two indexes": VIDEO.replace(b"stss", b"stsz", 1),
    "a fragment": VIDEO + b"\0\0\0\x08moof",
    "a compressed index": VIDEO.replace(b"stss", b"cmov", 1),
    "a box beyond the end": VIDEO + b"\0\0\x10\0free",
    "a box without a size": VIDEO + b"\0\0\0\0free",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_index_that_claims_more_than_is_there_is_not_given_to_ffmpeg(
    tmp_path: Path,
    keys: Keys,
    release: FakeRelease,
    monkeypatch: pytest.MonkeyPatch,
    bomb: str,
) -> None:
    """A hundred kilobytes took gigabytes of memory, from anybody who made keys for it."""
    monkeypatch.setattr(av, "open", None)
    release.videos = dict.fromkeys(release.videos, BOMBS[bomb])
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def test_an_index_of_more_pictures_than_its_bytes_can_hold(
    tmp_path: Path, keys: Keys, release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the release states as many."""
    monkeypatch.setattr(av, "open", None)
    release.videos = dict.fromkeys(release.videos, with_number(b"stsz", 8, 1_000_000))
    release.change_release = lambda said: replace(
        clips=tuple(replace(pictures=1_000_000)(clip) for clip in said.clips)
    )(said)
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def test_a_clip_that_is_longer_than_its_trim(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    trim = Trim(from_seconds=1, to_seconds=1.5)
    release.approved = replace(trim=trim)(release.approved)

    def trimmed(statement: Any) -> Any:
        return replace(clips=tuple(replace(trim=trim)(clip) for clip in statement.clips))(statement)

    release.change_release = trimmed
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def test_a_clip_in_another_codec_than_approved(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.videos = dict.fromkeys(release.videos, prepared(record(1, codec="libx265")))
    release.approved = replace(codec="h264")(release.approved)

    def as_h265(statement: Any) -> Any:
        return replace(clips=tuple(replace(codec="hevc")(clip) for clip in statement.clips))(
            statement
        )

    release.change_release = as_h265
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


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


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_the_tar_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    good = tar_of(with_manifests({"data/release.jws": b"a", "data/request.jws": b"b"}))
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path / "bag"
    folder.mkdir()
    try:
        bag.unpack(io.BytesIO(damaged[: data.draw(st.integers(0, len(good)))]), folder)
    except BundleRefused:
        pass
    finally:
        shutil.rmtree(folder)
    assert list(tmp_path.iterdir()) == []


# Two owners


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


# Shares


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


# Bundles that would fill the memory, and disks that fill


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_tarfile_would_load_into_memory(
    tmp_path: Path, keys: Keys, release: FakeRelease, kind: bytes
) -> None:
    odd = member("bag/data/x", bytes(2_000_000), type=kind)
    sealed = release.seal(tar_of(release.files(), odd))
    assert refusal(tmp_path, keys, sealed) == "not-a-regular-file"


def test_a_tar_of_endless_folders(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    info = tarfile.TarInfo("bag/data")
    info.type = tarfile.DIRTYPE
    assert refusal(tmp_path, keys, release.seal(info.tobuf() * 5_000)) == "too-many-files"


@pytest.mark.parametrize("name", ["manifest-sha256.txt", "bagit.txt", "data/request.jws"])
def test_a_huge_tag_file(tmp_path: Path, keys: Keys, release: FakeRelease, name: str) -> None:
    files = with_manifests({**release.files(), name: b"a" * 1_000_000})
    assert refusal(tmp_path, keys, release.seal(tar_of(files))) in ("bad-manifest", "not-jws")


def test_a_full_disk_is_not_the_senders_fault(
    tmp_path: Path, keys: Keys, release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    with pytest.raises(StorageFault, match="No space left"):
        opened(tmp_path, keys, release.bundle())
