"""Tell the camera what to record, to keep and to show: ``arm disarm delete keep look``.

The camera verifies these commands itself: no gateway can give or change them.
"""

from __future__ import annotations

import argparse

from agent import files, options
from agent.consent.statements import Arm, Delete, Keep
from agent.errors import Refused
from agent.owner.client import OwnerClient
from agent.owner.pictures.look import MAX_SECONDS, Picture
from agent.owner.terminal import prompts
from agent.owner.terminal.layout import console
from agent.owner.terminal.prompts import say, tell_cameras
from agent.owner.wording import recording, text


def arm(arguments: argparse.Namespace) -> int:
    """``owner arm``"""
    client = prompts.client(arguments)
    arm = Arm(armed=True, scheduled=arguments.by_schedule)
    plans = client.plans.command(arm, arguments.camera)
    return tell_cameras(client, plans, arguments, done=recording.armed(arm))


def disarm(arguments: argparse.Namespace) -> int:
    """``owner disarm``"""
    client = prompts.client(arguments)
    disarm = Arm(armed=False)
    plans = client.plans.command(disarm, arguments.camera)
    say(recording.before_disarm())
    options.confirm("Stop recording?", yes=arguments.yes)
    return tell_cameras(client, plans, arguments, done=recording.armed(disarm))


def delete(arguments: argparse.Namespace) -> int:
    """``owner delete``"""
    client = prompts.client(arguments)
    device, clip = _clip(client, arguments)
    say(recording.before_delete())
    options.confirm("Delete it?", yes=arguments.yes)
    plans = client.plans.command(Delete(clip=clip), device)
    return tell_cameras(client, plans, arguments, done=recording.deleted())


def keep(arguments: argparse.Namespace) -> int:
    """``owner keep``"""
    client = prompts.client(arguments)
    device, clip = _clip(client, arguments)
    plans = client.plans.command(Keep(clip=clip, keep=not arguments.no_longer), device)
    done = recording.kept(keep=not arguments.no_longer)
    return tell_cameras(client, plans, arguments, done=done)


def look(arguments: argparse.Namespace) -> int:
    """``owner look``"""
    if not 1 <= arguments.seconds <= MAX_SECONDS:
        raise Refused("wrong-seconds", f"--seconds must be from 1 to {MAX_SECONDS}")
    client, target, count = prompts.client(arguments), arguments.output, 0
    client.plans.camera(arguments.camera)
    keys = prompts.unlock(client, arguments)
    prompts.say(f"{recording.before_look()} Ctrl-C ends it.")
    status = console().status("Waiting for the first picture")

    def show(picture: Picture) -> None:
        nonlocal count
        count += 1
        files.replace(target, picture.jpeg, mode=files.PRIVATE_MODE)
        size = f"{picture.width} x {picture.height}"
        status.update(f"{target}: picture {count}, {text.second(picture.at)}, {size}")

    try:
        with status:
            client.pictures.look(arguments.camera, keys, show, seconds=arguments.seconds)
    except KeyboardInterrupt:
        if not count:
            raise
    prompts.say(f"{count} pictures came. {target} holds the last one. It is a plain copy.")
    prompts.warn(client)
    return 0


def _clip(client: OwnerClient, arguments: argparse.Namespace) -> tuple[str, str]:
    """Camera and id of the clip, which is shown."""
    device, offer = client.find_clip(
        arguments.clip, request=arguments.request, camera=arguments.camera
    )
    print(f"Clip {offer.id} of {device}, {text.second(offer.started_at)}")
    return device, offer.id
