"""Pairing codes: what people type, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Refused
from agent.pairing.code import PairingCode

digits = st.text("0123456789", min_size=9, max_size=9)


@given(digits)
def test_a_code_is_read_back_as_it_is_shown(text: str) -> None:
    code = PairingCode.parse(text)
    assert PairingCode.parse(str(code)) == code
    assert (code.channel + code.secret, str(code).replace("-", "")) == (text, text)


@pytest.mark.parametrize("typed", [" 417 062 913\n", "417062913", "417-06-29-13", "417-062-913"])
def test_spaces_and_hyphens_do_not_count(typed: str) -> None:
    assert str(PairingCode.parse(typed)) == "417-062-913"


@pytest.mark.parametrize(
    "typed", ["", "417-062-91", "417-062-9133", "417-O62-913", "٤١٧-٠٦٢-٩١٣", "417/062/913"]
)
def test_another_text_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(Refused, match="Type the 9 digits that the device shows"):
        PairingCode.parse(typed)


def test_a_new_code_has_nine_digits_and_shows_its_secret_to_nobody_by_accident() -> None:
    codes = [PairingCode.generate() for _ in range(50)]
    assert {len(code.channel + code.secret) for code in codes} == {9}
    assert len({code.secret for code in codes}) > 45
    assert all(code.secret not in repr(code) for code in codes)
