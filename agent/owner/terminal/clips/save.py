"""Keep a clip as a file: ``save``, as recorded, or made ready for a website's form."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.consent.statements import ClipOffer
from agent.errors import Refused
from agent.owner.client import OwnerClient
from agent.owner.decisions.choice import Choice
from agent.owner.inbox import lookup
from agent.owner.inbox.items import OpenRequest
from agent.owner.pictures import footage
from agent.owner.portal.export import export
from agent.owner.terminal import prompts
from agent.owner.terminal.clips.fetch import fetch
from agent.owner.terminal.layout import progress
from agent.owner.visit.clip_transfer import new_file, refuse_existing
from agent.owner.wording import text


def save(arguments: argparse.Namespace) -> int:
    """``owner save``"""
    client = prompts.client(arguments)
    device, offer = client.find_clip(
        arguments.clip, request=arguments.request, camera=arguments.camera
    )
    edits = arguments.trim or arguments.redact or arguments.codec or arguments.max_bytes
    if arguments.for_portal is not None:
        return _save_for_portal(client, device, offer, arguments)
    if edits:
        why = "without --for-portal a clip is saved as it was recorded"
        raise Refused("as-recorded", why, advice="Leave out --trim, --redact, --as and --max-bytes")
    suffix = ".mp4.age" if arguments.sealed else ".mp4"
    target = arguments.output or Path(offer.id + suffix)
    keys = prompts.unlock(client, arguments)
    fetch(client, device, offer, keys, target, sealed=arguments.sealed)
    print(target)
    return 0


def _save_for_portal(
    client: OwnerClient, device: str, offer: ClipOffer, arguments: argparse.Namespace
) -> int:
    """Write what a release would send, and its page, once the camera's ledger has a line on it."""
    if arguments.sealed:
        raise Refused("sealed", "a portal cannot open a sealed clip", advice="Leave out --sealed")
    where = {"request": arguments.request, "camera": arguments.camera}
    choice = Choice(trims=arguments.trim, redacts=arguments.redact, codec=arguments.codec)
    shown = client.edit_clip(offer, choice, **where)
    target = arguments.output or Path(f"{offer.id}-for-portal.mp4")
    beside = target.with_suffix(".html")
    if target == beside:
        raise Refused("wrong-name", "--output names the video", advice="End it with .mp4")
    for one in (target, beside):
        refuse_existing(one)
    keys = prompts.unlock(client, arguments)
    with progress(f"clip {offer.id}", offer.bytes) as bar:
        opened = client.open_clip(device, offer, keys, bar)
    rendering = footage.render(opened, shown)
    files = export(
        client,
        rendering,
        keys,
        file=target.name,
        portal=arguments.for_portal,
        most_bytes=arguments.max_bytes,
        request=_request(client, arguments),
    )
    with new_file(target) as video, new_file(beside) as page:
        video.write(files.mp4)
        page.write(files.page.encode())
    print(f"{target}\n{beside}")
    print(f"Clip {offer.id}: {text.pictures(offer, rendering.pictures)}")
    print(f"{text.size(files.note.bytes)}, SHA-256 {files.note.file_sha256}")
    prompts.say(f"{device} has written its ledger. Look at the video before you upload it.")
    if not rendering.pictures.plays_in_browsers:
        prompts.say("Some browsers do not play this: --as h264 converts it")
    return 0


def _request(client: OwnerClient, arguments: argparse.Namespace) -> OpenRequest | None:
    """The request that the clip answers."""
    if arguments.request is None:
        return None
    found = lookup.anything(client.inbox, arguments.request, camera=arguments.camera)
    return found if isinstance(found, OpenRequest) else None
