"""A page of the ledger: a device sends its owner the lines after a number."""

from __future__ import annotations

import base64
from typing import Annotated, ClassVar

from msgspec import Meta

from agent.consent.statements.base import (
    MAX_REPORT_BYTES,
    Count,
    LedgerHead,
    Name,
    Proofs,
    Statement,
)


class LedgerPage(Statement, frozen=True):
    """Lines of the ledger, from number ``after`` + 1 on, as many as a letter holds.

    ``lines``: their canonical texts (RFC 8785) in UTF-8, each with a line break behind it, all in
    base64: a line may hold characters that no statement does. ``ledger`` is the head of the whole.
    """

    TYP: ClassVar[str] = "clip-ledger+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    after: Count
    lines: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=MAX_REPORT_BYTES)]
    ledger: LedgerHead
    proofs: Proofs = ()

    def texts(self) -> list[bytes]:
        """The lines; ValueError for what is not base64, or ends within a line."""
        *texts, rest = base64.b64decode(self.lines, validate=True).split(b"\n")
        if rest:
            raise ValueError("the last line has no end")
        return texts
