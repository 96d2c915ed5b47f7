"""The owner's sentences, and their translations: ``python -m tests.catalogue`` updates ``es.po``.

Sentences are the literal arguments of ``_``, ``ngettext`` and ``plural`` in ``agent/owner`` and in
the console's templates. New ones are added to the catalogue without a translation, and those that
no longer stand anywhere are removed. ``tests/owner/console/test_languages.py`` asks for the rest.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polib

from agent.owner.console import context
from agent.vault.records.events import Event
from tests.peers.requirements import ROOT

OWNER: Final = ROOT / "agent/owner"
SPANISH: Final = OWNER / "console/locale/es.po"
_FUNCTIONS: Final = {"_": 1, "gettext": 1, "ngettext": 2, "plural": 2}
Sentence = tuple[str, ...]  # singular, or singular and plural


def sentences() -> dict[Sentence, list[str]]:
    """Each sentence, and the files in which it stands."""
    found: defaultdict[Sentence, list[str]] = defaultdict(list)
    for path in sorted(OWNER.rglob("*.py")):
        for one in in_python(path):
            found[one].append(str(path.relative_to(OWNER)))
    for path in sorted(OWNER.rglob("*.html")):
        for one in in_template(path.read_text()):
            found[one].append(str(path.relative_to(OWNER)))
    for event in Event:  # the ledger's sentences, which the console shows
        found[event.value,].append("vault/records/events.py")
    return found


def in_python(path: Path) -> Iterator[Sentence]:
    """The sentences of a module. AssertionError for one that is put together at run time."""
    if path.name == "words.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if (count := _FUNCTIONS.get(name)) is None:
            continue
        words = tuple(one.value for one in node.args[:count] if isinstance(one, ast.Constant))
        place = f"{path.relative_to(ROOT)}:{node.lineno}"
        assert len(words) == count, f"{place}: {name}() takes literal sentences"
        yield tuple(map(str, words))


def in_template(text: str) -> Iterator[Sentence]:
    """The sentences of a template."""
    for _, name, words in context._TEMPLATES.extract_translations(text):  # type: ignore[attr-defined]
        parts = words if isinstance(words, tuple) else (words,)
        yield tuple(one for one in parts if one is not None)[: _FUNCTIONS[name]]


def placeholders(text: str) -> set[str]:
    """Parts that are filled in: ``%(name)s`` and ``{name}``."""
    return set(re.findall(r"%\(\w+\)[sd]|\{\w*(?:![rs])?(?::[^}]*)?\}", text))


def key_of(entry: polib.POEntry) -> Sentence:
    """The sentence that an entry translates."""
    return (entry.msgid, entry.msgid_plural) if entry.msgid_plural else (entry.msgid,)


def update(path: Path) -> polib.POFile:
    """The catalogue with the sentences of today, in their order; written to ``path``."""
    known = polib.pofile(str(path)) if path.exists() else polib.POFile()
    translated = {key_of(entry): entry for entry in known}
    made = polib.POFile(wrapwidth=98)
    made.metadata = {
        "Language": "es",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": "nplurals=2; plural=(n != 1);",
    }
    for sentence, files in sorted(sentences().items()):
        entry = translated.get(sentence) or polib.POEntry(
            msgid=sentence[0],
            msgid_plural=sentence[1] if len(sentence) > 1 else "",
            msgstr_plural={0: "", 1: ""} if len(sentence) > 1 else {},
        )
        entry.occurrences = [(name, "") for name in dict.fromkeys(files)]
        made.append(entry)
    path.parent.mkdir(exist_ok=True)
    made.save(str(path))
    return made


if __name__ == "__main__":
    missing = [entry.msgid for entry in update(SPANISH) if not entry.translated()]
    sys.stdout.write("".join(f"not translated: {one}\n" for one in missing))
    sys.exit(1 if missing else 0)
