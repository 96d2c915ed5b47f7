"""The outer form of a bundle: a tar of one folder that is a complete BagIt bag.

A stranger's bag is unpacked by a list of allowed names, never by the names it asks for (RFC 8493,
section 5.1: paths, links), and no file is held in memory, whatever its size. The package ``bagit``
checks folders after they were unpacked and allows far more (fetch.txt, other digests, tag folders),
so this is our own code.

Rules: ``not-a-tar``, ``not-a-regular-file``, ``unsafe-name``, ``unknown-file``, ``file-twice``,
``too-many-files``, ``missing-file``, ``bad-declaration``, ``bad-manifest``, ``changed-file``,
``wrong-oxum``, ``control-character``.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.consent import decoding
from agent.errors import BundleRefused

RELEASE = "data/release.jws"
REQUEST = "data/request.jws"
APPROVAL = "data/approval.jws"
SHARE = "data/share.jws"
README = "data/README.txt"
SECOND = {APPROVAL: "data/approval-2.jws", SHARE: "data/share-2.jws"}  # another owner's

_DECLARATION = "bagit.txt"
_INFO = "bag-info.txt"
_MANIFEST = "manifest-sha256.txt"
_TAG_MANIFEST = "tagmanifest-sha256.txt"
_NEEDED = frozenset({_DECLARATION, _INFO, _MANIFEST, _TAG_MANIFEST, RELEASE})
_ANSWER = frozenset({REQUEST, APPROVAL})  # in a bundle that answers a request
_ALLOWED = _NEEDED | _ANSWER | {SHARE, README} | set(SECOND.values())
_CLIP = re.compile(r"data/[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\.mp4")  # a ClipId
_SAFE_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S+)")
_OXUM = re.compile(r"^Payload-Oxum: ([0-9]{1,15})\.([0-9]{1,6})$", re.MULTILINE)
_MAX_TAG_BYTES = 65_536
_MAX_README_BYTES = 1 << 18  # fifty clips with some hundred boxes take a quarter
_MAX_MEMBERS = 80  # 50 clips, 4 statements, README, 4 tag files, 2 folders, and room
_FILE_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_COPY_BYTES = 1_048_576


@dataclass(frozen=True)
class BagFile:
    """An unpacked file of the bag: its digest (hexadecimal) and size."""

    sha256: str
    bytes: int


def unpack(tar: BinaryIO, folder: Path) -> dict[str, BagFile]:
    """Unpack the bag in ``tar`` into the empty ``folder`` and check its manifests.

    Returns all files by path below the bag. Raises :class:`BundleRefused`.
    """
    try:
        files = _unpack(tar, folder)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BundleRefused("not-a-tar", f"the bundle holds no complete tar ({error})") from error
    _check_names(set(files))
    payload = payload_of(files)
    tags = {path: files[path] for path in files.keys() - payload.keys() - {_TAG_MANIFEST}}
    _check_declaration(folder)
    _check_manifest(folder, _MANIFEST, payload)
    _check_manifest(folder, _TAG_MANIFEST, tags)
    _check_oxum(folder, payload)
    if README in files:
        _read(folder, README, most_bytes=_MAX_README_BYTES)
    return files


def payload_of(files: Mapping[str, BagFile]) -> dict[str, BagFile]:
    """The files below ``data/``."""
    return {path: file for path, file in files.items() if path.startswith("data/")}


def _check_names(names: set[str]) -> None:
    """All required files are there, and those of either an answer or a share."""
    needed = _NEEDED | ({SHARE} if SHARE in names else _ANSWER)
    if missing := sorted(needed - names):
        raise BundleRefused("missing-file", f"{missing[0]} is missing")
    second = SECOND[SHARE if SHARE in names else APPROVAL]
    for odd in sorted(names & (_ALLOWED - needed - {second, README})):
        raise BundleRefused("unknown-file", f"{odd!r} does not belong in this bundle")


def _unpack(tar: BinaryIO, folder: Path) -> dict[str, BagFile]:
    (folder / "data").mkdir()
    files: dict[str, BagFile] = {}
    base: str | None = None  # the one folder around the bag (RFC 8493, section 4)
    for count, member in enumerate(_headers(tar), start=1):
        if count > _MAX_MEMBERS:
            raise BundleRefused("too-many-files", f"more than {_MAX_MEMBERS} files and folders")
        top, *below = _safe_parts(member.name)
        if top != (base or top):
            raise BundleRefused("unsafe-name", f"{member.name} lies outside the bag")
        base, path = top, "/".join(below)
        if member.type == tarfile.DIRTYPE and path in ("", "data") and member.size == 0:
            continue
        if member.type not in _FILE_TYPES:
            raise BundleRefused("not-a-regular-file", f"{member.name} is not a regular file")
        if path not in _ALLOWED and not _CLIP.fullmatch(path):
            raise BundleRefused("unknown-file", f"{path!r} does not belong in a bundle")
        if path in files:
            raise BundleRefused("file-twice", f"the bundle holds {path} twice")
        files[path] = _write(tar, member.size, folder / path)
    return files


def _headers(tar: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """The header of each file or folder, up to the end mark; the caller reads the file.

    TarFile is not used: it reads long names and pax records into memory before they can be
    refused.
    """
    while any(block := _read_exactly(tar, tarfile.BLOCKSIZE)):
        member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        if member.type not in (*_FILE_TYPES, tarfile.DIRTYPE) or member.size < 0:
            raise BundleRefused("not-a-regular-file", f"{member.name[:100]!r} is no regular file")
        yield member


def _read_exactly(tar: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = tar.read(size - len(data))
        if not more:
            raise BundleRefused("not-a-tar", "the bundle holds no complete tar (it ends too early)")
        data += more
    return data


def _safe_parts(name: str) -> list[str]:
    parts = name.split("/")
    if not 1 <= len(parts) <= 3 or not all(map(_SAFE_PART.fullmatch, parts)):
        raise BundleRefused("unsafe-name", f"{name[:100]!r} is not a valid file name in a bundle")
    return parts


def _write(tar: BinaryIO, size: int, target: Path) -> BagFile:
    digest, left = hashlib.sha256(), size
    with target.open("xb") as file:
        while left:
            block = _read_exactly(tar, min(left, _COPY_BYTES))
            digest.update(block)
            file.write(block)
            left -= len(block)
    _read_exactly(tar, -size % tarfile.BLOCKSIZE)
    return BagFile(digest.hexdigest(), size)


def _read(folder: Path, name: str, *, most_bytes: int = _MAX_TAG_BYTES) -> str:
    """A text of the bag, which people read in a terminal: it must not control that."""
    with (folder / name).open("rb") as file:
        data = file.read(most_bytes + 1)
    try:
        if len(data) > most_bytes:
            raise BundleRefused("bad-manifest", f"{name} is too large")
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BundleRefused("bad-manifest", f"{name} is not UTF-8") from error
    if found := decoding.acting_character(text):
        raise BundleRefused("control-character", f"{name} has {found}, which is not allowed")
    return text


def _check_declaration(folder: Path) -> None:
    lines = _read(folder, _DECLARATION).splitlines()
    if lines != ["BagIt-Version: 1.0", "Tag-File-Character-Encoding: UTF-8"]:
        raise BundleRefused("bad-declaration", f"{_DECLARATION} does not declare BagIt 1.0")


def _check_manifest(folder: Path, name: str, files: Mapping[str, BagFile]) -> None:
    """``name`` must list each of ``files`` once, with its digest, and nothing else."""
    listed: dict[str, str] = {}
    for line in _read(folder, name).splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2] in listed:
            raise BundleRefused("bad-manifest", f"{name} has a damaged or repeated line")
        listed[match[2]] = match[1]
    if set(listed) != set(files):
        odd = sorted(set(listed) ^ set(files))[0]
        raise BundleRefused("bad-manifest", f"{name} and the bag differ on {odd[:100]!r}")
    for path, file in files.items():
        if listed[path] != file.sha256:
            raise BundleRefused("changed-file", f"{path} is not what {name} lists")


def _check_oxum(folder: Path, payload: Mapping[str, BagFile]) -> None:
    oxum = _OXUM.findall(_read(folder, _INFO))
    total = sum(file.bytes for file in payload.values())
    if oxum != [(str(total), str(len(payload)))]:
        raise BundleRefused("wrong-oxum", f"{_INFO} does not count these files")
