"""Thumbnails of clips: fetched in a few messages, verified by the clip's own key, and opened.

The digest of a thumbnail is sealed with the clip's key by the camera. So neither the broker nor
the gateway can show another picture, or that of another clip; they can only withhold it. A clip
that was cut off, or was recorded before there was such a digest, shows no thumbnail.

The camera itself may have been taken over: only a small baseline JPEG is given out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from agent.consent.statements import ClipOffer
from agent.errors import ClipDamaged, NetworkFault, Refused
from agent.keyfile import Keys
from agent.media import jpeg
from agent.mqtt.session import Session
from agent.owner.decisions import seen
from agent.owner.decisions.sign import Decision
from agent.owner.pictures.cache import ThumbnailCache
from agent.owner.visit import broker
from agent.vault.clips import seal, thumbnails

MOST_AT_ONCE = 200  # clips in a command

Pictures = Mapping[str, bytes | None]
"""JPEG by clip id; None for a clip without a thumbnail that can be shown."""


def opened(offer: ClipOffer, sealed: bytes, identity: str) -> bytes | None:
    """The JPEG in ``sealed``; None unless the key of the offered clip names it."""
    try:
        recorded = seen.open_key(offer, identity).recorded
        if not sealed or recorded is None or recorded.thumbnail is None:
            return None
        plain = seal.open_bytes(sealed, identity)
        if hashlib.sha256(plain).hexdigest() != recorded.thumbnail:
            return None
        jpeg.check(plain)
    except (Refused, ClipDamaged):
        return None
    return plain


def known(
    cache: ThumbnailCache, device: str, offers: Sequence[ClipOffer], identity: str
) -> dict[str, bytes | None]:
    """Thumbnails that were fetched before; a file that does not open is as none."""
    found: dict[str, bytes | None] = {}
    for offer in offers:
        sealed = cache.get(device, offer.id)
        if sealed == b"":
            found[offer.id] = None
        elif sealed is not None and (plain := opened(offer, sealed, identity)) is not None:
            found[offer.id] = plain
    return found


def batches(offers: Sequence[ClipOffer]) -> Iterator[tuple[ClipOffer, ...]]:
    """``offers`` in portions for one command each, in their order."""
    rest = iter(offers)
    while batch := tuple(islice(rest, MOST_AT_ONCE)):
        yield batch


def _names_one(offer: ClipOffer, identity: str) -> bool:
    """True if the clip's key names a thumbnail: whoever says that there is none withholds it."""
    try:
        recorded = seen.open_key(offer, identity).recorded
    except Refused:
        return False
    return recorded is not None and recorded.thumbnail is not None


def receive(
    session: Session,
    command: Decision,
    offers: Sequence[ClipOffer],
    keys: Keys,
    keep: Callable[[str, bytes], object],
) -> Iterator[tuple[str, bytes | None]]:
    """Clip and thumbnail as they arrive in answer to ``command``, which asks for ``offers``.

    ``keep`` gets what may be kept, sealed: a thumbnail that is proven, or nothing for a clip that
    has none. Raises :class:`Refused` if the camera refuses, :class:`ClipDamaged` for an answer
    in another form, :class:`NetworkFault` if it does not answer for too long.
    """
    missing = set(range(len(offers)))
    arriving = broker.chunks(session, command, command.subject, keys)
    for _, message in islice(arriving, 2 * len(offers)):  # each is sent once, and may be doubled
        for number, sealed in thumbnails.entries(message):
            if number not in missing:
                continue  # doubled on its way, or never asked for
            missing.discard(number)
            offer = offers[number]
            plain = opened(offer, sealed, keys.identity)
            if plain is not None or (not sealed and not _names_one(offer, keys.identity)):
                keep(offer.id, sealed)
            yield offer.id, plain
        if not missing:
            return
    raise NetworkFault(
        f"{command.device.name}: {len(missing)} of {len(offers)} thumbnails did not arrive",
        advice="Is the camera online? Then ask again",
    )
