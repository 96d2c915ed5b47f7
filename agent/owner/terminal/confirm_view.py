"""What an owner reads before they are asked to sign: what the signature does, in plain words.

Which clips leave, how much of each, to whom, for what, until when, what of the owner goes
along, who else must agree, and who has the same clips already. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from agent.consent.statements import ApprovedClip, ClipOffer, Disclosure, HouseholdOwner
from agent.owner import text as words
from agent.owner.decisions.sent import SentDecision
from agent.owner.decisions.sign import SharePlan
from agent.owner.inbox.items import OpenRequest
from agent.owner.terminal import inbox_view as view

_GONE = "What was sent cannot be called back."


def approval(
    item: OpenRequest,
    chosen: Sequence[ApprovedClip],
    disclose: Disclosure,
    until: float,
    *,
    now: float,
    gifts: Sequence[SentDecision] = (),
    me: str = "",
) -> Group:
    """Exactly what leaves, and to whom. ``gifts``: what left before; ``me``: my fingerprint."""
    claim = ", a legal demand as they say" if item.request.order is not None else ""
    rows = [
        ("To", Text(f"{item.report.record.name}, key {words.short_fingerprint(item.request.iss)}")),
        ("", Text(f"by upload to {item.request.upload.url}")),
        ("For", Text(f"their request {item.name}{claim}")),
        ("", Text(item.request.title)),
        *_leaving(item.report.clips, chosen, disclose, until, now, gifts),
    ]
    if item.report.approvals_needed > 1:
        rows.append(("Two owners", Text(_agreement(item, chosen, disclose, me))))
    previews = _previews(item, chosen)
    return Group(*_sheet(item.device, rows, previews))


def _previews(item: OpenRequest, chosen: Sequence[ApprovedClip]) -> list[Text]:
    """Commands that show what would leave, in lines that can be copied whole."""
    numbers = {offer.id: number for number, offer in enumerate(item.report.clips, 1)}
    commands = []
    for clip in chosen:
        number, trim = numbers[clip.id], clip.trim
        options = (
            [] if trim is None else [f"--trim {number}={trim.from_seconds:g}-{trim.to_seconds:g}"]
        )
        options += [
            f"--redact {number}={box.x:g},{box.y:g},{box.width:g},{box.height:g}"
            for box in clip.redact
        ]
        if options:
            command = f"clip-agent owner preview {number} --request {item.name}"
            line = " ".join([f"  {command}", *options])
            commands.append(Text(line, no_wrap=True, overflow="ignore"))
    return [Text("\nTo see first what would leave:"), *commands] if commands else []


def share(
    plan: SharePlan,
    fingerprint: str,
    until: float,
    *,
    now: float,
    gifts: Sequence[SentDecision] = (),
    household: Sequence[HouseholdOwner] = (),
    me: str = "",
    joins: bool = False,
) -> Group:
    """The same for a share: nobody has asked. ``joins``: another owner has signed it already."""
    rows = [
        (
            "To",
            Text(f"{plan.to.name}, who has not asked, key {words.short_fingerprint(fingerprint)}"),
        ),
        ("", Text(f"by upload to {plan.target.url}")),
        *_leaving(plan.offers, plan.clips, plan.disclose, until, now, gifts),
    ]
    if joins:
        rows.append(("Two owners", Text("another owner has signed the same: it is sent at once")))
    elif household:
        rows.append(("Two owners", Text(_waits_for(household, {me}))))
    return Group(*_sheet(plan.device, rows))


def _sheet(
    device: str, rows: list[tuple[str, Text]], previews: Sequence[Text] = ()
) -> list[RenderableType]:
    return [
        Text(f"If you sign, {device} sends this, and nothing else:\n"),
        view.labelled(rows, indent=2),
        *previews,
        Text(f"\n{_GONE}", style="bold"),
    ]


def _leaving(
    offers: Sequence[ClipOffer],
    chosen: Sequence[ApprovedClip],
    disclose: Disclosure,
    until: float,
    now: float,
    gifts: Sequence[SentDecision],
) -> Iterator[tuple[str, Text]]:
    numbers = {offer.id: (number, offer) for number, offer in enumerate(offers, 1)}
    for clip in chosen:
        number, offer = numbers[clip.id]
        yield f"Clip {number}", Text(clip.id)
        length = words.length(offer.duration_seconds)
        yield "", Text(f"from {words.exact(offer.started_at)}, length {length}, without sound")
        yield from (
            ("", Text(change)) for change in changes(clip) or ["whole, with nothing redacted"]
        )
        yield from (("", Text(line, style="bold")) for line in given_before(clip.id, gifts))
    told = disclosed(disclose)
    yield "Of you", Text(f"{told}, and nothing else" if told else NOTHING_TOLD)
    yield "Until", Text(f"{words.moment(until)} ({words.remaining(until - now)})")
    yield "", Text("what is not sent by then is not sent at all")


def _agreement(
    item: OpenRequest, chosen: Sequence[ApprovedClip], disclose: Disclosure, me: str
) -> str:
    """Whether this completes what another owner has said, or for whom it then waits."""
    for proposal in item.report.proposals:
        same = proposal.clips == tuple(chosen) and proposal.disclose == disclose
        if same and proposal.owner != me:
            who = named(item.report.owners, proposal.owner)
            return f"{who} has signed the same, as {proposal.release[:8]}: it is sent at once"
    return _waits_for(item.report.owners, {me})


def _waits_for(household: Sequence[HouseholdOwner], signed: set[str]) -> str:
    return f"nothing is sent before {awaited(household, signed)} has agreed to exactly this"


def awaited(household: Sequence[HouseholdOwner], signed: set[str]) -> str:
    """Who is still to agree: by name, where the camera has told the names."""
    names = [owner.name for owner in household if owner.fingerprint not in signed]
    return " or ".join(names) if names else "another owner"


def named(household: Sequence[HouseholdOwner], key: str) -> str:
    """An owner by name and key, or by key alone."""
    name = next((owner.name for owner in household if owner.fingerprint == key), "another owner")
    return f"{name} (key {words.short_fingerprint(key)})"


NOTHING_TOLD = "nothing: no name, no address, no e-mail"


def given_before(clip: str, gifts: Sequence[SentDecision]) -> list[str]:
    """To whom this clip was given before, a line each."""
    return [
        f"given before: {gift.to}, {words.brief(gift.at)}: "
        f"{words.outcome(gift.event, gift.detail)} ({gift.release[:8]})"
        for gift in gifts
        if clip in gift.clips and gift.may_be_out
    ]


def changes(clip: ApprovedClip) -> list[str]:
    """What is done to a clip before it leaves, a line each."""
    trim = clip.trim
    trims = [] if trim is None else [f"only {trim.from_seconds:g} s to {trim.to_seconds:g} s of it"]
    return trims + [
        f"redacted: {area.width:.0%} x {area.height:.0%} of the picture, "
        f"{area.x:.0%} from the left, {area.y:.0%} from the top"
        for area in clip.redact
    ]


def disclosed(disclose: Disclosure) -> str:
    """What the owner tells of themselves; empty if nothing."""
    told = msgspec.to_builtins(disclose)
    return ", ".join(f"your {key} {value}" for key, value in told.items() if value)
