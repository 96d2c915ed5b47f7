"""The error tree as drawn, and what an error says."""

from __future__ import annotations

import inspect
import re

import pytest

from agent import errors
from agent.errors import ApprovalRefused, ClipAgentError, ConfigError, Refused, StorageFault


def drawn(text: str) -> dict[str, str]:
    """Each name in a tree drawn with box characters, and the name it hangs on."""
    parents: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in text.splitlines():
        match = re.match(r" {4}((?:│   |    |├── |└── )*)([A-Z]\w*)( {2,}\S|$)", line)
        if match:
            depth = len(match[1]) // 4
            above[depth] = match[2]
            parents[match[2]] = above[depth - 1] if depth else "Exception"
    return parents


def defined() -> dict[str, str]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: kind.__bases__[0].__name__ for name, kind in classes}


def test_the_printed_exception_tree_matches_the_classes() -> None:
    assert drawn(errors.__doc__ or "") == defined()


def test_the_drawing_is_read_at_any_depth() -> None:
    tree = "    Root\n    ├── A    what\n    │   └── B\n    └── C    what\n"
    assert drawn(tree) == {"Root": "Exception", "A": "Root", "B": "A", "C": "Root"}


def test_an_error_says_what_is_wrong_and_then_what_to_do() -> None:
    assert str(ConfigError("agent.yaml: x: unknown key")) == "agent.yaml: x: unknown key"
    assert str(StorageFault("The disk is full", advice="Free some space")) == (
        "The disk is full. Free some space"
    )


def test_a_refusal_names_its_rule_and_an_approval_its_number() -> None:
    assert Refused("too-large", "20000 bytes").rule == "too-large"
    refused = ApprovalRefused(3, "replayed", "was acted on before")
    assert (refused.number, refused.rule, str(refused)) == (3, "replayed", "was acted on before")


@pytest.mark.parametrize("name", sorted(defined()))
def test_every_error_is_one_of_ours_and_says_whose_fault_it_is(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, ClipAgentError)
    assert kind.__doc__
