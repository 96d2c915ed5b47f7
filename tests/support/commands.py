"""The command line in the test's own process, which spares a start of Python.

>>> done = typed("owner", "init", "--home", tmp_path, environment={"CLIP_AGENT_PASSPHRASE": "..."})
>>> done.returncode, done.stdout, done.stderr
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from agent.cli import main as cli
from tests.support.quick_keys import quick_passphrases


def typed(
    *arguments: str | Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``clip-agent`` with ``arguments``; ``environment`` is added to this process's."""
    command = list(map(str, arguments))
    with (
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
        patch.dict(os.environ, environment),
        quick_passphrases(),
    ):
        code = cli.main(command)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())
