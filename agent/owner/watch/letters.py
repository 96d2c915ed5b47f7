"""Verification of watch letters.

A letter is accepted if it opens with the notification key, the enrolled camera signed it, it speaks
for that camera, and it carries no keys. The notification key opens nothing else.
"""

from __future__ import annotations

from agent.consent import letters, signing
from agent.consent.cards import DeviceCard
from agent.consent.statements import WatchLetter
from agent.errors import UnreadableLetter, UntrustedSignature


def read(payload: bytes, identity: str, device: DeviceCard) -> WatchLetter:
    """The letter that ``device`` wrote; raises :class:`~agent.errors.Refused`."""
    letter = letters.open_letter(payload, identity)
    said = signing.verify(letter.jws, WatchLetter, {device.fingerprint: device.key})
    if said.device != device.name:
        raise UntrustedSignature("wrong-device", f"the letter speaks for {said.device!r}")
    if letter.keys:
        raise UnreadableLetter("unexpected-keys", "a watch letter carries no keys")
    return said
