"""Stop things: ``decline mute unmute revoke pause-requests resume-requests``.

Each command shows all that will happen, asks, and only then unlocks the keys and signs.
"""

from __future__ import annotations

import argparse

from agent import options
from agent.consent.cards import format_fingerprint
from agent.owner.terminal import prompts
from agent.owner.terminal.prompts import say, tell_cameras
from agent.owner.wording import refusals, text


def decline(arguments: argparse.Namespace) -> int:
    """``owner decline``"""
    client = prompts.client(arguments)
    item, plans = client.plans.decline(arguments.request, mute=arguments.mute)
    requester = item.report.record.name
    print(f"Request {item.name} of {requester}:\n  {item.request.title}")
    for sentence in refusals.before_decline(item):
        say(sentence)
    if arguments.mute:
        say(f"You will get no more requests of {requester}. {refusals.orders_stay()}")
    options.confirm("Decline, and mute?" if arguments.mute else "Decline?", yes=arguments.yes)
    return tell_cameras(client, plans, arguments, done=refusals.declined())


def mute(arguments: argparse.Namespace) -> int:
    """``owner mute``"""
    client = prompts.client(arguments)
    requester, name = client.requester(arguments.requester)
    print(f"{name}, key {format_fingerprint(requester)}")
    say(
        f"You will get no more requests of theirs; open ones are declined. {refusals.orders_stay()}"
    )
    options.confirm("Mute them?", yes=arguments.yes)
    plans = client.plans.mute(requester, camera=arguments.camera)
    return tell_cameras(client, plans, arguments, done=refusals.muted(name))


def unmute(arguments: argparse.Namespace) -> int:
    """``owner unmute``"""
    client = prompts.client(arguments)
    requester, name = client.requester(arguments.requester)
    print(f"{name}, key {format_fingerprint(requester)}")
    plans = client.plans.mute(requester, muted=False, camera=arguments.camera)
    return tell_cameras(client, plans, arguments, done=refusals.muted(name, muted=False))


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
    say(refusals.before_pause())
    print("To end it: clip-agent owner resume-requests")
    return tell_cameras(client, plans, arguments, done=refusals.paused())


def resume_requests(arguments: argparse.Namespace) -> int:
    """``owner resume-requests``"""
    client = prompts.client(arguments)
    plans = client.plans.pause(paused=False, camera=arguments.camera)
    return tell_cameras(client, plans, arguments, done=refusals.paused(paused=False))
