"""Sentences about declining, muting and pausing: what each does, and what then is the case."""

from __future__ import annotations

from agent.owner.inbox.items import OpenRequest
from agent.owner.wording.words import _


def orders_stay() -> str:
    """A mute's limit."""
    return _("Other open legal orders stay open; of later ones you get a notice.")


def before_decline(item: OpenRequest) -> list[str]:
    """Sentences to read before a request is declined."""
    said = [
        _(
            "If you sign, it is closed for good, and nobody is told. Clips that you approved for it"
            " and that are not sent yet are stopped."
        )
    ]
    if item.request.order is not None:
        warning = _(
            "They say that a court has ordered this. Ignoring a real order can have consequences:"
            " ask that court, or a lawyer, before you decline."
        )
        said.insert(0, warning)
    return said


def declined() -> str:
    """After a decline."""
    return _("The request is closed, and nobody was told.")


def muted(name: str, *, muted: bool = True) -> str:
    """After a mute, or its end."""
    said = _("{name} is muted.") if muted else _("{name} is no longer muted.")
    return said.format(name=name)


def before_pause() -> str:
    """A sentence to read before requests are paused."""
    return _(
        "Recording goes on. You get no requests from now on, legal orders and alerts included."
        " They may run out meanwhile."
    )


def paused(*, paused: bool = True) -> str:
    """After a pause, or its end."""
    return _("Requests are no longer shown.") if paused else _("Requests are shown again.")
