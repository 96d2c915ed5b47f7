"""Stop things: ``decline mute unmute revoke pause-requests resume-requests``.

Each command shows all that will happen, asks, and only then unlocks the keys and signs.
"""

from __future__ import annotations

import argparse

from agent import options
from agent.consent.cards import format_fingerprint
from agent.owner import text
from agent.owner.terminal import prompts
from agent.owner.terminal.prompts import say, tell_cameras

_ORDERS_STAY = "Other open legal orders stay open; of later ones you get a notice."


def decline(arguments: argparse.Namespace) -> int:
    """``owner decline``"""
    client = prompts.client(arguments)
    item, plans = client.plans.decline(arguments.request, mute=arguments.mute)
    requester = item.report.record.name
    print(f"Request {item.name} of {requester}:\n  {item.request.title}")
    if item.request.order is not None:
        say("They say that a court has ordered this. Ignoring a real order can have consequences:")
        say("ask that court, or a lawyer, before you decline.")
    say("If you sign, it is closed for good, and nobody is told. Clips that you approved for it")
    say("and that are not sent yet are stopped.")
    if arguments.mute:
        say(f"You will get no more requests of {requester}. {_ORDERS_STAY}")
    options.confirm("Decline, and mute?" if arguments.mute else "Decline?", yes=arguments.yes)
    done = "The request is closed, and nobody was told."
    return tell_cameras(client, plans, arguments, done=done)


def mute(arguments: argparse.Namespace) -> int:
    """``owner mute``"""
    client = prompts.client(arguments)
    requester, name = client.requester(arguments.requester)
    print(f"{name}, key {format_fingerprint(requester)}")
    say(f"You will get no more requests of theirs; open ones are declined. {_ORDERS_STAY}")
    options.confirm("Mute them?", yes=arguments.yes)
    plans = client.plans.mute(requester, camera=arguments.camera)
    return tell_cameras(client, plans, arguments, done=f"{name} is muted.")


def unmute(arguments: argparse.Namespace) -> int:
    """``owner unmute``"""
    client = prompts.client(arguments)
    requester, name = client.requester(arguments.requester)
    print(f"{name}, key {format_fingerprint(requester)}")
    plans = client.plans.mute(requester, muted=False, camera=arguments.camera)
    return tell_cameras(client, plans, arguments, done=f"{name} is no longer muted.")


def revoke(arguments: argparse.Namespace) -> int:
    """``owner revoke``"""
    client = prompts.client(arguments)
    answer, plan = client.plans.revoke(arguments.release)
    to = f" to {answer.to}" if answer.to else ""
    print(f"{answer.device}, release {answer.release}{to}:")
    print(f"  last report: {text.outcome(answer.event, answer.detail)}")
    options.confirm("Stop it?", yes=arguments.yes)
    return tell_cameras(client, [plan], arguments, done="It is stopped, and is not sent.")


def pause_requests(arguments: argparse.Namespace) -> int:
    """``owner pause-requests``"""
    client = prompts.client(arguments)
    plans = client.plans.pause(camera=arguments.camera)
    print("Recording goes on. You get no requests from now on, legal orders and alerts included.")
    print("They may run out meanwhile. To end it: clip-agent owner resume-requests")
    return tell_cameras(client, plans, arguments, done="Requests are no longer shown.")


def resume_requests(arguments: argparse.Namespace) -> int:
    """``owner resume-requests``"""
    client = prompts.client(arguments)
    plans = client.plans.pause(paused=False, camera=arguments.camera)
    done = "Requests are shown again: clip-agent owner inbox"
    return tell_cameras(client, plans, arguments, done=done)
