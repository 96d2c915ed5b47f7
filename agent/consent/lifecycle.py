"""The lifecycles of a request and of a release, as tables from (state, event) to the next state.

The gateway decides when an event is due; an event that a table does not have is our own
mistake (:class:`InternalFault`). :func:`diagram` prints the diagrams in ``docs/lifecycle.md``.
The database stores states by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.errors import InternalFault

# The detail of an APPROVED release whose owners agreed by letters that crossed, without keys.
KEYS_AWAITED = "both owners agreed; the keys come when one of them unlocks their tool"

Table = Mapping[tuple[str, str], str]

# A public request, from its arrival on the feed. A closed request never opens again: its
# requester posts a new one, and the owner decides anew.
REQUEST: Table = MappingProxyType(
    {
        ("RECEIVED", "refuse"): "REFUSED",  # the policy says no; the rule's name is kept
        ("RECEIVED", "admit"): "OPEN",  # the owner is asked as soon as a clip matches
        ("OPEN", "decline"): "DECLINED",  # an owner said no; the requester is not told
        ("OPEN", "expire"): "EXPIRED",  # nobody answered in time
        ("OPEN", "withdraw"): "WITHDRAWN",  # its requester withdrew it
    }
)

# A release, one for each approval or share. A proposed release ends with its request. An approved
# one is sent even if the request is declined or expires meanwhile; only an owner who revokes it
# or a requester who withdraws the request stops it.
RELEASE: Table = MappingProxyType(
    {
        ("PROPOSED", "agree"): "APPROVED",  # as many owners as are needed have said the same
        ("PROPOSED", "revoke"): "REVOKED",  # an owner said no, or the request was withdrawn
        ("PROPOSED", "fail"): "FAILED",  # its time ran out before another owner agreed
        ("APPROVED", "seal"): "SEALED",  # the bundle lies in the outbox, sealed to the requester
        ("APPROVED", "revoke"): "REVOKED",  # the owner stopped it before anything was made
        ("APPROVED", "fail"): "FAILED",  # a clip is damaged or gone, or the approval ran out
        ("SEALED", "send"): "SENT",  # the receiver has every byte; cannot be undone
        ("SEALED", "revoke"): "REVOKED",  # the owner stopped it before the last byte
        ("SEALED", "fail"): "FAILED",  # the receiver refused for good, or the approval ran out
        ("SENT", "deliver"): "DELIVERED",  # the requester's receipt: opened and verified
        ("SENT", "reject"): "REJECTED",  # the requester's receipt: not what it may be
    }
)
LEFT: Final = ("SENT", "DELIVERED", "REJECTED")  # states of a release that has left
OVER: Final = (*LEFT, "REVOKED", "FAILED")  # states in which nothing more leaves or is stopped


def advance(table: Table, state: str, event: str) -> str:
    """The state after ``event`` in ``state``; :class:`InternalFault` if there is none."""
    try:
        return table[state, event]
    except KeyError:
        raise InternalFault(f"nothing in state {state!r} answers {event!r}") from None


def states(table: Table) -> list[str]:
    """All states of ``table``, in the order in which they first appear."""
    return list(
        dict.fromkeys(name for (before, _), after in table.items() for name in (before, after))
    )


def initial(table: Table) -> str:
    """The one state that no event leads to."""
    (start,) = set(states(table)) - set(table.values())
    return start


def finals(table: Table) -> frozenset[str]:
    """The states that no event leaves."""
    return frozenset(states(table)) - {before for before, _ in table}


def diagram(table: Table) -> str:
    """``table`` as a Mermaid ``stateDiagram-v2``, transitions in the order of the table."""
    arrows = [f"{before} --> {after}: {event}" for (before, event), after in table.items()]
    ends = [f"{state} --> [*]" for state in states(table) if state in finals(table)]
    lines = ["stateDiagram-v2", f"[*] --> {initial(table)}", *arrows, *ends]
    return "\n    ".join(lines)
