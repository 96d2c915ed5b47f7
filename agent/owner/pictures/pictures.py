"""Pictures that a camera sends its owner beside clips: thumbnails, and stills of this moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial

from agent.clock import Clock
from agent.consent.statements import ClipOffer, Look, StopLooking, Thumbnails
from agent.errors import NetworkFault
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.decisions import sign
from agent.owner.decisions.plans import Plans
from agent.owner.pictures import look, thumbnails
from agent.owner.pictures.cache import ThumbnailCache
from agent.owner.pictures.look import Picture
from agent.owner.visit import broker
from agent.owner.visit.visits import Visits


class Pictures:
    """Fetches pictures; thumbnails are kept, sealed, in ``cache``."""

    def __init__(self, plans: Plans, visits: Visits, cache: ThumbnailCache, clock: Clock) -> None:
        self._plans = plans
        self._visits = visits
        self._cache = cache
        self._clock = clock

    def forget(self, device: str, clip: str) -> None:
        """Delete the kept thumbnail of a clip."""
        self._cache.drop(device, clip)

    def thumbnails(
        self,
        device: str,
        offers: Sequence[ClipOffer],
        keys: Keys,
        *,
        fetch: bool = True,
    ) -> dict[str, bytes | None]:
        """JPEG by clip id, in memory; None for a clip without a thumbnail that can be shown.

        Those not fetched before are asked of the camera, or left out without ``fetch``.
        """
        card = self._plans.camera(device)
        found = thumbnails.known(self._cache, device, offers, keys.identity)
        missing = [offer for offer in offers if offer.id not in found]
        if not missing or not fetch:
            return found
        now, batches = self._clock.now(), thumbnails.batches(missing)
        asked = [(Thumbnails(clips=tuple(one.id for one in batch)), batch) for batch in batches]
        commands = [
            (sign.sign(sign.command(what, card, now=now), keys, now=now), batch)
            for what, batch in asked
        ]
        chunks = [topics.preview(device, one.subject, topics.ANY) for one, _ in commands]
        with self._visits.begin(keys, [device], *chunks) as visit:
            visit.require(device)
            visit.repeat()
            for command, batch in commands:
                broker.send(visit.session, command)
                keep = partial(self._cache.put, device)
                found.update(thumbnails.receive(visit.session, command, batch, keys, keep))
        self._cache.trim()
        return found

    def look(
        self,
        device: str,
        keys: Keys,
        on_picture: Callable[[Picture], object],
        *,
        seconds: int = look.MAX_SECONDS,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """See what a camera sees: a still picture a second, while ``wanted``, for ``seconds``.

        It ends also if this computer goes away. Raises :class:`Refused` if the camera refuses,
        :class:`NetworkFault` if it is offline or falls silent.
        """
        card, now = self._plans.camera(device), self._clock.now()
        command = sign.sign(sign.command(Look(seconds=seconds), card, now=now), keys, now=now)
        what = StopLooking(look=command.subject)
        stop = sign.sign(sign.command(what, card, now=now), keys, now=now)
        chunks = topics.preview(device, command.subject, topics.ANY)
        with self._visits.begin(keys, [device], chunks, will=stop) as visit:
            visit.require(device)
            visit.repeat()
            broker.send(visit.session, command)
            try:
                for picture in look.pictures(
                    visit.session, command, keys, wanted=wanted, seconds=seconds
                ):
                    on_picture(picture)
            finally:
                with contextlib.suppress(NetworkFault):  # then the broker says our will
                    broker.send(visit.session, stop)
