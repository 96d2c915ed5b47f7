"""Servers for tests from the npm registry: installed once, at the versions of a lock file.

A source folder holds ``package.json``, ``package-lock.json`` and the ``.mjs`` files that run
them. It is copied to ``.cache/`` under the repository, which git ignores.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.peers.requirements import ROOT, missing, need, program

_NPM_SECONDS = 110


def install(source: Path) -> Path:
    """The folder with the packages of ``source`` installed; they are fetched on first use."""
    need("node", "npm")
    names = ("package.json", "package-lock.json")
    contents = b"".join((source / name).read_bytes() for name in names)
    digest = hashlib.sha256(contents).hexdigest()[:12]
    folder = ROOT / ".cache" / f"{source.name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers start at the same time
        if not (folder / "installed").exists():
            for name in names:
                shutil.copyfile(source / name, folder / name)
            _npm_ci(folder)
            (folder / "installed").touch()
        for script in source.glob("*.mjs"):
            copy = folder / script.name
            if not copy.exists() or copy.read_bytes() != script.read_bytes():
                shutil.copyfile(script, copy)
    return folder


def _npm_ci(folder: Path) -> None:
    options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            [program("npm"), "ci", *options],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_NPM_SECONDS,
        )
    except subprocess.TimeoutExpired:
        missing(f"{folder.name} could not be installed in time", "run the tests with a network")
    if done.returncode != 0:
        missing(
            f"{folder.name} could not be installed ({done.stderr.strip().splitlines()[-1:]})",
            "run the tests once with access to the npm registry",
        )
