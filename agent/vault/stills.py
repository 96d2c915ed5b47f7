"""Still pictures from the camera for an owner who looks, in a file that the gateway passes on.

::

    camera/looks/<look>.age     the last picture, replaced once a second, removed at the end

``<look>`` is the beginning of the digest of the owner's command. The picture is sealed to that
owner alone, together with the whole digest, a number and the time. The broker sees neither the
command nor its whole digest, so it cannot seal a picture of its own; and an older one, or one of
another look, is told by digest and number.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from agent import files
from agent.consent import decoding
from agent.consent.statements import Digest, Part
from agent.errors import ClipDamaged, MalformedStatement, UnreadableLetter
from agent.vault.clips import seal

MAX_JPEG_BYTES: Final = 49_152
MAX_BYTES: Final = 98_304  # of a sealed picture
MAX_SECONDS: Final = 300
_SUFFIX = ".age"


class Still(Part, frozen=True):
    """A picture of the look whose command has this digest; ``at``: Unix seconds.

    Numbers of a look ascend.
    """

    look: Digest
    number: Annotated[int, Meta(ge=0, le=10 * MAX_SECONDS)]
    at: Annotated[float, Meta(ge=0, le=253_402_300_799)]
    picture: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=MAX_BYTES)]

    @property
    def jpeg(self) -> bytes:
        """The picture; :class:`ClipDamaged` if it is none."""
        try:
            return base64.b64decode(self.picture, validate=True)
        except ValueError as error:
            raise ClipDamaged("a still picture is damaged") from error


def sealed(still: Still, recipient: str) -> bytes:
    """``still`` as an age file for ``recipient``."""
    return base64.b64decode(seal.seal_bytes(decoding.encode(still), [recipient]))


def opened(data: bytes, identity: str) -> Still:
    """The picture in ``data``; :class:`ClipDamaged` if it is not sealed to us, or is none."""
    if len(data) > MAX_BYTES:
        raise ClipDamaged("a still picture is too large")
    try:
        return decoding.decode(seal.open_bytes(data, identity), Still, MAX_BYTES)
    except (UnreadableLetter, MalformedStatement) as error:
        raise ClipDamaged(f"a still picture cannot be opened: {error.message}") from error


class StillFiles:
    """The folder of the pictures below ``state_dir``."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "camera" / "looks"

    def write(self, look: str, data: bytes) -> None:
        """Replace the picture of ``look``. It is not synced: nobody needs it after a power cut."""
        path = self._path(look)
        files.make_directory(self._folder)
        draft = path.with_suffix(".new")
        with files.faults(path):
            draft.write_bytes(data)
            draft.chmod(files.FILE_MODE)
            draft.replace(path)

    def remove(self, look: str) -> None:
        """Remove the picture of ``look``."""
        files.remove(self._path(look))

    def clear(self) -> None:
        """Remove what an earlier run left."""
        with files.faults(self._folder):
            for path in self._left():
                path.unlink(missing_ok=True)

    def _left(self) -> Iterator[Path]:
        return iter([*self._folder.iterdir()] if self._folder.is_dir() else [])

    def stamp(self, look: str) -> tuple[int, int] | None:
        """A value that changes with each picture; None without one."""
        try:
            found = self._path(look).lstat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def read(self, look: str) -> bytes:
        """The sealed picture; :class:`ClipDamaged` if there is none that a camera of ours wrote."""
        path = self._path(look)
        with files.open_regular(path) as file, files.faults(path):
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ClipDamaged(f"{path}: it is larger than any picture")
        return data

    def _path(self, look: str) -> Path:
        return self._folder / f"{look}{_SUFFIX}"
