"""The page that an owner reads before signing a release: all that the signature does.

It says which clips leave, how much of each, to whom, for what, until when, which data of
the owner goes along, who else must agree, and who has the same clips already.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from agent.consent.cards import format_fingerprint
from agent.owner import redaction_text, text
from agent.owner.decisions.sign import ReleasePlan
from agent.owner.inbox.closed_clips import cannot_agree
from agent.owner.terminal.layout import RED, console, labelled


def show(plan: ReleasePlan) -> None:
    """Print the page; its commands are not cut at the edge of the screen."""
    console().print(release(plan), crop=False)


def release(plan: ReleasePlan) -> Group:
    """Exactly what leaves, and to whom."""
    asked = "" if plan.request is not None else ", who has not asked"
    rows = [
        ("To", Text(f"{plan.to}{asked}")),
        ("Their key", Text(format_fingerprint(plan.fingerprint))),
        ("", Text(f"by upload to {plan.url}")),
    ]
    if (item := plan.request) is not None:
        claim = ", a legal order as they say" if item.request.order is not None else ""
        rows += [("For", Text(f"their request {item.name}{claim}")), ("", Text(item.request.title))]
    rows += _leaving(plan)
    if plan.two_owners:
        rows.append(("Two owners", Text(_agreement(plan))))
    return Group(
        Text(f"If you sign, {plan.device.name} sends this, and nothing else:\n"),
        labelled(rows, indent=2),
        *_previews(plan),
        Text("\nWhat was sent cannot be called back.", style="bold"),
    )


def _previews(plan: ReleasePlan) -> Iterator[Text]:
    """Commands that show what would leave, in lines that can be copied whole."""
    if plan.request is None:
        return
    numbers = {offer.id: number for number, offer in enumerate(plan.offers, 1)}
    commands = []
    for clip in plan.clips:
        number, trim = numbers[clip.id], clip.trim
        options = [f"--redact {number}={redaction_text.typed(one)}" for one in clip.redact]
        if trim is not None:
            start, end = map(redaction_text.exact, (trim.from_seconds, trim.to_seconds))
            options.insert(0, f"--trim {number}={start}-{end}")
        options += [f"--as {clip.codec}"] if clip.codec else []
        if plan.seen(clip) is None:
            command = f"clip-agent owner preview {number} --request {plan.request.name}"
            commands.append(" ".join([f"  {command}", *options]))
    if commands:
        yield Text("\nTo see first what would leave:")
    yield from (Text(line, no_wrap=True, overflow="ignore") for line in commands)


def _leaving(plan: ReleasePlan) -> Iterator[tuple[str, Text]]:
    numbers = {offer.id: (number, offer) for number, offer in enumerate(plan.offers, 1)}
    for clip in plan.clips:
        number, offer = numbers[clip.id]
        yield f"Clip {number}", Text(clip.id)
        length = text.length(offer.duration_seconds)
        yield "", Text(f"from {text.exact(offer.started_at)}, length {length}, without sound")
        seen = plan.seen(clip)
        yield "", Text(f"seen on {text.brief(seen.at)}" if seen else "not seen on this computer")
        if seen is not None and seen.pictures is not None and seen.clip == clip:
            yield "", Text(text.pictures(offer, seen.pictures))
        if plan.two_owners and plan.joins is None:
            why = cannot_agree(offer, plan.household, plan.terms.me)
            yield from [("", Text(f"CAREFUL: {why}", style=RED))] if why else []
        for change in text.changes(clip) or ["whole, with nothing redacted"]:
            yield "", Text(change)
        for one in plan.terms.sent_before:
            if clip.id in one.clips and one.may_be_out:
                state = text.outcome(one.event, one.detail)
                line = f"{one.to}, {text.brief(one.at)}: {state} ({one.release[:8]})"
                yield "", Text(f"released before: {line}", style="bold")
    told = text.disclosed(plan.terms.disclose)
    yield "About you", Text(f"{told}, and nothing else" if told else text.NOTHING_TOLD)
    until = f"{text.moment(plan.until)} ({text.remaining(plan.until - plan.terms.now)})"
    yield "Until", Text(until)
    yield "", Text("what is not sent by then is not sent at all")


def _agreement(plan: ReleasePlan) -> str:
    """Say that this completes another owner's approval, or for whom it waits."""
    if plan.joins is not None:
        owner, release = plan.joins
        who = text.named(plan.household, owner)
        return f"{who} has signed the same, as {release[:8]}: it is sent at once"
    whom = text.awaited(plan.household, {plan.terms.me})
    return f"nothing is sent before {whom} has agreed to exactly this"
