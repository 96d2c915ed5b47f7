"""Text comparison: the same words in any spelling match, and no others."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.consent.policy import wording

NEVER = config.Requests().never_incidents

# Ranges of DerivedCoreProperties.txt, Default_Ignorable_Code_Point, line by line.
IGNORABLE = """
    00AD 034F 061C 115F..1160 17B4..17B5 180B..180D 180E 180F 200B..200F 202A..202E 2060..2064
    2065 2066..206F 3164 FE00..FE0F FEFF FFA0 FFF0..FFF8 1BCA0..1BCA3 1D173..1D17A E0000 E0001
    E0002..E001F E0020..E007F E0080..E00FF E0100..E01EF E01F0..E0FFF
"""


def ignorable() -> set[int]:
    points: set[int] = set()
    for line in IGNORABLE.split():
        first, _, last = line.partition("..")
        points |= set(range(int(first, 16), int(last or first, 16) + 1))
    return points


def is_never(incident: str, never: tuple[str, ...] = NEVER) -> bool:
    return any(wording.speaks_of(incident, topic) for topic in never)


@pytest.mark.parametrize(
    "incident",
    [
        "protests",
        "Protesters",
        "protesting downtown",
        "anti-protest riot",
        "assemblies",
        "unlawful assembly",
        "immigrants",
        "Immigrant's rights",
        "immigration-related",
        "Reproductive healthcare clinic",
        "reproductive \u2013 health",
        "pro\u2065test",
        "pro\ufff0test",
        "pro\U000e0fffest test\U000e0000s protest",
        "reproductive\ufe0f health",
    ],
)
def test_texts_that_match_a_topic(incident: str) -> None:
    assert is_never(incident)


@pytest.mark.parametrize(
    "incident",
    [
        "Protestant church fire",
        "theft from protestants",
        "health",
        "health, reproductive",
        "reproductive rights, mental health",
        "counterfeit money",
        "burglary",
        "",
        "\u2065",
    ],
)
def test_texts_that_only_resemble_a_topic(incident: str) -> None:
    assert not is_never(incident)


def test_an_excepted_word_matches_if_the_owner_lists_it() -> None:
    assert is_never("Protestant church fire", ("protestant",))
    assert is_never("attack on protestants", ("protestants",))


def test_a_short_topic_matches_only_itself() -> None:
    assert is_never("ICE raid", ("ice",))
    assert not is_never("iceberg", ("ice",))
    assert is_never("rioters", ("riot",))


@pytest.mark.parametrize("topic", ["", " ", "-", "\u200b"])
def test_a_topic_without_words_matches_nothing(topic: str) -> None:
    assert not wording.speaks_of("burglary", topic)
    assert not wording.speaks_of("", topic)


def test_invisible_characters_are_dropped() -> None:
    """Those that are not assigned yet have no category that would tell."""
    for point in ignorable():
        assert wording.seen(f"pro{chr(point)}test") == "protest", f"U+{point:04X}"
        assert wording.is_blank(chr(point))


@given(st.characters(exclude_categories=["Cs"]))
def test_visible_characters_stay_unless_they_modify_another(character: str) -> None:
    if wording.seen(f"a{character}b") == "ab":
        folded = unicodedata.normalize("NFKD", character)
        on_another = all(unicodedata.category(part) in ("Cf", "Mn", "Me") for part in folded)
        assert on_another or ord(character) in ignorable()


@given(st.text(max_size=30), st.sampled_from(sorted(ignorable())), st.integers(0, 30))
def test_an_invisible_character_changes_nothing(text: str, point: int, place: int) -> None:
    hidden = text[:place] + chr(point) + text[place:]
    assert is_never(hidden) == is_never(text)
    assert wording.is_blank(hidden) == wording.is_blank(text)
