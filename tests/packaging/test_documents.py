"""The manual page and the completion say what the command line says."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.requirements import ROOT, missing

COMMANDS = ("setup", "check", "status", "ledger verify", "owner inbox", "requester post")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        import argparse_manpage  # noqa: F401
        import shtab  # noqa: F401
    except ModuleNotFoundError as error:
        missing(f"{error.name} is not installed", "make .venv/package")
    folder = tmp_path_factory.mktemp("documents")
    subprocess.run(
        [sys.executable, str(ROOT / "packaging/documents"), str(folder)],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000"},
        check=True,
    )
    return folder


def test_the_page_names_every_command_and_nobodys_home(documents: Path) -> None:
    page = gzip.decompress((documents / "man/clip-agent.1.gz").read_bytes()).decode()
    plain = page.replace("\\-", "-").replace("\\fR", "").replace("\\fI\\,", "")
    assert "2001-09-09" in plain
    for command in COMMANDS:
        assert f"clip-agent {command}" in plain
    assert str(Path.home()) not in plain
    assert "~/.config/clip-agent/owner" in plain


def complete(documents: Path, *words: str) -> set[str]:
    """Words that bash offers for the last of ``words``."""
    script = f"""
        source {documents}/completion
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
        COMP_CWORD={len(words) - 1}
        function=$(complete -p clip-agent | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        $function clip-agent '{words[-1]}' '{words[-2]}' && printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return set(re.findall(r"\S+", done.stdout))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("clip-agent", "st"), {"status"}),
        (("clip-agent", "ledger", ""), {"show", "verify", "export"}),
        (("clip-agent", "setup", "--dr"), {"--dry-run"}),
    ],
)
def test_bash_completes_commands_and_options(
    documents: Path, words: tuple[str, ...], offered: set[str]
) -> None:
    assert complete(documents, *words) >= offered
