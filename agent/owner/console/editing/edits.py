"""The owner's edits of clips, as the pages' scripts send them: JSON, decoded strictly.

::

    {"clips": [{"id": "20240124-183015-3f9a2c",
                "trim": {"from_seconds": 1.5, "to_seconds": 9},
                "redact": [{"positions": [[2, 0.1, 0.2, 0.1, 0.3]], "from_seconds": 2}]}],
     "codec": "h264"}

Trims and redactions have the very form that is signed.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from agent.consent.statements import Disclosure, Redactions, Trim
from agent.errors import Refused
from agent.owner.decisions.choice import NOTHING_TOLD, Choice

MOST_CLIPS = 50


class EditedClip(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A clip by id, with the part that may leave and the boxes that cover it."""

    id: str
    trim: Trim | None = None
    redact: Redactions = ()


class Edits(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Chosen clips; ``codec``: all of them leave in this one, None: as they are."""

    clips: Annotated[tuple[EditedClip, ...], Meta(max_length=MOST_CLIPS)] = ()
    codec: Literal["h264"] | None = None

    def choice(self, disclose: Disclosure = NOTHING_TOLD) -> Choice:
        """The same as the owner's choice."""
        return Choice(
            clips=[one.id for one in self.clips],
            trims=[(one.id, one.trim) for one in self.clips if one.trim is not None],
            redacts=[(one.id, one.redact) for one in self.clips if one.redact],
            disclose=disclose,
            codec=self.codec,
        )

    @property
    def text(self) -> str:
        """The JSON of :func:`parse`."""
        return msgspec.json.encode(self).decode()


def parse(text: str) -> Edits:
    """Read the edits; Refused ``malformed-edits`` with the reason."""
    try:
        return msgspec.json.decode(text, type=Edits)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Refused("malformed-edits", f"the edits are malformed: {error}") from error
