"""Make an owner's keys, and the recovery sheet.

:func:`make` returns the keys in a file that a passphrase protects (:mod:`agent.keyfile`),
the public card for the cameras, and a sheet with the **recovery** identity, to which every
clip is sealed too. That identity exists on the sheet alone. Stock ``age`` opens clips with
it, and so does :mod:`agent.owner.home.recovery`. The **notification** identity lies open on the
computer that watches: it opens watch letters alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyrage

from agent import keyfile
from agent.consent import letters
from agent.consent.cards import Notification, OwnerCard
from agent.errors import KeyFileError
from agent.keyfile import Keys

_SHEET = """\
# CLIP-AGENT RECOVERY SHEET OF {name}
#
# Made on {day}. Print this page, keep it where you keep a spare house key, and
# then delete the file. Whoever holds it can open every clip of your cameras.
#
# What it is for: to open your clips when your key file or its passphrase is
# lost. It cannot sign: nobody can release a clip with it. Only the command
# below asks for it.
#
# How to use it:
#   1. Type the line at the bottom into a file named recovery.txt, in CAPITALS.
#      That line is enough. After AGE-SECRET-KEY-1 it has no digit 1 and no
#      letter B, I or O.
#   2. clip-agent owner recover recovery.txt CLIP.mp4.age
#      names a mistyped letter, opens the clip, and says how to go on.
# The program "age" (https://age-encryption.org) alone opens a clip, too:
#      age -d -i recovery.txt CLIP.mp4.age > CLIP.mp4
#
# Public half, for comparison: {recipient}

{identity}
"""


_NOTIFICATION = """\
# clip-agent notification key. `clip-agent owner watch` opens its letters with it: they say that
# something waits. It opens no clip and no request, and signs nothing.
# public key: {recipient}
{identity}
"""


@dataclass(frozen=True)
class NewOwner:
    """A new owner's keys and papers; all but the card are for files of mode 0600."""

    keys: Keys
    card: OwnerCard
    locked: bytes = field(repr=False)
    sheet: str = field(repr=False)
    notification: str = field(repr=False)


def make(name: str, passphrase: str, *, now: float) -> NewOwner:
    """New keys for the owner ``name``; raises KeyFileError for a short passphrase."""
    keys = Keys.generate()
    recovery, notification = pyrage.x25519.Identity.generate(), make_notification()
    watcher = letters.parse_identity(parse_notification(notification, "notification.key"))
    card = OwnerCard(
        role="owner",
        name=name,
        sign=keys.signing.public.text,
        seal=keys.recipient,
        recovery=str(recovery.to_public()),
        notify=Notification(recipient=str(watcher.to_public())),
    )
    sheet = _SHEET.format(
        name=" ".join(name.split()),
        day=datetime.fromtimestamp(now, UTC).date().isoformat(),
        recipient=card.recovery,
        identity=str(recovery),
    )
    locked = keyfile.lock(keys, "owner", passphrase, now=now)
    return NewOwner(keys, card, locked, sheet, notification)


def make_notification() -> str:
    """The text of a new notification key's file: an age identity file."""
    identity = pyrage.x25519.Identity.generate()
    return _NOTIFICATION.format(recipient=identity.to_public(), identity=identity)


def parse_notification(text: str, name: str) -> str:
    """The identity in the text of such a file; KeyFileError names the file ``name``."""
    identities = [line for line in text.splitlines() if line and not line.startswith("#")]
    try:
        (identity,) = identities
        letters.parse_identity(identity)
    except (ValueError, KeyFileError) as error:
        raise KeyFileError(f"{name}: is not a notification key") from error
    return identity
