"""Finder of faces: the search of a clip with the network. Light to import.

>>> finder = FaceFinder()          # ConfigError without the extra or the network
>>> found = finder.find(plain)     # a decrypted clip
>>> found.redactions               # proposals for an approval's ``redact``
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from agent.consent.statements import Redactions, Trim
from agent.errors import ConfigError
from agent.media.faces.model import find_model
from agent.media.mp4 import Readable

_HOW_TO_INSTALL: Final = "Run pip install 'clip-agent[faces]'"

Progress = Callable[[float], None]
"""Called with the seconds of the clip that were searched."""


@dataclass(frozen=True, slots=True)
class FoundFaces:
    """Boxes that cover the faces of a clip, to be proposed to its owner.

    ``faces``: how many were found; ``left_out``: how many more, the least likely ones, no box
    covers; ``pictures``: how many were searched.
    """

    redactions: Redactions
    faces: int
    left_out: int
    pictures: int


def why_not() -> ConfigError | None:
    """The part that this computer lacks to find faces, and how to get it."""
    if find_spec("cv2") is None or find_spec("numpy") is None:
        return ConfigError("OpenCV, which finds faces, is not here", advice=_HOW_TO_INSTALL)
    try:
        find_model()
    except ConfigError as error:
        return error
    return None


class FaceFinder:
    """The network, loaded. One thread at a time may use it."""

    def __init__(self) -> None:
        if (error := why_not()) is not None:
            raise error
        from agent.media.faces.detector import Detector  # OpenCV starts slowly

        self._detector = Detector(find_model())

    def find(
        self, plain: Readable, *, trim: Trim | None = None, progress: Progress | None = None
    ) -> FoundFaces:
        """Search a decrypted clip; see :func:`agent.media.faces.search.search`."""
        from agent.media.faces.search import search

        return search(plain, self._detector, trim=trim, progress=progress)
