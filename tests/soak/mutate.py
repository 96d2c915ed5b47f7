"""Mutation testing of ``agent/consent``: does a test notice each change?

    make mutate                                # all of agent/consent, some 20 minutes
    make mutate MODULES="decisions policy"     # these alone

mutmut changes the functions of each module one piece at a time (a comparison, a number, an
argument, a word) and runs the tests that reach the function; a change that no test notices
**survives**. At most 5 % may, and each is explained in ``survivors.md``, which quotes the
changed line; anything else fails the run.

Not changed: sentences for people (texts with a space), which no test should pin;
``tests/consent/conftest.py`` checks that every refusal has one. mutmut leaves out code outside of
functions, and decorated functions (properties).

It works on a copy in ``.cache/mutate``, so the tree can be edited meanwhile.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mutmut.mutation import diff_apply, mutators
from mutmut.mutation.data import SourceFileMutationData
from mutmut.stats import status_by_exit_code

from tests.peers.requirements import ROOT

CONSENT: Final = Path("agent/consent")
SURVIVORS: Final = Path(__file__).with_name("survivors.md")
MOST_SURVIVING: Final = 0.05
_COPIED: Final = ("agent", "tests", "config", "docs", "pyproject.toml", "setup.cfg")
_FOUND_OUT: Final = {"killed", "timeout", "segfault"}
_PROCESSES: Final = 2


@dataclass(frozen=True)
class Mutant:
    """One change and its result."""

    module: str  # below agent/consent
    name: str
    status: str
    diff: str  # of its function, unified

    @property
    def survived(self) -> bool:
        """True if no test noticed it."""
        return self.status not in _FOUND_OUT

    @property
    def line(self) -> str:
        """The changed line, as ``survivors.md`` quotes it."""
        return "\n".join(line for line in self.diff.splitlines()[3:] if line[0] in "-+")


def prepare(folder: Path, modules: list[str]) -> None:
    """A fresh copy of the tree in ``folder``, and mutmut's settings for ``modules``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(folder / "setup.cfg")
    settings["mutmut"] = {
        "source_paths": "agent",
        "only_mutate": "\n".join(_pattern(name) for name in modules) or f"{CONSENT}/*",
        "pytest_add_cli_args_test_selection": "tests/consent",
        # The same examples for every mutant; the limit on a test's time is mutmut's.
        "pytest_add_cli_args": "--hypothesis-seed=0\n-p\nno:cacheprovider\n-o\ntimeout=0",
    }
    with (folder / "setup.cfg").open("w") as file:
        settings.write(file)


def _pattern(module: str) -> str:
    path = CONSENT / module
    if (ROOT / path).is_dir():
        return f"{path}/*"
    if not (ROOT / path).with_suffix(".py").is_file():
        sys.exit(f"there is no module {module} in {CONSENT}")
    return f"{path}.py"


def leave_sentences_alone() -> None:
    """Let mutmut change words that programs read, not sentences for people."""
    change = mutators.operator_string

    def change_words(node: Any) -> Iterator[Any]:
        if " " not in getattr(node, "value", ""):
            yield from change(node)

    operators: Any = mutators.mutation_operators
    operators[:] = [(kind, change_words if one is change else one) for kind, one in operators]


def results(modules: list[str]) -> list[Mutant]:
    """The result of each mutant; the working folder is the copy."""
    found = []
    for path in sorted(CONSENT.rglob("*.py")):
        module = str(path.relative_to(CONSENT).with_suffix(""))
        if modules and not any(module == one or module.startswith(f"{one}/") for one in modules):
            continue
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            status = status_by_exit_code[code]
            diff = "" if status in _FOUND_OUT else diff_apply.get_diff_for_mutant(name, path=path)
            found.append(Mutant(module, name, status, diff))
    return found


def report(mutants: list[Mutant]) -> int:
    """Print the counts, and every survivor that is not explained; the exit code."""
    explained = SURVIVORS.read_text("utf-8")
    for module in sorted({one.module for one in mutants}):
        of_module = [one for one in mutants if one.module == module]
        survived = sum(one.survived for one in of_module)
        print(f"{module:24}{len(of_module):6} mutants{survived:5} survived")
    statuses = Counter(one.status for one in mutants)
    survivors = [one for one in mutants if one.survived]
    share = len(survivors) / max(len(mutants), 1)
    print(f"all: {len(mutants)} mutants, {dict(statuses)}")
    print(f"survived: {len(survivors)}, {share:.1%} (at most {MOST_SURVIVING:.0%})")
    unexplained = [one for one in survivors if one.line not in explained]
    for one in unexplained:
        print(f"\nnot explained in {SURVIVORS.name}: {one.name} ({one.status})\n{one.line}")
    if not mutants or share > MOST_SURVIVING or unexplained:
        return 1
    print("each survivor is explained")
    return 0


def main(arguments: list[str]) -> int:
    """``[MODULE …]``, or inside the copy ``--run``, which is mutmut with our words."""
    if arguments == ["--run"]:
        from mutmut.__main__ import cli

        leave_sentences_alone()
        cli(["run", "--max-children", str(_PROCESSES)])
    folder = ROOT / ".cache" / "mutate"
    prepare(folder, arguments)
    log = None if sys.stdout.isatty() else (folder / "mutmut.log").open("wb")
    command = [sys.executable, "-m", "tests.soak.mutate", "--run"]
    done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False)
    if done.returncode:
        where = f", see {folder / 'mutmut.log'}" if log else ""
        sys.exit(f"mutmut could not run{where}")
    os.chdir(folder)
    return report(results(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
