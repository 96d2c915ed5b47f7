"""Send decisions that release nothing, and say on the next page if each camera obeyed."""

from __future__ import annotations

from collections.abc import Sequence

from agent.owner.console.context import Context
from agent.owner.decisions.sign import Plan
from agent.owner.wording import delivery

_WAIT_SECONDS = 5.0  # for a camera's answer; a later one shows in the inbox
_SAID = "said"


def tell(context: Context, plans: Sequence[Plan], done: str) -> None:
    """Sign and send ``plans``. ``done``: what is the case once a camera has obeyed."""
    client, lines = context.client(), list[tuple[str, bool]]()
    context.session.memory[_SAID] = lines  # what went before a fault is told too
    context.console.collector.forget()
    for plan in plans:
        sent = client.send(plan, context.keys, wait_seconds=_WAIT_SECONDS)
        lines.append((delivery.told(sent, done), delivery.is_refused(sent)))


def note(context: Context, sentence: str) -> None:
    """Say ``sentence`` on the next page."""
    context.session.memory[_SAID] = [(sentence, False)]
    context.console.collector.forget()


def said(context: Context) -> list[tuple[str, bool]]:
    """The sentences since the last page, each with True if it is a refusal. They are said once."""
    lines = context.session.memory.pop(_SAID, [])
    return lines if isinstance(lines, list) else []
