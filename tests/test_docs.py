"""The documents against the code: what they name exists, what they show works."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from packaging.requirements import Requirement

from agent import config
from agent.config import EXAMPLE, Config
from agent.consent.cards import (
    Card,
    DeviceCard,
    OwnerCard,
    RequesterBook,
    RequesterCard,
    parse_card,
)
from tests.peers.requirements import ROOT, SHARED

CARDS: dict[str, type[Card]] = {
    "owner": OwnerCard,
    "device": DeviceCard,
    "requester": RequesterCard,
}


def tracked() -> list[Path]:
    """The files that git knows or would add; those that were deleted left out."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"]
    command.append("--exclude-standard")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


TRACKED = tracked()
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def readme() -> str:
    return (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def named_paths(text: str) -> set[str]:
    """What stands in backticks or link targets and begins like a path of this repository."""
    inline = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#\s]+)", inline)
    quoted = " ".join(re.findall(r"`([^`\n]+)`", inline)).split()
    tops = {path.name for path in ROOT.iterdir()} | {".."}
    named = {word.rstrip(".,;:") for word in quoted if word.split("/")[0] in tops and "/" in word}
    named |= {word for word in quoted if word in tops}
    return named | {link for link in links if not re.match(r"[a-z]+:", link)}


def exists(path: str, document: Path) -> bool:
    file, _, test = path.partition("::")
    for folder in (ROOT, document.parent):
        found = list(folder.glob(file)) if "*" in file else [folder / file]
        if found and found[0].exists():
            return f"def {test}(" in found[0].read_text() if test else True
    return file.startswith("../shared/") and not SHARED.exists()


@each_document
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    named = named_paths(document.read_text())
    assert {path for path in named if not exists(path, document)} == set()


def test_a_path_that_is_not_there_would_be_found() -> None:
    named = named_paths("See `agent/nowhere.py`, [this](docs/x.md) and `make test`; not <`a/b`>.")
    assert named == {"agent/nowhere.py", "docs/x.md"}
    assert not any(exists(path, ROOT / "README.md") for path in named)
    assert not exists("tests/test_docs.py::test_of_nothing", ROOT / "README.md")


def test_the_help_in_the_readme_is_what_the_program_prints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from agent.cli.main import build_parser

    monkeypatch.setenv("COLUMNS", "100")
    block = re.search(r"<!-- help -->\n+```\w*\n(.*?)```\n+<!-- /help -->", readme(), re.S)
    assert block is not None, "README.md has no help block between <!-- help --> and <!-- /help -->"
    assert block[1] == build_parser().format_help(), "COLUMNS=100 clip-agent --help"


@each_document
def test_the_commands_in_a_document_are_commands_of_the_program(document: Path) -> None:
    from agent.cli.main import build_parser

    for command in commands(document.read_text()):
        try:
            build_parser().parse_args(command)
        except SystemExit as exit_:
            assert exit_.code == 0, f"clip-agent {shlex.join(command)}"


def commands(text: str) -> list[list[str]]:
    """The arguments of each ``clip-agent …`` line in a shell block, up to a pipe or comment."""
    found = []
    for block in blocks(text, "(?:sh|shell|bash|console)"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and Path(words[0]).name == "clip-agent":
                ends = [i for i, word in enumerate(words) if word in ("|", ">", ">>", "&&", "&")]
                found.append(words[1 : min(ends, default=len(words))])
    return found


def test_the_installation_leaves_the_systems_numpy_in_force() -> None:
    """picamera2's own parts are built for it: a numpy 2 above Debian 12's breaks them."""
    (line,) = (line for line in readme().splitlines() if "'.[camera]'" in line)
    found = re.fullmatch(r"sudo \S+/pip install '\.\[camera\]' \$\((\S+/pip freeze \| .*)\)", line)
    assert found is not None
    listed = "msgspec==0.22.0\nnumpy==1.24.2\nnumpy-quaternion==1.0\n"
    keep = found[1].partition("| ")[2]
    done = subprocess.run(
        keep, shell=True, input=listed, capture_output=True, text=True, check=True
    )
    assert done.stdout == "numpy==1.24.2\n"


def test_the_numpy_of_each_supported_debian_will_do() -> None:
    """And so will the last OpenCV that takes numpy 1 (on 12), and one that takes 2 (on 13)."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.extras_require"]["camera"].split()
    wanted = {wanted.name: wanted.specifier for wanted in map(Requirement, lines)}
    assert {"1.24.2", "2.2.4"} <= set(wanted["numpy"].filter(["1.24.2", "2.2.4"]))
    opencv = ["4.11.0.86", "5.0.0.93"]
    assert list(wanted["opencv-python-headless"].filter(opencv)) == opencv


@each_document
def test_the_make_targets_in_a_document_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    text = document.read_text()
    named = re.findall(r"`make ([a-z]+)", text) + re.findall(r"^(?:\$ )?make ([a-z]+)", text, re.M)
    assert set(named) <= targets


@each_document
def test_the_yaml_in_a_document_loads(document: Path) -> None:
    for block in blocks(document.read_text(), "yaml"):
        plain = yaml.safe_load(block)
        if "role" in plain:
            parse_card(block, CARDS[plain["role"]], document.name)
        elif isinstance(plain.get("requesters"), list):
            config.parse_yaml(block, RequesterBook, document.name)
        else:  # a part of agent.yaml
            whole: dict[str, Any] = msgspec.to_builtins(EXAMPLE, enc_hook=str)
            config.parse_yaml(yaml.safe_dump({**whole, **plain}), Config, document.name)


@each_document
def test_the_json_in_a_document_is_json(document: Path) -> None:
    for block in blocks(document.read_text(), "json"):
        json.loads(block)


def test_the_changelog_ends_at_the_version_of_the_package() -> None:
    from agent import __version__

    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == __version__


# Written in halves, so that this file does not find itself.
LEFT_BEHIND = re.compile(
    "|".join(
        (
            r"\b(?:TO" + "DO|FIX" + "ME|XX" + r"X)\b",
            "<" * 7 + " |" + ">" * 7 + " ",
            r"(?<![\w.])/(?:wor" + "k|roo" + "t|hom" + r"e/(?!\$|<|pi\b)\w+)/",
            "/bash_" + "jobs",
            r"files\.python" + r"hosted\.org|registry\." + r"npmjs\.org",
        )
    )
)


def test_nothing_is_left_behind_in_the_files() -> None:
    found = []
    for path in TRACKED:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for match in LEFT_BEHIND.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match[0]}")
    assert found == []


def test_every_text_file_ends_with_a_newline_and_has_no_trailing_space() -> None:
    suffixes = {".py", ".md", ".yaml", ".cfg", ".toml", ".sql", ".conf", ".service", ".acl"}
    texts = {path: path.read_text() for path in TRACKED if path.suffix in suffixes}
    untidy = [
        str(path.relative_to(ROOT))
        for path, text in texts.items()
        if text and (not text.endswith("\n") or re.search(r"[ \t]$", text, re.M))
    ]
    assert untidy == []
