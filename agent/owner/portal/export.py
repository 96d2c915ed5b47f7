"""Take a clip out by hand: the file, its page, and a line in the camera's ledger.

>>> opened = client.open_clip(device, offer, keys)
>>> rendering = footage.render(opened, shown)             # what a release would send
>>> files = export(client, rendering, keys, file="party.mp4", portal="Springfield PD, Axon")
>>> files.mp4, files.page                                 # to be written beside each other

The line is in the ledger before the caller gets the files: none is made without one. Nothing is
sent to the portal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from agent.consent.statements import NoteExport
from agent.errors import NetworkFault, Refused
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.inbox.items import OpenRequest
from agent.owner.pictures.footage import Rendering
from agent.owner.portal.page import page
from agent.owner.visit.broker import ONLINE_AGAIN
from agent.owner.wording import text

_ANSWER_SECONDS = 30.0
_SPARE = 0.9  # of the length that would fit if all seconds were equally large


@dataclass(frozen=True)
class PortalFiles:
    """The files to upload: the MP4, to the byte as a release would hold it, and its page."""

    note: NoteExport
    mp4: bytes = field(repr=False)
    page: str = field(repr=False)


def export(
    client: OwnerClient,
    rendering: Rendering,
    keys: Keys,
    *,
    file: str,
    portal: str,
    most_bytes: int | None = None,
    request: OpenRequest | None = None,
) -> PortalFiles:
    """Make the files and have the camera write its ledger.

    ``file``: the name of the MP4; ``portal``: whose form it is for, in the owner's words. Refused
    (``too-large``) for a file of more than ``most_bytes``, or as the camera says; NetworkFault if
    it does not answer.
    """
    footage, mp4 = rendering.footage, rendering.mp4
    _check_size(rendering, most_bytes)
    plain = {
        "do": "note-export",
        "clip": msgspec.to_builtins(rendering.shown),
        "file_sha256": hashlib.sha256(mp4).hexdigest(),
        "bytes": len(mp4),
        "portal": portal,
    }
    try:
        note = msgspec.convert(plain, NoteExport)
    except msgspec.ValidationError as error:
        raise Refused("wrong-portal", f"the name of the portal: {error}") from error
    if request is not None:
        note = msgspec.structs.replace(note, request=request.digest)
    camera = client.plans.camera(footage.device)
    made_at = client.now()
    _enter(client, footage.device, note, keys)
    written = page(
        file=file,
        offer=footage.offer,
        pictures=rendering.pictures,
        note=note,
        camera=camera.fingerprint,
        owner=client.folder.card().fingerprint,
        request=request,
        made_at=made_at,
    )
    return PortalFiles(note, mp4, written)


def _check_size(rendering: Rendering, most_bytes: int | None) -> None:
    size = len(rendering.mp4)
    if most_bytes is None or size <= most_bytes:
        return
    pictures, trim = rendering.pictures, rendering.shown.trim
    fits = (pictures.last_seconds - pictures.first_seconds) * _SPARE * most_bytes / size
    start = trim.from_seconds if trim is not None else 0.0
    raise Refused(
        "too-large",
        f"the file has {text.size(size)}, and {text.size(most_bytes)} are allowed",
        advice=f"Trim it: about {fits:.0f} s fit, such as seconds {start:g} to {start + fits:.0f}",
    )


def _enter(client: OwnerClient, device: str, note: NoteExport, keys: Keys) -> None:
    """Have the camera write the line; raises unless it says that it did."""
    plan = client.plans.note_export(note, device)
    sent = client.send(plan, keys, wait_seconds=_ANSWER_SECONDS)
    if sent.last is None:
        raise NetworkFault(
            f"{device} has not confirmed the line in its ledger, so no file was written",
            advice=ONLINE_AGAIN,
        )
    if sent.last.event != "DONE":
        raise Refused(sent.last.detail, f"{device} refused to write its ledger: {sent.last.detail}")
