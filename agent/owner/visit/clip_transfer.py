"""Receive a stored clip: ciphertext in numbered chunks, checked as a whole, then decrypted.

The camera sends the sealed file as it is on its disk, chunk ``n`` from byte
``n * CHUNK_BYTES``, the last one shorter (empty if need be). The offer names the file's
length and digest, so each chunk has one right length, doubled and reordered chunks do no
harm, and nothing counts before the digest of the whole agrees.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from agent import new_files
from agent.consent.statements import ApprovedClip, ClipOffer
from agent.errors import ClipDamaged, NetworkFault, StorageFault
from agent.media.editing.content import Prepared
from agent.mqtt.topics import CHUNK_BYTES
from agent.vault.clips import unseal
from agent.vault.clips.seal import ClipKey

Progress = Callable[[int, int], None]
"""Called with the bytes received so far and those expected."""


def assemble(
    offer: ClipOffer,
    chunks: Iterable[tuple[int, bytes]],
    file: BinaryIO,
    *,
    progress: Progress | None = None,
) -> None:
    """Fill ``file`` with the sealed clip from ``chunks`` (number, bytes) and check it.

    Raises :class:`ClipDamaged` for a chunk or a whole that is not the offered clip, and
    :class:`NetworkFault` if the chunks end too early: the camera was silent for too long.
    """
    count, received = offer.bytes // CHUNK_BYTES + 1, 0
    arrived: set[int] = set()  # not the missing ones: a camera may offer any size
    for number, chunk in chunks:
        start = number * CHUNK_BYTES
        if not 0 <= number < count or len(chunk) != min(CHUNK_BYTES, offer.bytes - start):
            raise ClipDamaged(
                f"clip {offer.id}: chunk {number} does not fit the file that was offered"
            )
        if number in arrived:
            continue
        arrived.add(number)
        file.seek(start)
        file.write(chunk)
        received += len(chunk)
        if progress is not None:
            progress(received, offer.bytes)
        if len(arrived) == count:
            _check(offer, file)
            return
    first = next(number for number in itertools.count() if number not in arrived)
    raise NetworkFault(
        f"clip {offer.id} did not arrive: {count - len(arrived)} of {count} parts are missing, "
        f"the first is {first + 1}",
        advice="Is the camera online? Then ask again",
    )


def _check(offer: ClipOffer, file: BinaryIO) -> None:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(CHUNK_BYTES):
        digest.update(block)
    if digest.hexdigest() != offer.sha256:
        raise ClipDamaged(f"clip {offer.id} is not the clip that the camera offered")
    file.seek(0)


def receive(
    offer: ClipOffer,
    chunks: Iterable[tuple[int, bytes]],
    key: ClipKey | None,
    target: BinaryIO,
    shown: ApprovedClip | None,
    progress: Progress | None,
) -> Prepared | None:
    """Write a clip to ``target``: sealed without its ``key``, else decrypted with it.

    ``shown``: as it would be sent, by the camera's own code, and returns its pictures;
    else as recorded. Raises :class:`ClipDamaged`, and :class:`Refused` for a trim that leaves
    no picture.
    """
    # PyAV starts slowly, and only previews need it
    from agent.media.editing.prepare import prepare

    if key is None:
        assemble(offer, chunks, target, progress=progress)
        return None
    with tempfile.TemporaryFile() as spool:
        assemble(offer, chunks, spool, progress=progress)
        with unseal.open_stream(spool, key.identity, truncated=offer.truncated) as plain:
            if shown is None:
                shutil.copyfileobj(plain, target)
                return None
            return prepare(plain, target, trim=shown.trim, redact=shown.redact, codec=shown.codec)


def refuse_existing(target: Path) -> None:
    """Raise :class:`StorageFault` if there is such a file."""
    if target.exists():
        raise StorageFault(f"{target}: exists, and is not overwritten")


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """A private file that gets its name ``target`` at the end, and is removed on failure.

    An existing ``target`` is refused with :class:`StorageFault`.
    """
    refuse_existing(target)
    with new_files.new_file(target) as file:
        yield file
