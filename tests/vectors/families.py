"""The hostile vectors, one attack each, by what is attacked.

Each family is a function that yields names and vectors; :data:`FAMILIES` has them in the
order in which a device would meet them.
"""

from __future__ import annotations

from tests.vectors.attacks import (
    decisions,
    gateway,
    headers,
    keys,
    letters,
    payloads,
    posts,
    proofs,
    receipts,
    requests,
    shares,
)

FAMILIES = (
    keys.cards,
    headers.headers,
    headers.forms,
    headers.signatures,
    payloads.texts,
    payloads.numbers,
    payloads.fields,
    requests.requests,
    requests.areas,
    requests.uploads,
    posts.alerts,
    posts.withdrawals,
    receipts.receipts,
    proofs.proofs,
    proofs.notes,
    proofs.links,
    letters.letters,
    decisions.approvals,
    decisions.declines,
    decisions.commands,
    shares.shares,
    gateway.topics,
    gateway.replays,
    gateway.times,
    gateway.households,
    gateway.logs,
)
