"""Fetch a clip into a new file, with a progress bar."""

from __future__ import annotations

from pathlib import Path

from agent.consent.statements import ApprovedClip, ClipOffer
from agent.keyfile import Keys
from agent.media.editing.content import Prepared
from agent.owner.client import OwnerClient
from agent.owner.terminal.layout import progress
from agent.owner.visit.clip_transfer import new_file


def fetch(
    client: OwnerClient,
    device: str,
    offer: ClipOffer,
    keys: Keys,
    target: Path,
    *,
    sealed: bool = False,
    shown: ApprovedClip | None = None,
) -> Prepared | None:
    """Write the clip to ``target``; see :meth:`OwnerClient.fetch`."""
    with new_file(target) as out, progress(f"clip {offer.id}", offer.bytes) as bar:
        return client.fetch(device, offer, keys, out, sealed=sealed, shown=shown, progress=bar)
