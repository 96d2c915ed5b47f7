"""The languages of the pages: what is said, and that a translation fills in the same values."""

from __future__ import annotations

import re

import polib
import pytest
from starlette.testclient import TestClient

from agent.owner.console import languages
from agent.owner.wording.words import _, speaking
from tests import catalogue

ENTRIES = polib.pofile(str(catalogue.SPANISH))


def test_every_sentence_is_translated_and_no_other() -> None:
    said, known = set(catalogue.sentences()), {catalogue.key_of(entry): entry for entry in ENTRIES}
    assert len(said) > 400, "they are found"
    advice = "run `python -m tests.catalogue`, and translate what it names"
    assert said - set(known) == set(), advice
    assert set(known) - said == set(), advice
    assert [entry.msgid for entry in ENTRIES if not entry.translated()] == [], advice


def test_no_script_holds_words_of_its_own() -> None:
    """Words for scripts stand in templates, as data-... attributes, where they are translated."""
    for path in sorted((catalogue.OWNER / "console/static").glob("*.js")):
        code = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.M)
        strings = re.findall(r'"((?:[^"\\\n])*)"', code)
        assert [one for one in strings if re.search(r"[a-z]+ [a-z]+ [a-z]+", one)] == [], path.name


def test_a_translation_fills_in_what_its_sentence_does() -> None:
    for entry in ENTRIES:
        said = [entry.msgid, entry.msgid_plural]
        wanted = catalogue.placeholders(" ".join(said))
        for text in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
            assert not text or catalogue.placeholders(text) <= wanted, entry.msgid
        translated = " ".join([entry.msgstr, *entry.msgstr_plural.values()])
        assert not entry.translated() or catalogue.placeholders(translated) == wanted, entry.msgid


def test_a_translation_keeps_the_space_around_a_sentence_that_is_a_piece() -> None:
    for entry in ENTRIES:
        if entry.msgstr:
            for at in (0, -1):
                assert entry.msgid[at].isspace() == entry.msgstr[at].isspace(), entry.msgid


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "es"), ("en-US,en;q=0.9,es;q=0.8", "en"),
        ("de,es;q=0.5", "es"), ("de", "en"), ("", "en"), ("es;q=0.1,en;q=0.2", "en"),
        ("es;q=x", "en"), (";;,,=", "en"), ("ES", "es"), ("*", "en"),
    ],
)  # fmt: skip
def test_a_browser_says_which_language_its_reader_likes_best(accept: str, language: str) -> None:
    assert languages.preferred(accept) == language


def test_a_sentence_without_a_translation_stays_english() -> None:
    with speaking(languages.catalogue("es")):
        assert _("Inbox") == "Bandeja"
        assert _("Nobody has written this.") == "Nobody has written this."
    assert _("Inbox") == "Inbox"


def test_a_reader_chooses_the_language_and_it_stays(locked_browser: TestClient) -> None:
    locked_browser.post("/language", data={"language": "es", "next": "/unlock"})
    assert "Frase de contraseña" in locked_browser.get("/unlock").text
    locked_browser.post("/language", data={"language": "../es", "next": "/unlock"})
    assert "Frase de contraseña" in locked_browser.get("/unlock").text
