"""The two lifecycles: closed tables, and the page that prints them."""

from __future__ import annotations

import re
from itertools import product

import pytest

import agent.consent.lifecycle as lifecycle
from agent.consent.lifecycle import RELEASE, REQUEST, Table
from agent.errors import InternalFault
from tests.peers.requirements import ROOT

PAGE = ROOT / "docs/lifecycle.md"
TABLES = pytest.mark.parametrize("table", [REQUEST, RELEASE], ids=["request", "release"])


def test_the_printed_diagrams_match_the_tables() -> None:
    shown = re.findall(r"```mermaid\n(.*?)\n```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shown == [lifecycle.diagram(REQUEST), lifecycle.diagram(RELEASE)]


def test_the_page_explains_every_state() -> None:
    explained = re.findall(r"^\| ([A-Z]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(explained) == sorted([*lifecycle.states(REQUEST), *lifecycle.states(RELEASE)])


def test_a_diagram_is_mermaid() -> None:
    arrow = re.compile(r"    (\[\*\]|[A-Z]+) --> (\[\*\]|[A-Z]+)(: [a-z]+)?")
    first, *arrows = lifecycle.diagram(REQUEST).splitlines()
    assert first == "stateDiagram-v2"
    assert all(arrow.fullmatch(line) for line in arrows)


@TABLES
def test_only_the_transitions_of_the_table_are_possible(table: Table) -> None:
    events = {event for _, event in table}
    for state, event in product(lifecycle.states(table), events):
        if (state, event) in table:
            assert lifecycle.advance(table, state, event) == table[state, event]
        else:
            with pytest.raises(InternalFault):
                lifecycle.advance(table, state, event)


@TABLES
@pytest.mark.parametrize(("state", "event"), [("NOWHERE", "admit"), ("OPEN", "burn"), ("", "")])
def test_an_unknown_state_or_event(table: Table, state: str, event: str) -> None:
    with pytest.raises(InternalFault):
        lifecycle.advance(table, state, event)


@TABLES
def test_every_state_is_reached_and_leads_to_an_end(table: Table) -> None:
    reached, pending = set[str](), [lifecycle.initial(table)]
    while pending:
        state = pending.pop()
        reached.add(state)
        ways = [after for (before, _), after in table.items() if before == state]
        assert bool(ways) != (state in lifecycle.finals(table))
        assert state not in ways, "a machine that can stand still need not end"
        pending += [after for after in ways if after not in reached]
    assert reached == set(lifecycle.states(table))


def test_a_closed_request_never_opens_again() -> None:
    assert lifecycle.initial(REQUEST) == "RECEIVED"
    assert lifecycle.finals(REQUEST) == {"REFUSED", "DECLINED", "EXPIRED", "WITHDRAWN"}


def test_a_release_is_sent_only_after_it_was_approved_and_sealed() -> None:
    assert lifecycle.initial(RELEASE) == "PROPOSED"
    assert lifecycle.finals(RELEASE) == {"DELIVERED", "REJECTED", "REVOKED", "FAILED"}
    for left in ("DELIVERED", "REJECTED"):
        assert {before for (before, _), after in RELEASE.items() if after == left} == {"SENT"}
    assert [step for step, after in RELEASE.items() if after == "SENT"] == [("SEALED", "send")]
    assert [step for step, after in RELEASE.items() if after == "SEALED"] == [("APPROVED", "seal")]
    assert [step for step, after in RELEASE.items() if after == "APPROVED"] == [
        ("PROPOSED", "agree")
    ]


def test_a_release_that_is_over_cannot_be_revoked_and_any_other_can() -> None:
    revocable = {before for before, event in RELEASE if event == "revoke"}
    assert revocable | set(lifecycle.OVER) == set(lifecycle.states(RELEASE))
    assert not revocable & set(lifecycle.OVER)


def test_until_it_is_sent_a_release_can_be_revoked() -> None:
    for state in ("PROPOSED", "APPROVED", "SEALED"):
        assert lifecycle.advance(RELEASE, state, "revoke") == "REVOKED"


@TABLES
def test_the_tables_cannot_be_changed(table: Table) -> None:
    with pytest.raises(TypeError):
        table["OPEN", "burn"] = "BURNT"  # type: ignore[index]
