"""Tell the camera what to record and to keep: ``arm disarm delete keep``.

The camera verifies these commands itself: no gateway can give or change them.
"""

from __future__ import annotations

import argparse

from agent import options
from agent.consent.statements import Arm, Delete, Keep
from agent.owner import text
from agent.owner.client import OwnerClient
from agent.owner.terminal import prompts
from agent.owner.terminal.prompts import say, tell_cameras
from agent.owner.wording import recording


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
    say("The camera deletes it for good. Copies that you saved or sent are not deleted.")
    options.confirm("Delete it?", yes=arguments.yes)
    plans = client.plans.command(Delete(clip=clip), device)
    return tell_cameras(client, plans, arguments, done="The clip is deleted.")


def keep(arguments: argparse.Namespace) -> int:
    """``owner keep``"""
    client = prompts.client(arguments)
    device, clip = _clip(client, arguments)
    plans = client.plans.command(Keep(clip=clip, keep=not arguments.no_longer), device)
    done = "It is deleted in its turn." if arguments.no_longer else "It is not deleted for space."
    return tell_cameras(client, plans, arguments, done=done)


def _clip(client: OwnerClient, arguments: argparse.Namespace) -> tuple[str, str]:
    """Camera and id of the clip, which is shown."""
    device, offer = client.find_clip(
        arguments.clip, request=arguments.request, camera=arguments.camera
    )
    print(f"Clip {offer.id} of {device}, {text.second(offer.started_at)}")
    return device, offer.id
