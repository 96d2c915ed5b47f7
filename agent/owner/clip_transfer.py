"""A stored clip on its way to its owner: ciphertext in numbered chunks.

The camera sends the sealed file as it lies on its disk, chunk ``n`` at byte
``n * CHUNK_BYTES``, the last one shorter (empty if need be). The letter said how
long the file is and its digest, so each chunk has one right length; doubled and
reordered chunks do no harm, and nothing counts before the digest of the whole
agrees. Only then is it decrypted, with the owner's identity.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from agent import files
from agent.consent.statements import ApprovedClip, ClipOffer
from agent.errors import ClipDamaged, NetworkFault, StorageFault
from agent.mqtt.topics import CHUNK_BYTES
from agent.vault.clips import unseal

Progress = Callable[[int, int], None]
"""Called with the bytes received so far and those expected."""


class Assembly:
    """The chunks of one clip, put together in ``file``."""

    def __init__(self, offer: ClipOffer, file: BinaryIO) -> None:
        self._offer = offer
        self._file = file
        self._count = offer.bytes // CHUNK_BYTES + 1
        self._arrived: set[int] = set()  # not what is missing: a camera may offer any size
        self.received_bytes = 0

    @property
    def complete(self) -> bool:
        """Whether all chunks are there; :meth:`check` then says if they are right."""
        return len(self._arrived) == self._count

    def take(self, number: int, chunk: bytes) -> None:
        """Put one chunk in its place; a double is ignored.

        Raises :class:`ClipDamaged` for a chunk that the offered file cannot have.
        """
        start = number * CHUNK_BYTES
        if not 0 <= number < self._count or len(chunk) != min(
            CHUNK_BYTES, self._offer.bytes - start
        ):
            raise ClipDamaged(
                f"clip {self._offer.id}: chunk {number} does not fit the file that was offered"
            )
        if number not in self._arrived:
            self._arrived.add(number)
            self._file.seek(start)
            self._file.write(chunk)
            self.received_bytes += len(chunk)

    def check(self) -> None:
        """Raise :class:`ClipDamaged` unless the whole has the digest that was offered."""
        self._file.seek(0)
        digest = hashlib.sha256()
        while block := self._file.read(CHUNK_BYTES):
            digest.update(block)
        if digest.hexdigest() != self._offer.sha256:
            raise ClipDamaged(f"clip {self._offer.id} is not the clip that the camera offered")
        self._file.seek(0)

    def missing(self) -> str:
        """What has not come, for a message."""
        first = next(number for number in itertools.count() if number not in self._arrived)
        missing = self._count - len(self._arrived)
        return f"{missing} of {self._count} parts are missing, the first is {first + 1}"


def assemble(
    offer: ClipOffer,
    chunks: Iterable[tuple[int, bytes]],
    file: BinaryIO,
    *,
    progress: Progress,
) -> None:
    """Fill ``file`` with the sealed clip from ``chunks`` (number, bytes) and check it.

    Their end says that nothing came for too long: a :class:`NetworkFault`.
    """
    assembly = Assembly(offer, file)
    for number, chunk in chunks:
        assembly.take(number, chunk)
        progress(assembly.received_bytes, offer.bytes)
        if assembly.complete:
            assembly.check()
            return
    raise NetworkFault(
        f"clip {offer.id} did not arrive: {assembly.missing()}",
        advice="Is the camera online? Then ask again",
    )


def decrypt(sealed: BinaryIO, identity: str, target: BinaryIO, *, truncated: bool) -> None:
    """The plain clip into ``target``; raises :class:`ClipDamaged`."""
    with unseal.open_stream(sealed, identity, truncated=truncated) as plain:
        shutil.copyfileobj(plain, target)


def render(
    sealed: BinaryIO, identity: str, target: BinaryIO, clip: ApprovedClip, *, truncated: bool
) -> None:
    """What of it would be sent, trimmed and redacted as ``clip`` says, by the camera's own code.

    Raises :class:`ClipDamaged`, and :class:`Refused` for a trim that leaves no picture.
    """
    from agent.media import editing  # PyAV, which nothing else here needs

    with unseal.open_stream(sealed, identity, truncated=truncated) as plain:
        target.write(editing.prepare(plain, trim=clip.trim, redact=clip.redact))


def player() -> str | None:
    """The program that opens a file with the desktop's player, if there is a desktop."""
    has_desktop = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return shutil.which("xdg-open") if has_desktop else None


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """A file for its user alone that gets its name ``target`` when all went well.

    An existing ``target`` is refused with :class:`StorageFault`; no file is left
    behind when the block fails.
    """
    if target.exists():
        raise StorageFault(f"{target}: exists, and is not overwritten")
    with files.new_file(target) as file:
        yield file
