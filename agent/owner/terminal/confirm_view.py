"""The page that an owner reads before signing a release; :mod:`..wording` has its sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.text import Text

from agent.owner.decisions.sign import ReleasePlan
from agent.owner.terminal.layout import RED, console, labelled
from agent.owner.wording import confirmation, redaction_text

_STYLES = {"plain": "", "strong": "bold", "careful": RED}


def show(plans: Sequence[ReleasePlan]) -> None:
    """Print the page; its commands are not cut at the edge of the screen."""
    for plan in plans:
        console().print(release(plan), crop=False)


def release(plan: ReleasePlan) -> Group:
    """Exactly what leaves, and to whom."""
    rows = [
        ("" if place else fact.label, Text(line.text, style=_STYLES[line.weight]))
        for fact in confirmation.facts(plan)
        for place, line in enumerate(fact.lines)
    ]
    return Group(
        Text(f"{confirmation.heading(plan)}\n"),
        labelled(rows, indent=2),
        *_previews(plan),
        Text(f"\n{confirmation.final()}", style="bold"),
    )


def _previews(plan: ReleasePlan) -> Iterator[Text]:
    """Commands that show what would leave, in lines that can be copied whole."""
    if plan.request is None:
        return
    commands = []
    for clip in plan.clips:
        number, trim = confirmation.number(plan, clip), clip.trim
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
