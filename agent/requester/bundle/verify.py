"""Does a bundle hold together? Opened, unpacked, and every signature and digest checked.

The rules, in order; the first that is broken is named in :class:`BundleRefused`:

1.  it is sealed to us and whole (``not-sealed-to-us``);
2.  it is a complete BagIt bag of regular files (:mod:`.bag`);
3.  ``request.jws`` is a request that we signed (``unknown-signer``, ...); where nobody
    asked, ``share.jws`` takes its place and that of the approval;
4.  ``release.jws`` is signed by the device key it names, and made for us (``other-requester``);
5.  ``approval.jws`` is signed by the owner key that the release names, and was given
    to that device (``other-device``); a share also names our keys (``other-requester``);
6.  all speak of the same request, or of none (``other-request``), and the release of
    this approval (``other-approval``);
7.  where a second owner is named, ``approval-2.jws`` is signed by that key, by another
    owner than the first, and allows exactly the same (``no-agreement``);
8.  the release lists exactly the files that are there, with their digests
    (``files-differ``);
9.  the released clips are exactly those approved, trimmed and redacted as approved
    (``clips-differ``), and no more of the owner is told than approved (``disclosure``).

The bundle stands alone: it proves that the holders of these keys agreed to this.
Whose keys they are, it does not say, and no owner has to tell.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyrage

from agent.consent import age_header as agefile
from agent.consent import decoding, signing, statements
from agent.consent import letters as mail
from agent.consent.cards import PublicKey, decode_base64url
from agent.consent.decisions import approval as approval_rules
from agent.consent.decisions.approval import Consent
from agent.consent.statements import Approval, Release, Request, Share
from agent.errors import BundleRefused, MalformedStatement, Refused, StorageFault
from agent.keyfile import Keys
from agent.requester.bundle import bag
from agent.requester.bundle.bag import BagFile

_MAX_JWS_BYTES = 2 * statements.MAX_REPORT_BYTES


@dataclass(frozen=True)
class OpenedBundle:
    """A bundle that holds together, unpacked in ``folder``; ``clips`` are its MP4 files.

    ``request`` and its digest are None for a share; ``second`` is there if two owners agreed.
    """

    folder: Path
    clips: tuple[Path, ...]
    request: Request | None
    request_digest: str | None
    approval: Consent
    second: Consent | None
    release: Release


@dataclass(frozen=True)
class _Signed:
    """A statement with the text that was signed."""

    jws: str
    digest: str


def open_bundle(path: Path, keys: Keys, output: Path) -> OpenedBundle:
    """Open the bundle ``path`` into the new folder ``output`` if everything holds.

    Raises :class:`BundleRefused` with the rule, and :class:`StorageFault`. Nothing
    is left in ``output`` unless all is well.
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
    """Rules 3 to 9 for the unpacked bag in ``folder``, which will be called ``shown_as``."""
    request, asked = None, None
    name = bag.SHARE
    if bag.SHARE not in files:
        name, asked = bag.APPROVAL, _text(folder, bag.REQUEST)
        with _naming(bag.REQUEST):
            request = signing.verify(asked.jws, Request, {keys.fingerprint: keys.signing.public})
    release, device, owner, second_owner = _release(folder, keys)
    approved = _text(folder, name)
    approval = _consent(name, approved, owner, device)
    if isinstance(approval, Share):
        _check_recipient(approval, keys)
    of_approval = approval.request if isinstance(approval, Approval) else None
    if not release.request == of_approval == (asked.digest if asked else None):
        raise BundleRefused("other-request", "release and approval are for another request")
    if release.approval != approved.digest:
        raise BundleRefused("other-approval", "the release names another approval")
    second = None
    if _is_second_there(release, bag.SECOND[name] in files):
        again = _text(folder, bag.SECOND[name])
        second = _consent(bag.SECOND[name], again, second_owner or owner, device)
        _check_agreement(release, approval, second, again.digest)
    _check_files(release, files)
    _check_clips(release, approval)
    return OpenedBundle(
        folder=shown_as,
        clips=tuple(shown_as / clip.file for clip in release.clips),
        request=request,
        request_digest=asked.digest if asked else None,
        approval=approval,
        second=second,
        release=release,
    )


def _release(folder: Path, keys: Keys) -> tuple[Release, PublicKey, PublicKey, PublicKey | None]:
    """4. The release, and the keys that it names: the device's, and one or two owners'."""
    text = _text(folder, bag.RELEASE)
    with _naming(bag.RELEASE):
        claimed = decoding.decode(_payload(text.jws), Release, Release.MAX_BYTES)
        device, owner = _key(claimed.keys.device), _key(claimed.keys.owner)
        second = claimed.keys.second_owner
        second_owner = None if second is None else _key(second)
        release = signing.verify(text.jws, Release, {device.fingerprint: device})
    if release.aud != keys.fingerprint:
        raise BundleRefused("other-requester", "the bundle was made for another requester")
    return release, device, owner, second_owner


def _consent(name: str, signed: _Signed, owner: PublicKey, device: PublicKey) -> Consent:
    """5. What ``owner`` signed, for this device."""
    consent: Consent
    with _naming(name):
        if name in (bag.SHARE, bag.SECOND[bag.SHARE]):
            consent = signing.verify(signed.jws, Share, {owner.fingerprint: owner})
        else:
            consent = signing.verify(signed.jws, Approval, {owner.fingerprint: owner})
    if consent.aud != device.fingerprint:
        raise BundleRefused("other-device", "the approval was given to another device")
    return consent


def _check_recipient(share: Share, keys: Keys) -> None:
    """5. A share is for the holder of both keys that it names."""
    mine = (keys.signing.public.text, keys.recipient)
    if (share.recipient.key, share.recipient.seal) != mine:
        raise BundleRefused("other-requester", "the share was meant for somebody else")


def _is_second_there(release: Release, in_bag: bool) -> bool:
    """7. A second owner is named with key, digest and file, or with none of them."""
    named = {release.keys.second_owner is not None, release.second_approval is not None, in_bag}
    if len(named) > 1:
        raise BundleRefused("no-agreement", "a second owner is named by half")
    return in_bag


def _check_agreement(release: Release, first: Consent, second: Consent, digest: str) -> None:
    """7. Two owners allowed exactly the same."""
    if release.second_approval != digest:
        raise BundleRefused("other-approval", "the release names another second approval")
    if problem := approval_rules.disagreement(first, second):
        raise BundleRefused("no-agreement", problem)


def _decrypt(sealed: BinaryIO, keys: Keys, target: BinaryIO) -> None:
    """1. Sealed to us, and whole: age refuses a file that was cut off or changed."""
    if not agefile.has_small_header(sealed.read(agefile.MAX_HEADER_BYTES)):
        raise BundleRefused("not-sealed-to-us", "it does not begin as a bundle for us does")
    sealed.seek(0)
    try:
        pyrage.decrypt_io(sealed, target, [mail.parse_identity(keys.identity)])
    except (pyrage.DecryptError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # our own disk: age's errors have no number
        raise BundleRefused(
            "not-sealed-to-us", "the bundle is not sealed to these keys, or is damaged or cut off"
        ) from error
    target.seek(0)


def _check_files(release: Release, files: Mapping[str, BagFile]) -> None:
    """8. The release lists every payload file but itself."""
    listed = {file.path: BagFile(file.sha256, file.bytes) for file in release.files}
    there = {
        path: file
        for path, file in files.items()
        if path.startswith("data/") and path != bag.RELEASE
    }
    if listed != there or len(release.files) != len(listed):
        raise BundleRefused("files-differ", "the release lists other files than there are")


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
        raise BundleRefused("disclosure", "the release tells other things of the owner")


def _by_id(clip: tuple[object, ...]) -> str:
    return str(clip[0])


def _text(folder: Path, name: str) -> _Signed:
    """A compact JWS in a file of its own, perhaps with a line break behind it."""
    with (folder / name).open("rb") as file:
        data = file.read(_MAX_JWS_BYTES + 1).removesuffix(b"\n")
    try:
        jws = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise BundleRefused("not-jws", f"{name} is not a compact JWS") from error
    if len(jws) > _MAX_JWS_BYTES:
        raise BundleRefused("not-jws", f"{name} is too large for a JWS")
    return _Signed(jws, signing.digest(jws))


def _payload(jws: str) -> bytes:
    signing.signer(jws, Release)  # checks size and form
    return decode_base64url(jws.split(".")[1])


def _key(text: str) -> PublicKey:
    try:
        return PublicKey.from_text(text)
    except ValueError as error:
        raise MalformedStatement("bad-key", f"a key in the release {error}") from error


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn a refusal of a statement into one of the bundle that names the file."""
    try:
        yield
    except Refused as error:
        raise BundleRefused(error.rule, f"{name}: {error.message}") from error
