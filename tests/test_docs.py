"""The documents match the code: paths, links, commands, examples and printed parts."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
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
from agent.consent.statements import Redactions
from tests import printed
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


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.M | re.S)


def outside_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)


def named_paths(text: str) -> set[str]:
    """Paths of this repository in backticks and link targets."""
    inline = outside_blocks(text)
    links = re.findall(r"\]\(([^)#\s]+)", inline)
    quoted = " ".join(re.findall(r"`([^`\n]+)`", inline)).split()
    tops = {path.name for path in ROOT.iterdir()} | {".."}
    named = {word.rstrip(".,;:") for word in quoted if word.split("/")[0] in tops and "/" in word}
    named |= {word for word in quoted if word in tops}
    return named | {link for link in links if not re.match(r"[a-z]+:", link)}


def exists(path: str, document: Path) -> bool:
    """Find a path, or ``FILE::name`` and ``FILE::Class.name`` in a Python file."""
    file, _, name = path.partition("::")
    for folder in (ROOT, document.parent):
        found = list(folder.glob(file)) if "*" in file else [folder / file]
        if found and found[0].exists():
            return not name or name in defined(ast.parse(found[0].read_text()).body)
    return file.startswith("../shared/") and not SHARED.exists()


def defined(body: Sequence[ast.AST], prefix: str = "") -> Iterator[str]:
    """Names of the functions and classes in a module, methods as ``Class.name``."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from defined(node.body, f"{prefix}{node.name}.")


@each_document
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    named = named_paths(document.read_text())
    assert {path for path in named if not exists(path, document)} == set()


def test_a_path_that_is_not_there_would_be_found() -> None:
    named = named_paths("See `agent/nowhere.py`, [this](docs/x.md) and `make test`; not <`a/b`>.")
    assert named == {"agent/nowhere.py", "docs/x.md"}
    assert not any(exists(path, ROOT / "README.md") for path in named)
    assert not exists("tests/test_docs.py::test_of_nothing", ROOT / "README.md")
    assert exists("agent/config/__init__.py::Config", ROOT / "README.md")


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", outside_blocks(document.read_text()), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@each_document
def test_every_anchor_that_a_document_links_to_exists(document: Path) -> None:
    text = outside_blocks(document.read_text())
    for file, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", text):
        target = document.parent / file if file else document
        assert anchor in anchors(target), f"{file}#{anchor}"


def test_the_code_cites_no_document_that_is_not_there() -> None:
    """Sources cite files of this repository only, and none that was removed."""
    left = re.compile(r"\.\./shared|\bDESIGN\b|\bSTYLE\.md|\bDECISIONS?\.?(md)? ?\d|THREATS")
    cited = re.compile(r"\bdocs/[\w./-]*\w")
    for path in TRACKED:
        if path in (Path(__file__), *DOCUMENTS) or path.suffix in (".age", ".bin"):
            continue
        text = path.read_text(errors="replace")
        assert {name for name in cited.findall(text) if not (ROOT / name).exists()} == set(), path
        if path.is_relative_to(ROOT / "agent"):
            assert not left.search(text), path


def test_the_index_of_decisions_lists_every_file_with_its_status() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text()
    rows = re.findall(r"^\| \[(.+)\]\((.+)\) \| (.+) \|$", index, re.M)
    files = {}
    for path in sorted(folder.glob("*.md")):
        head = re.match(r"# (.+)\n\nStatus: (.+)\n", path.read_text())
        if path.name != "README.md":
            assert head is not None, f"{path.name} does not begin with a title and a status"
            assert re.match(r"accepted|replaced by \[", head[2])
            files[path.name] = (head[1], head[2])
    assert {name: (title, status) for title, name, status in rows} == files


def test_every_promise_in_the_threats_names_its_test() -> None:
    text = (ROOT / "docs/threats.md").read_text()
    rows = re.findall(r"^\| (?:all|\d(?:, \d)*): .+ \| (.+) \| (.+) \|$", text, re.M)
    assert len(rows) >= 10
    for where, test in rows:
        assert re.match(r"`(agent|systemd)/", where)
        assert re.match(r"`tests/", test)


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 70


@pytest.mark.parametrize("part", printed.PARTS)
def test_a_printed_part_is_what_the_code_prints(part: str) -> None:
    path, now, expected = printed.compare(part)
    assert now == expected, f"{path}: run python -m tests.printed"


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
    page = (ROOT / "docs/install.md").read_text()
    line, *others = (line for line in page.splitlines() if "'.[camera]'" in line)
    assert {line, *others} == {line}
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
        if isinstance(plain, list):
            assert config.parse_yaml(block, Redactions, document.name)
        elif "role" in plain:
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
