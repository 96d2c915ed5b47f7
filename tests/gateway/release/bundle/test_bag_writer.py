"""Bundles: what stock tools make of them, and what a fault while writing leaves behind."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import bagit
import pyrage
import pytest

from agent.consent.statements import BundledFile
from agent.errors import ClipDamaged, ReceiverRefused, StorageFault
from agent.gateway.release.bundle.bag_writer import write_bundle
from agent.new_files import WrittenFile
from tests.peers.requirements import need

NAME = "clip-release-0123456789abcdef"
BAGGED_AT = 1_706_121_000.7  # 2024-01-24T18:30:00Z
CLIP = os.urandom(700_001)
FILES = [
    ("data/20240124-183015-3f9a2c.mp4", CLIP),
    ("data/20240124-183115-aaaaaa.mp4", b""),
    ("data/request.jws", b"a.b.c"),
    ("data/approval.jws", b"d.e.f"),
]


def describe(files: Sequence[BundledFile]) -> bytes:
    return "\n".join(f"{file.path} {file.sha256} {file.bytes}" for file in files).encode()


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "outbox"
    folder.mkdir()
    return folder / "0123456789abcdef.age"


def write(
    path: Path,
    identity: pyrage.x25519.Identity,
    files: Iterator[tuple[str, bytes]] | None = None,
    release: Callable[[Sequence[BundledFile]], bytes] = describe,
) -> WrittenFile:
    return write_bundle(
        path,
        name=NAME,
        recipient=str(identity.to_public()),
        payload=((path, io.BytesIO(data)) for path, data in files or FILES),
        release=release,
        bagged_at=BAGGED_AT,
    )


def opened(path: Path, identity: pyrage.x25519.Identity) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(path.read_bytes(), [identity])))


def test_stock_age_and_tar_give_a_bag_that_a_stock_validator_accepts(
    path: Path, identity: pyrage.x25519.Identity, tmp_path: Path
) -> None:
    need("age", "tar")
    write(path, identity)
    key = tmp_path / "key"
    key.write_text(f"{identity}\n")
    target = tmp_path / "received"
    target.mkdir()
    with subprocess.Popen(["age", "-d", "-i", key, path], stdout=subprocess.PIPE) as age:
        done = subprocess.run(
            ["tar", "x", "-C", target], stdin=age.stdout, check=True, capture_output=True
        )
    assert age.returncode == 0
    assert done.stderr == b""

    [folder] = target.iterdir()
    assert folder.name == NAME
    bag = bagit.Bag(str(folder))
    bag.validate()
    assert dict(bag.info) == {
        "Bagging-Date": "2024-01-24",
        "Payload-Oxum": f"{sum(entry.stat().st_size for entry in (folder / 'data').iterdir())}.5",
    }
    assert (folder / FILES[0][0]).read_bytes() == CLIP


def test_the_release_lists_every_other_payload_file(
    path: Path, identity: pyrage.x25519.Identity
) -> None:
    write(path, identity)
    with opened(path, identity) as archive:
        member = archive.extractfile(f"{NAME}/data/release.jws")
        assert member is not None
        lines = member.read().decode().splitlines()
    assert lines == [
        f"{name} {hashlib.sha256(content).hexdigest()} {len(content)}" for name, content in FILES
    ]


def test_the_digest_and_size_are_those_of_the_file(
    path: Path, identity: pyrage.x25519.Identity
) -> None:
    sealed = write(path, identity)
    content = path.read_bytes()
    assert sealed == WrittenFile(hashlib.sha256(content).hexdigest(), len(content))
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_the_archive_names_no_user_and_no_time_but_the_given_one(
    path: Path, identity: pyrage.x25519.Identity
) -> None:
    write(path, identity)
    with opened(path, identity) as archive:
        for member in archive.getmembers():
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert member.mtime == int(BAGGED_AT)
            assert member.pax_headers == {}
        names = [member.name for member in archive.getmembers()]
    assert names[:2] == [NAME, f"{NAME}/data"]
    assert names[6] == f"{NAME}/data/release.jws"


def test_the_same_bag_is_the_same_archive(path: Path, identity: pyrage.x25519.Identity) -> None:
    write(path, identity)
    first = pyrage.decrypt(path.read_bytes(), [identity])
    write(path, identity)
    assert pyrage.decrypt(path.read_bytes(), [identity]) == first


def test_files_are_drawn_one_at_a_time(path: Path, identity: pyrage.x25519.Identity) -> None:
    """The sealed file grows before the next clip is asked for: nothing is collected."""
    sizes = []

    def files() -> Iterator[tuple[str, bytes]]:
        for number in range(3):
            sizes.append(path.with_name(f"{path.name}.part").stat().st_size)
            yield f"data/{number}.mp4", bytes(500_000)

    write(path, identity, files())
    assert sizes[1] > 400_000
    assert sizes[2] > 900_000


def test_no_plaintext_touches_the_disk(
    path: Path, identity: pyrage.x25519.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = b"MARKER-OF-A-PLAIN-CLIP" * 10_000
    written: list[bytes] = []

    def release(files: Sequence[BundledFile]) -> bytes:
        written.extend(entry.read_bytes() for entry in path.parent.rglob("*") if entry.is_file())
        return b""

    write(path, identity, iter([("data/a.mp4", marker)]), release)
    assert written
    assert not any(b"MARKER" in content for content in [*written, path.read_bytes()])


def test_a_damaged_clip_leaves_no_file(path: Path, identity: pyrage.x25519.Identity) -> None:
    def files() -> Iterator[tuple[str, bytes]]:
        yield FILES[0]
        raise ClipDamaged("the clip is damaged")

    with pytest.raises(ClipDamaged, match="the clip is damaged"):
        write(path, identity, files())
    assert list(path.parent.iterdir()) == []


def test_a_release_that_cannot_be_signed_leaves_nothing(
    path: Path, identity: pyrage.x25519.Identity
) -> None:
    def release(_files: Sequence[BundledFile]) -> bytes:
        raise LookupError("no key")

    with pytest.raises(LookupError, match="no key"):
        write(path, identity, release=release)
    assert list(path.parent.iterdir()) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of ours grow beyond ``size``, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 100, 65_000, 400_000, 700_500])
def test_a_disk_that_fills_up_is_a_storage_fault_and_leaves_nothing(
    path: Path, identity: pyrage.x25519.Identity, room: int
) -> None:
    with largest_file(room), pytest.raises(StorageFault, match="cannot be written"):
        write(path, identity)
    assert list(path.parent.iterdir()) == []
    write(path, identity)
    assert path.exists()


@pytest.mark.parametrize("kind", [stat.S_ISREG, stat.S_ISDIR], ids=["file", "folder"])
def test_a_fault_at_the_last_sync_is_a_storage_fault_and_leaves_nothing(
    path: Path,
    identity: pyrage.x25519.Identity,
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[int], bool],
) -> None:
    def fsync(descriptor: int) -> None:
        if kind(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageFault, match="Input/output error"):
        write(path, identity)
    assert list(path.parent.iterdir()) == []


def test_a_missing_outbox_is_a_storage_fault(
    tmp_path: Path, identity: pyrage.x25519.Identity
) -> None:
    with pytest.raises(StorageFault):
        write(tmp_path / "none" / "x.age", identity)


def test_the_rest_of_a_killed_attempt_is_replaced(
    path: Path, identity: pyrage.x25519.Identity
) -> None:
    path.with_name(f"{path.name}.part").write_bytes(b"half a bundle")
    write(path, identity)
    assert list(path.parent.iterdir()) == [path]


def test_an_invalid_recipient_is_refused(path: Path) -> None:
    with pytest.raises(ReceiverRefused) as refused:
        write_bundle(
            path, name=NAME, recipient="age1x", payload=[], release=describe, bagged_at=BAGGED_AT
        )
    assert refused.value.rule == "no-recipient"
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["clip.mp4", "data/../x", "data/a/b", "data/", "data/a b", "data/-x", "data/a\nb"]
)
def test_a_file_with_a_name_that_could_escape_is_our_mistake(
    path: Path, identity: pyrage.x25519.Identity, name: str
) -> None:
    with pytest.raises(ValueError, match="cannot be a file"):
        write(path, identity, iter([(name, b"")]))
    assert list(path.parent.iterdir()) == []


def test_a_file_given_twice_is_our_mistake(path: Path, identity: pyrage.x25519.Identity) -> None:
    with pytest.raises(ValueError, match="cannot be a file"):
        write(path, identity, iter([("data/a", b""), ("data/a", b"")]))
