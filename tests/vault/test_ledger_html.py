"""The printable page: well-formed, needs nothing from outside, and hides nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.cli import main as cli
from agent.vault import ledger_text as words
from agent.vault.ledger_html import CHECK_PROGRAM, page
from agent.vault.records.events import Event
from agent.vault.records.ledger import Entry, Json, Ledger, LedgerWriter
from tests.vault.support import Vault

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> \u202eevil\u2066 \x1b[2J\u2028 &amp;"
)
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Reads a page strictly: each element closed, nothing that loads or runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.broken = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        assert tag not in {"script", "img", "link", "iframe", "object", "a", "form", "base"}
        assert not {"src", "href", "style", "id"} & names.keys()
        assert not [name for name in names if name.startswith("on")]
        self.broken += "broken" in (names.get("class") or "") and tag == "section"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def write(vault: Vault, *events: str, count: int = 3) -> None:
    with vault.database.transaction():
        for event in events or ["request.refused"] * count:
            detail: dict[str, Json] = {
                "rule": HOSTILE,
                "why": HOSTILE,
                "name": HOSTILE,
                "clips": [HOSTILE, "b"],
            }
            LedgerWriter(vault.database).append(event, HOSTILE, detail, at=1_706_121_000.5)


def made(vault: Vault) -> str:
    ledger = Ledger(vault.database)
    return "".join(page(ledger, device="front-door", now=1_706_121_900.0, version="1.2.3"))


def test_what_strangers_wrote_is_text_and_nothing_turns_the_direction_of_writing(
    vault: Vault,
) -> None:
    write(vault, "request.refused", HOSTILE)
    text = made(vault)
    shown = Reader(text).text
    assert "<script>alert(1)</script><img src=x onerror=alert(1)> \\u202eevil\\u2066" in shown
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\u2028\x00-\x09\x0b-\x1f]", text)


def test_the_page_needs_nothing_from_outside(vault: Vault) -> None:
    write(vault)
    text = made(vault)
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|url\(|@import", text)


def test_it_says_first_whose_it_is_and_that_it_holds(vault: Vault) -> None:
    write(vault, count=600)  # more than a page of them
    text = Reader(made(vault)).text
    head = Ledger(vault.database).head()
    for part in ("front-door", "600", str(head), "2024-01-24 18:30:00 UTC", "1.2.3"):
        assert part in text.split("The lines")[0]
    assert "This ledger holds together." in text
    assert "BROKEN" not in text


def test_each_line_shows_the_text_that_its_digest_is_taken_of(vault: Vault) -> None:
    with vault.database.transaction():
        line = LedgerWriter(vault.database).append("request.expired", "d" * 64, {"ä": "ö"}, at=1.25)
    text = Reader(made(vault)).text
    assert line.text() in text and line.leaf().hex() in text


@pytest.mark.parametrize(
    ("tampering", "whole", "broken", "said"),
    [
        ("UPDATE ledger SET event = 'x' WHERE seq = 3", 2, 3, "ledger line 3: it was changed"),
        ("UPDATE ledger SET at = 9e999 WHERE seq = 3", 2, 3, "ledger line 3: it was changed"),
        ("UPDATE ledger SET detail = '[' WHERE seq = 3", 2, 1, "ledger line 3: its detail"),
        ("DELETE FROM ledger WHERE seq = 3", 2, 2, "ledger line 3: it is missing"),
        ("UPDATE ledger SET seq = -7 WHERE seq = 1", 0, 5, "ledger line 1: it is missing"),
    ],
)
def test_a_broken_ledger_says_so_first_and_marks_what_proves_nothing(
    vault: Vault, tampering: str, whole: int, broken: int, said: str
) -> None:
    write(vault, count=5)
    vault.database.connection.execute(tampering)
    reader = Reader(made(vault))
    assert f"THIS LEDGER IS BROKEN: {said}" in reader.text.split("The lines")[0]
    assert f"The {whole} lines before it hold together" in reader.text
    assert reader.broken == broken


def test_a_ledger_without_a_line_is_a_page_too(vault: Vault) -> None:
    assert "no line yet" in Reader(made(vault)).text


def test_the_program_on_the_page_checks_an_export(vault: Vault, tmp_path: Path) -> None:
    write(vault, count=4)
    ledger_file, program = tmp_path / "ledger.jsonl", tmp_path / "check.py"
    program.write_text(CHECK_PROGRAM)
    with ledger_file.open("w", encoding="utf-8", newline="\n") as out:
        Ledger(vault.database).export(out)

    def check(*heads: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(program), str(ledger_file), *map(str, heads)]
        return subprocess.run(command, capture_output=True, text=True)

    heads = [Ledger(vault.database).head(size) for size in range(5)]
    assert check().stdout == check(heads[4], heads[2], heads[3]).stdout == f"{heads[4]}\n"
    lines = [f"{line}\n" for line in ledger_file.read_text("utf-8").split("\n")[:-1]]
    for said, changed in (
        ("the first 3 lines", [*lines[:2], lines[2].replace("refused", "opened"), lines[3]]),
        ("line 2 is missing", [lines[0], *lines[2:]]),
        ("line 2 is missing", [lines[0], lines[2], lines[1], lines[3]]),
        ("line 4 is missing", lines[:3]),
    ):
        ledger_file.write_text("".join(changed), "utf-8")
        done = check(*heads[3:])
        assert done.returncode == 1 and done.stderr.startswith(said)
    ledger_file.write_text("")
    assert check().stdout == f"{heads[0]}\n"


@pytest.mark.parametrize("event", Event)
def test_every_event_has_a_sentence_that_can_be_filled_in(event: Event) -> None:
    entry = Entry(1, 1.0, str(event), "", {})
    assert words.sentence(entry).endswith(".")


def test_export_writes_a_new_file_and_overwrites_none(
    vault: Vault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(
        "device: {name: porch, place: {latitude: 1, longitude: 2}}\n"
        f"owners: [owner.card.yaml]\nstate_dir: {vault.state_dir.name}\n"
    )
    write(vault)
    export = ["ledger", "export", "--config", str(config), "--html"]
    assert cli.main([*export, str(tmp_path / "ledger.html")]) == 0
    capsys.readouterr()
    assert cli.main(export) == 0
    printed = capsys.readouterr().out
    written = (tmp_path / "ledger.html").read_text("utf-8")
    assert [line for line in written.splitlines() if "was made" not in line] == [
        line for line in printed.splitlines() if "was made" not in line
    ]
    assert "Ledger of the camera porch" in Reader(written).text
    assert cli.main([*export, str(tmp_path / "ledger.html")]) == 1
    assert "cannot be written (File exists)" in capsys.readouterr().err
