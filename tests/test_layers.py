"""Layers: the permitted imports of `docs/ARCHITECTURE.md`, read from the source itself.

``ROOMS`` is the table: a room imports itself and what its line names. What is not in the
table, or not on a line, fails, be it upward, a sibling, or new and unlisted.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from tests.peers.requirements import ROOT

ROOMS = {
    "": "",  # agent/__init__.py
    "errors": "",
    "clock": "errors",
    "backoff": "",
    "files": "errors",
    "new_files": "errors files",
    "sealed_spool": "errors files",
    "config": "errors",
    "host": "clock",
    "options": "errors config",
    "tls": "errors",
    "mqtt": "errors config tls backoff",
    "consent": "errors clock config",
    "keyfile": "errors clock config files consent",
    "parties": "errors config consent",
    "release_text": "consent",
    "pairing": "errors config consent mqtt",
    "vault": "errors clock config host files new_files consent",
    "media": "errors consent",
    "camera": "errors clock config host files backoff consent parties media vault",
    "gateway": "errors clock config mqtt host tls files new_files sealed_spool backoff consent"
    " parties media vault release_text",
    "owner": "errors clock config mqtt host options tls files new_files backoff consent media vault"
    " keyfile release_text pairing",
    "requester": "errors clock config mqtt options files consent media vault keyfile release_text",
    "cli": "errors clock config mqtt tls host options files consent vault parties keyfile pairing"
    " camera gateway owner requester",
    "__main__": "cli",
}
# Modules that import where a camera board's own libraries are, and nowhere else.
BOARD = tuple(f"agent.camera.sources.pi.{part}" for part in ("camera", "controls", "threads"))
# Libraries that only these modules, or what lies below them, may import.
KEEPERS = {
    "paho": ("agent.mqtt.connection",),
    "cv2": ("agent.camera", "agent.media.faces.detector"),
    "matplotlib": ("agent.camera.tune.plot",),
    "picamera2": BOARD,
    "libcamera": BOARD,
    "amqtt": ("agent.cli.demo",),
    "urllib3": ("agent.gateway", "agent.owner.watch.channels.ntfy"),
    "rich": ("agent.owner", "agent.requester"),
    "spake2": ("agent.pairing.channel",),
    "starlette": ("agent.owner.console", "agent.requester"),
    "uvicorn": ("agent.owner.console", "agent.requester"),
    "jinja2": ("agent.owner.console",),
    "webauthn": ("agent.owner.passkeys.webauthn_rules",),
}
# All that the room which decides may use: nothing here reads, writes, waits or talks.
CONSENT_USES = """
    __future__ base64 bisect collections cryptography dataclasses decimal enum fractions functools
    geographiclib hashlib hmac ipaddress itertools json math msgspec pyrage re string types
    typing unicodedata urllib.parse yaml
"""
# What the process that sees must not be able to do by itself.
TALKS = {"socket", "socketserver", "ssl", "http", "urllib.request", "urllib3", "asyncio"}
# But for one module, which logs in at a network camera where FFmpeg cannot.
LOGS_IN = "agent.camera.sources.network.rtsp.conversation"

MOST_MODULES = 14  # in a folder
MOST_LINES = 350
QUESTIONS = {"What", "Whether", "How", "Where", "Which"}
MOST_RIDDLES = 5  # docstrings of modules and classes that open with one of them

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "agent").rglob("*.py"))
}


def named(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Dotted names that a statement imports; relative ones as ``.``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        name = "." * node.level + (node.module or "")
        inner = [f"{name}.{alias.name}" for alias in node.names]
        yield from (name if dotted not in MODULES else dotted for dotted in inner)


def imports(module: str) -> Iterator[str]:
    """Dotted names that ``module`` imports, also inside functions."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from named(node)
        elif isinstance(node, ast.Attribute) and node.attr == "import_module":
            yield ".import_module"
        elif isinstance(node, ast.Name) and node.id in ("__import__", "import_module"):
            yield f".{node.id}"


def room(dotted: str) -> str:
    return [*dotted.split("."), ""][1]


def within(dotted: str, names: tuple[str, ...]) -> bool:
    return any(dotted == name or dotted.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downward_only(module: str) -> None:
    assert room(module) in ROOMS, "a room that the table does not know"
    allowed = {"", room(module), *ROOMS[room(module)].split()}
    for name in imports(module):
        assert not name.startswith("."), "imports are absolute and visible"
        top = name.split(".")[0]
        if top == "agent":
            assert room(name) in allowed, name
        elif room(module) == "consent":
            assert {top, name} & set(CONSENT_USES.split()), name
        assert within(module, KEEPERS.get(top, ("agent",))), name
        if room(module) == "camera" and module != LOGS_IN:
            assert not {top, name} & TALKS, name


def test_the_table_itself_runs_downward_and_keeps_the_roles_apart() -> None:
    known: set[str] = set()
    for name, allowed in ROOMS.items():
        assert set(allowed.split()) <= known, name
        known.add(name)
    roles = {"camera", "gateway", "owner", "requester"}
    assert not any(roles & set(ROOMS[role].split()) for role in roles)


def test_no_module_imports_itself_by_a_detour() -> None:
    """Only imports that run when the module loads count: the others come later, on purpose."""
    reached = {
        module: {
            name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in named(node)
            if name in MODULES
        }
        for module, path in MODULES.items()
    }
    order = TopologicalSorter({module: names - {module} for module, names in reached.items()})
    order.prepare()  # CycleError names the modules of a cycle


def test_no_folder_is_crowded_and_no_module_is_long() -> None:
    folders = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES} == {}
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    """The bound only falls."""
    riddles = [
        f"{name}: {text.splitlines()[0]}"
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Module | ast.ClassDef)
        if (text := ast.get_docstring(node)) and text.split()[0] in QUESTIONS
    ]
    assert len(riddles) <= MOST_RIDDLES, "\n".join(riddles)


ISOLATED = """
import importlib, sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Wall())
for name in {modules!r}:
    importlib.import_module(name)
print("imported", len({modules!r}))
"""


@pytest.mark.parametrize(
    ("blocked", "without"),
    [
        ({"picamera2", "libcamera"}, ()),
        (
            {"cv2", "picamera2", "libcamera", "numpy"},
            ("agent.camera", "agent.media.faces", "agent.cli.demo"),
        ),
        ({"amqtt"}, ("agent.cli.demo",)),
        ({"matplotlib"}, ("agent.camera.tune.run", "agent.camera.tune.plot")),
        (
            {"rich", "starlette", "uvicorn", "webauthn"},
            ("agent.owner", "agent.requester", "agent.cli.demo"),
        ),
    ],
)
def test_a_missing_extra_costs_only_the_rooms_that_own_it(
    blocked: set[str], without: tuple[str, ...]
) -> None:
    left_out = (*BOARD, *without, "agent.__main__")
    modules = [name for name in MODULES if not within(name, left_out)]
    script = ISOLATED.format(blocked=blocked, modules=modules)
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=280
    )
    assert (done.stdout, done.stderr) == (f"imported {len(modules)}\n", "")
