"""Read: ``inbox show clips``. Nothing here decides.

Every command unlocks the keys at most once, and only if it needs them: ``show`` does not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from agent.consent.statements import ClipOffer, Window
from agent.errors import NetworkFault, Refused
from agent.keyfile import Keys
from agent.owner import as_json
from agent.owner.client import OwnerClient
from agent.owner.inbox.items import NoticeItem, RequestPage
from agent.owner.pictures import sheet
from agent.owner.pictures.sheet import Group
from agent.owner.terminal import inbox_view, prompts, request_view
from agent.owner.terminal.layout import console, listing
from agent.owner.visit.broker import ONLINE_AGAIN
from agent.owner.visit.clip_transfer import new_file
from agent.owner.wording import recording, text

_DAY_SECONDS = 86_400


def inbox(arguments: argparse.Namespace) -> int:
    """``owner inbox``"""
    client = prompts.client(arguments)
    overview = client.collect(prompts.unlock(client, arguments), wait_seconds=arguments.wait)
    if arguments.json:
        print(json.dumps(as_json.overview(overview), indent=2))
        return 0
    console().print(inbox_view.inbox(overview, client.now()))
    prompts.warn(client)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """``owner show``"""
    client = prompts.client(arguments)
    found = client.show(arguments.request, camera=arguments.camera)
    if isinstance(found, NoticeItem):
        data, page, offered = as_json.notice(found), request_view.notice(found), []
    else:
        data, page = as_json.request(found.item), request_view.request(found, client.now())
        pages = [found] if arguments.camera else client.show_all(found.item.digest)
        offered = [(page.item.device, page.item.report.clips) for page in pages]
    if arguments.json:
        print(json.dumps(data, indent=2))
    else:
        console().print(page)
        if isinstance(found, RequestPage) and arguments.camera is None:
            _tell_of_others(client, found)
    if arguments.sheet is not None:
        keys = prompts.unlock(client, arguments)
        _write_sheet(client, keys, arguments, f"Clips for request {arguments.request}", offered)
    if not arguments.json:
        prompts.warn(client)
    return 0


def _tell_of_others(client: OwnerClient, shown: RequestPage) -> None:
    """Name the other cameras that report the same request."""
    for item in (page.item for page in client.show_all(shown.item.digest)):
        if item.device != shown.item.device:
            have = text.clips(len(item.report.clips) + item.report.more_clips)
            prompts.say(f"{item.device} has {have} for it too. To see them:")
            print(f"clip-agent owner show {item.name} --camera {item.device}")


def clips(arguments: argparse.Namespace) -> int:
    """``owner clips``"""
    client = prompts.client(arguments)
    window = _window(arguments.start, arguments.end, client.now())
    keys = prompts.unlock(client, arguments)
    found = client.list_clips(keys, window, camera=arguments.camera)
    if arguments.json:
        print(json.dumps([as_json.listing(one) for one in found.listed], indent=2))
    else:
        for one in found.listed:
            console().print(listing(one))
            status = client.inbox.status(one.device)
            if status is not None and not status.arming.armed:
                print(f"{one.device}: recording is {text.arming(status)}")
    if arguments.sheet is not None:
        listed = [(one.device, one.listing.clips) for one in found.listed]
        _write_sheet(client, keys, arguments, "Clips", listed)
    prompts.warn(client)
    if found.silent:
        why = (
            text.away(away) if away is not None else recording.no_answer(name)
            for name, away in found.silent.items()
        )
        raise NetworkFault("; ".join(why), advice=ONLINE_AGAIN)
    return 0


def _write_sheet(
    client: OwnerClient,
    keys: Keys,
    arguments: argparse.Namespace,
    title: str,
    listed: Sequence[tuple[str, Sequence[ClipOffer]]],
) -> None:
    """Write a contact sheet of these clips, by camera, to the file of ``--sheet``."""
    with new_file(arguments.sheet) as out:
        groups = [
            Group(f"Camera {device}", offers, client.pictures.thumbnails(device, offers, keys))
            for device, offers in listed
        ]
        for piece in sheet.page(title, groups):
            out.write(piece.encode())
    if not arguments.json:
        prompts.say(f"{arguments.sheet} shows them. It is a plain copy: delete it afterwards.")


def _window(start: float | None, end: float | None, now: float) -> Window:
    start = start if start is not None else now - _DAY_SECONDS
    end = end if end is not None else now
    if start > end:
        raise Refused("wrong-time", "--from must be before --to, which is now if you leave it out")
    return Window(start=int(start), end=int(end) + 1)
