"""The letters that were collected last."""

from __future__ import annotations

from agent.errors import NetworkFault
from agent.owner.console.context import Context
from agent.owner.inbox.items import Overview


def overview(context: Context) -> Overview:
    """The last overview; collects now if there is none, or the page is asked to (``?now=1``).

    Without the broker it is what this computer knew before; the page says that.
    """
    collector = context.console.collector
    found = collector.overview
    if found is not None and not context.field("now"):
        return found
    try:
        return collector.collect(context.keys)
    except NetworkFault:
        return context.client().known()
