"""Verification of a bundle: opened, unpacked, and every signature and digest checked.

The rules, in order; :class:`BundleRefused` names the first that is broken:

1.  it is sealed to us and whole (``not-sealed-to-us``);
2.  it is a complete BagIt bag of regular files (:mod:`.bag`);
3.  ``request.jws`` is a request that we signed (``unknown-signer``, ...); a bundle that nobody
    asked for has ``share.jws`` in place of request and approval;
4.  ``release.jws`` is signed by the device key it names, and made for us (``other-requester``);
5.  ``approval.jws`` is signed by the owner key that the release names, and addressed to that
    device (``other-device``); a share also names our keys (``other-requester``);
6.  all of them name the same request, or none (``other-request``), and the release names this
    approval (``other-approval``);
7.  if a second owner is named, ``approval-2.jws`` is signed by that key, by another owner than the
    first, and allows exactly the same (``no-agreement``);
8.  the release lists exactly the files in the bundle, with their digests (``files-differ``);
9.  the released clips are exactly those approved, trimmed and redacted as approved
    (``clips-differ``), and no more of the owner is disclosed than approved (``disclosure``);
10. each file holds as many pictures as the release states, at the stated times, in the approved
    codec, and no more than the approved trim (``pictures-differ``).

A bundle proves that the holders of these keys agreed to this. It does not say who they are; no
owner has to tell.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import pyrage

from agent.consent import age_header, decoding, letters, signing, statements
from agent.consent.cards import PublicKey, decode_base64url
from agent.consent.decisions import approval as approval_rules
from agent.consent.decisions.approval import Consent
from agent.consent.statements import (
    Approval,
    Release,
    ReleasedClip,
    Request,
    Share,
    Statement,
)
from agent.errors import BundleRefused, MalformedStatement, Refused, StorageFault
from agent.keyfile import Keys
from agent.requester.bundle import bag, pictures
from agent.requester.bundle.bag import BagFile

S = TypeVar("S", bound=Statement)

_MAX_JWS_BYTES = 2 * statements.MAX_REPORT_BYTES


@dataclass(frozen=True)
class OpenedBundle:
    """A verified bundle, unpacked in ``folder``; ``clips`` are its MP4 files.

    ``request`` and its digest are None for a share; ``second`` is None if one owner approved.
    ``release_digest`` is that of ``release.jws``.
    """

    folder: Path
    clips: tuple[Path, ...]
    request: Request | None
    request_digest: str | None
    approval: Consent
    second: Consent | None
    release: Release
    release_digest: str


@dataclass(frozen=True)
class _Signed(Generic[S]):
    """A verified statement, and the digest of the text that was signed."""

    statement: S
    digest: str


def open_bundle(path: Path, keys: Keys, output: Path) -> OpenedBundle:
    """Open the bundle ``path`` into the new folder ``output``, if all rules hold.

    Raises :class:`BundleRefused` with the rule, and :class:`StorageFault`; then ``output`` is not
    created.
    """
    if output.exists():
        raise StorageFault(f"{output}: exists, and is not overwritten")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".bundle-", dir=output.parent))
        try:
            with path.open("rb") as sealed, tempfile.TemporaryFile(dir=draft.parent) as tar:
                _decrypt(sealed, keys, tar)
                files = bag.unpack(tar, draft)
            opened = check(draft, files, keys, shown_as=output)
            draft.rename(output)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise StorageFault(f"{error.filename or path}: {error.strerror}") from error
    return opened


def check(
    folder: Path, files: Mapping[str, BagFile], keys: Keys, *, shown_as: Path
) -> OpenedBundle:
    """Rules 3 to 10 for the unpacked bag in ``folder``, which will be called ``shown_as``."""
    asked = None
    if bag.SHARE not in files:
        asked = _verified(folder, bag.REQUEST, Request, keys.signing.public)
    release = _release(folder, keys)
    device, owner = _key(release.keys.device), _key(release.keys.owner)
    name = bag.APPROVAL if asked else bag.SHARE
    first = _consent(folder, name, owner, device)
    if isinstance(first.statement, Share):
        _check_recipient(first.statement, keys)
    of_approval = first.statement.request if isinstance(first.statement, Approval) else None
    if not release.request == of_approval == (asked.digest if asked else None):
        raise BundleRefused("other-request", "release and approval are for another request")
    if release.approval != first.digest:
        raise BundleRefused("other-approval", "the release names another approval")
    second = None
    if _has_second(release, bag.SECOND[name] in files):
        other_owner = _key(release.keys.second_owner or "")
        second = _consent(folder, bag.SECOND[name], other_owner, device)
        _check_agreement(release, first, second)
    _check_files(release, files)
    _check_clips(release, first.statement)
    codecs = {clip.id: clip.codec for clip in first.statement.clips}
    for clip in release.clips:
        _check_pictures(folder, clip, codecs[clip.id])
    return OpenedBundle(
        folder=shown_as,
        clips=tuple(shown_as / clip.file for clip in release.clips),
        request=asked.statement if asked else None,
        request_digest=asked.digest if asked else None,
        approval=first.statement,
        second=second.statement if second else None,
        release=release,
        release_digest=files[bag.RELEASE].sha256,
    )


def _release(folder: Path, keys: Keys) -> Release:
    """4. The release, signed by the device key that it names."""
    with _naming(bag.RELEASE):
        jws = _text(folder, bag.RELEASE)
        signing.signer(jws, Release)  # checks size and form
        payload = decode_base64url(jws.split(".")[1])
        named = decoding.decode(payload, Release, Release.MAX_BYTES).keys
        for text in filter(None, (named.device, named.owner, named.second_owner)):
            _key(text)
    release = _verified(folder, bag.RELEASE, Release, _key(named.device)).statement
    if release.aud != keys.fingerprint:
        raise BundleRefused("other-requester", "the bundle was made for another requester")
    return release


def _consent(folder: Path, name: str, owner: PublicKey, device: PublicKey) -> _Signed[Consent]:
    """5. The approval or share that ``owner`` signed for this device."""
    is_share = name in (bag.SHARE, bag.SECOND[bag.SHARE])
    kind: type[Consent] = Share if is_share else Approval
    consent: _Signed[Consent] = _verified(folder, name, kind, owner)
    if consent.statement.aud != device.fingerprint:
        raise BundleRefused("other-device", "the approval was given to another device")
    return consent


def _check_recipient(share: Share, keys: Keys) -> None:
    """5. A share is for the holder of both keys that it names."""
    mine = (keys.signing.public.text, keys.recipient)
    if (share.recipient.key, share.recipient.seal) != mine:
        raise BundleRefused("other-requester", "the share is for another recipient")


def _has_second(release: Release, in_bag: bool) -> bool:
    """7. A second owner is named with key, digest and file, or with none of them."""
    named = {release.keys.second_owner is not None, release.second_approval is not None, in_bag}
    if len(named) > 1:
        raise BundleRefused("no-agreement", "key, digest or file of the second owner is missing")
    return in_bag


def _check_agreement(release: Release, first: _Signed[Consent], second: _Signed[Consent]) -> None:
    """7. Two owners allowed exactly the same."""
    if release.second_approval != second.digest:
        raise BundleRefused("other-approval", "the release names another second approval")
    if problem := approval_rules.disagreement(first.statement, second.statement):
        raise BundleRefused("no-agreement", problem)


def _decrypt(sealed: BinaryIO, keys: Keys, target: BinaryIO) -> None:
    """1. Sealed to us, and whole: age refuses a truncated or changed file."""
    if not age_header.has_small_header(sealed.read(age_header.MAX_HEADER_BYTES)):
        raise BundleRefused("not-sealed-to-us", "it does not begin like a bundle for us")
    sealed.seek(0)
    try:
        pyrage.decrypt_io(sealed, target, [letters.parse_identity(keys.identity)])
    except (pyrage.DecryptError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # from our disk: age's errors have no number
        raise BundleRefused(
            "not-sealed-to-us", "the bundle is not sealed to these keys, or is damaged or truncated"
        ) from error
    target.seek(0)


def _check_files(release: Release, files: Mapping[str, BagFile]) -> None:
    """8. The release lists every payload file but itself."""
    listed = {file.path: BagFile(file.sha256, file.bytes) for file in release.files}
    there = bag.payload_of(files)
    del there[bag.RELEASE]
    if listed != there or len(release.files) != len(listed):
        raise BundleRefused("files-differ", "the release does not list exactly these files")


def _check_clips(release: Release, approval: Consent) -> None:
    """9. What was released is what was approved."""
    released = [
        (clip.id, clip.sealed_sha256, clip.trim, clip.redacted, clip.file) for clip in release.clips
    ]
    approved = [
        (clip.id, clip.sha256, clip.trim, clip.redact, f"data/{clip.id}.mp4")
        for clip in approval.clips
    ]
    videos = {file.path for file in release.files if file.path.endswith(".mp4")}
    named = {clip.file for clip in release.clips}
    if sorted(released, key=_by_id) != sorted(approved, key=_by_id) or videos != named:
        raise BundleRefused("clips-differ", "the clips are not exactly those approved")
    if release.disclosed != approval.disclose:
        raise BundleRefused("disclosure", "the release discloses other data of the owner")


def _check_pictures(folder: Path, clip: ReleasedClip, codec: str | None) -> None:
    """10. The file holds the pictures that the release states."""
    span_ms = clip.last_picture_ms - clip.first_picture_ms
    trim = clip.trim
    if trim is not None and span_ms >= (trim.to_seconds - trim.from_seconds) * 1000 + 1:
        raise BundleRefused("pictures-differ", f"{clip.file} is stated longer than its trim")
    if codec not in (None, clip.codec):
        raise BundleRefused("pictures-differ", f"{clip.file} is not in the approved codec")
    found = pictures.read(folder / clip.file, stated=clip.pictures)
    if not found.are(clip.codec, clip.pictures, span_ms):
        raise BundleRefused(
            "pictures-differ",
            f"{clip.file} holds {found.count} pictures ({found.codec}) over {found.span_ms} ms, "
            f"not {clip.pictures} ({clip.codec}) over {span_ms} ms",
        )


def _by_id(clip: tuple[object, ...]) -> str:
    return str(clip[0])


def _verified(folder: Path, name: str, kind: type[S], key: PublicKey) -> _Signed[S]:
    """The statement in file ``name``, signed by ``key``."""
    with _naming(name):
        jws = _text(folder, name)
        statement = signing.verify(jws, kind, {key.fingerprint: key})
        return _Signed(statement, signing.digest(jws))


def _text(folder: Path, name: str) -> str:
    """A compact JWS in a file of its own, with or without a line break at its end."""
    with (folder / name).open("rb") as file:
        data = file.read(_MAX_JWS_BYTES + 1).removesuffix(b"\n")
    if len(data) > _MAX_JWS_BYTES or not data.isascii():
        raise MalformedStatement("not-jws", "is not a compact JWS")
    return data.decode("ascii")


def _key(text: str) -> PublicKey:
    try:
        return PublicKey.from_text(text)
    except ValueError as error:
        raise MalformedStatement("bad-key", f"a key in the release {error}") from error


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn a statement's refusal into the bundle's, which names the file."""
    try:
        yield
    except Refused as error:
        raise BundleRefused(error.rule, f"{name}: {error.message}") from error
