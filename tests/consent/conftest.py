"""A check of every refusal in these tests: it gives a reason."""

from __future__ import annotations

from typing import Any

import pytest

from agent.errors import ClipAgentError


@pytest.fixture(autouse=True, scope="module")
def _every_error_says_why() -> Any:
    """A message is a sentence for a person. Which one is not for a test to pin."""
    init = ClipAgentError.__init__

    def checked(self: ClipAgentError, message: str, *, advice: str = "") -> None:
        for text in (message, advice):
            assert isinstance(text, str), f"{type(self).__name__} says {text!r}"
            told = text.replace("`None`", "")  # a field that a stranger named so
            assert "None" not in told, f"{type(self).__name__}: {text}"
        assert message, f"{type(self).__name__} says nothing"
        init(self, message, advice=advice)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ClipAgentError, "__init__", checked)
        yield
