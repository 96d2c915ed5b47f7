"""A bag of regular files, within bounds, and on a disk that takes it."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import BundleRefused, StorageFault
from agent.keyfile import Keys
from agent.requester.bundle import bag
from tests.requester.bundle.opening import opened, refusal
from tests.requester.release import (
    CLIP,
    FakeRelease,
    member,
    tar_of,
    with_manifests,
)


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
