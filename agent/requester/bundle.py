"""Does a bundle hold together? Opened, unpacked, and every signature and digest checked.

The rules, in order; the first that is broken is named in :class:`BundleRefused`:

1.  it is sealed to us and whole (``not-sealed-to-us``);
2.  it is a complete BagIt bag of regular files (:mod:`.bag`);
3.  ``request.jws`` is a request that we signed (``unknown-signer``, ...);
4.  ``release.jws`` is signed by the device key it names, and made for us (``other-requester``);
5.  ``approval.jws`` is signed by the owner key that the release names, and was given
    to that device (``other-device``);
6.  all three speak of the same request (``other-request``), and the release of this
    approval (``other-approval``);
7.  the release lists exactly the files that are there, with their digests
    (``files-differ``);
8.  the released clips are exactly those approved, cut and blurred as approved
    (``clips-differ``), and no more of the owner is told than approved (``disclosure``).

The bundle stands alone: it proves that the holders of these two keys agreed to
this. Whose keys they are, it does not say, and no owner has to tell.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyrage

from agent.consent import decoding, mail, signing, statements
from agent.consent.signing import PublicKey
from agent.consent.statements import Approval, Release, Request, Statement
from agent.errors import BundleRefused, MalformedStatement, Refused, StorageFault
from agent.keyfile import Keys
from agent.requester import bag
from agent.requester.bag import BagFile

S = TypeVar("S", bound=Statement)

_MAX_JWS_BYTES = 2 * statements.MAX_REPORT_BYTES


@dataclass(frozen=True)
class OpenedBundle:
    """A bundle that holds together, unpacked in ``folder``; ``clips`` are its MP4 files."""

    folder: Path
    clips: tuple[Path, ...]
    request: Request
    request_digest: str
    approval: Approval
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
    """Rules 3 to 8 for the unpacked bag in ``folder``, which will be called ``shown_as``."""
    request_text = _text(folder, bag.REQUEST)
    release_text = _text(folder, bag.RELEASE)
    approval_text = _text(folder, bag.APPROVAL)
    with _naming(bag.REQUEST):
        request = signing.verify(request_text.jws, Request, {keys.id: keys.signing.public})
    with _naming(bag.RELEASE):
        claimed = decoding.decode(_payload(release_text.jws), Release, Release.MAX_BYTES)
        device, owner = _key(claimed.keys.device), _key(claimed.keys.owner)
        release = signing.verify(release_text.jws, Release, {device.id: device})
    if release.aud != keys.id:
        raise BundleRefused("other-requester", "the bundle was made for another requester")
    with _naming(bag.APPROVAL):
        approval = signing.verify(approval_text.jws, Approval, {owner.id: owner})
    if approval.aud != device.id:
        raise BundleRefused("other-device", "the approval was given to another device")
    if not release.request == approval.request == request_text.digest:
        raise BundleRefused("other-request", "release and approval are for another request")
    if release.approval != approval_text.digest:
        raise BundleRefused("other-approval", "the release names another approval")
    _check_files(release, files)
    _check_clips(release, approval)
    return OpenedBundle(
        folder=shown_as,
        clips=tuple(shown_as / clip.file for clip in release.clips),
        request=request,
        request_digest=request_text.digest,
        approval=approval,
        release=release,
    )


def _decrypt(sealed: BinaryIO, keys: Keys, target: BinaryIO) -> None:
    """1. Sealed to us, and whole: age refuses a file that was cut off or changed."""
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
    """7. The release lists every payload file but itself."""
    listed = {file.path: BagFile(file.sha256, file.bytes) for file in release.files}
    there = {
        path: file
        for path, file in files.items()
        if path.startswith("data/") and path != bag.RELEASE
    }
    if listed != there or len(release.files) != len(listed):
        raise BundleRefused("files-differ", "the release lists other files than there are")


def _check_clips(release: Release, approval: Approval) -> None:
    """8. What was released is what was approved."""
    released = [
        (clip.id, clip.sealed_sha256, clip.cut, clip.blurred, clip.file) for clip in release.clips
    ]
    approved = [
        (clip.id, clip.sha256, clip.cut, clip.blur, f"data/{clip.id}.mp4")
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
    signing.signer_id(jws, Release)  # checks size and form
    return signing.decode_base64url(jws.split(".")[1])


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
