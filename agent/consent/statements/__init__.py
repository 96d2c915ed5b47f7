"""The signed documents as types.

A statement is the payload of a JWS (RFC 7515); the ``typ`` header names its type (RFC 8725, section
3.11). The types say what each field may hold; only a ``text`` may have line breaks. Times are
NumericDates (RFC 7519, section 2): whole seconds since 1970, UTC.

:mod:`agent.consent.decoding` turns bytes into statements, :mod:`agent.consent.signing` checks
signatures, policy and decisions check the content.
"""

from __future__ import annotations

from agent.consent.statements.base import *
from agent.consent.statements.device import *
from agent.consent.statements.ledger import *
from agent.consent.statements.owner import *
from agent.consent.statements.public import *
from agent.consent.statements.redaction import *
from agent.consent.statements.status import *
from agent.consent.statements.watch import *

STATEMENTS: dict[str, type[Statement]] = {
    kind.TYP: kind
    for kind in (
        Request,
        Alert,
        Withdrawal,
        Receipt,
        InboxReport,
        Listing,
        LedgerPage,
        Notices,
        Approval,
        Decline,
        Command,
        Share,
        Release,
        Outcome,
        Status,
        WatchLetter,
    )
}
