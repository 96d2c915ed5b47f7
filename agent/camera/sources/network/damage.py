"""Signs of damaged pictures, and the decision which pictures may be judged.

A lost packet smears all pictures until the next keyframe, and smear looks like motion. FFmpeg
tells of RTP packets that are missing in its log alone. Decoders conceal what is missing;
the one for H.265 mostly without a sign. So each sign counts until the next keyframe: a gap
in the numbers of packets, a packet marked as corrupt, an error of the decoder.

A sign that never ends is a habit of the camera, and no damage: numbers that always jump, or
pictures that a decoder complains about in each group though no packet is missing.
"""

from __future__ import annotations

import logging
from typing import Final, Literal

_HABIT_PACKETS: Final = 100  # in a row with a gap before each
_HABIT_GROUPS: Final = 10  # in a row with errors and without a gap
_MOST_UNTIL_WHOLE: Final = 600  # pictures; no intra refresh takes longer

_log = logging.getLogger(__name__)


class Judgement:
    """Follows the packets of a stream; :attr:`hindrance` is why its pictures are not judged."""

    def __init__(self) -> None:
        self.hindrance: Literal["keyframe", "damage"] | None = "keyframe"
        self._until_whole: int | None = None  # packets from a keyframe to its whole picture
        self._gaps_in_a_row = 0
        self._faulty_groups = 0
        self._gap_in_group = self._error_in_group = False

    def packet(self, *, keyframe: bool, until_shown: int, gap: bool, error: bool) -> None:
        """Take the next packet. ``gap``: some are missing before it; ``error``: the decoder's."""
        self._gaps_in_a_row = self._gaps_in_a_row + 1 if gap else 0
        gap = gap and self._gaps_in_a_row < _HABIT_PACKETS
        if keyframe:
            self._end_group()
        self._gap_in_group |= gap
        self._error_in_group |= error
        if gap or (error and self._faulty_groups < _HABIT_GROUPS):
            self._until_whole = None
            if self.hindrance is None:
                self.hindrance = "damage"
            return
        if self.hindrance is None:
            return
        if keyframe and self._until_whole is None:
            self._until_whole = until_shown if until_shown <= _MOST_UNTIL_WHOLE else 0
        if self._until_whole == 0:
            self.hindrance = self._until_whole = None
        elif self._until_whole is not None:
            self._until_whole -= 1

    def _end_group(self) -> None:
        if not self._error_in_group:
            self._faulty_groups = 0
        elif not self._gap_in_group:
            self._faulty_groups += 1
            if self._faulty_groups == _HABIT_GROUPS:
                _log.warning(
                    "the decoder finds errors in each group of pictures, though no packet is"
                    " missing; motion is looked for in them all the same"
                )
        self._gap_in_group = self._error_in_group = False
