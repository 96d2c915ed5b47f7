"""A program of the owner's, run without a shell, with the message as its last argument."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Final

from agent.errors import ConfigError, EnvironmentFault
from agent.keyfile import PASSPHRASE_VARIABLE
from agent.owner.watch.household import Message

_SECONDS: Final = 60.0


class Command:
    """Runs ``words``, then the text; details are in the environment."""

    name = "exec"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)

    def tell(self, message: Message) -> None:
        """See :class:`~agent.owner.watch.channels.channel.Channel`."""
        run([*self._words, str(message)], _environment(message))


def parse(line: str) -> Command:
    """The command in ``line``, split as a shell does; ConfigError if there is no such program."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"--exec {line}: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise ConfigError(f"--exec {line}: there is no such program")
    return Command(words)


def run(words: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Run a program to its end, at most a minute; raises EnvironmentFault if it fails."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the owner's own program, and no shell
            words, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
        )
    except OSError as error:
        raise EnvironmentFault(f"{words[0]} cannot be run ({error.strerror})") from error
    try:
        code = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise EnvironmentFault(f"{words[0]} did not end within {_SECONDS:g} s") from None
    if code:
        raise EnvironmentFault(f"{words[0]} ended with exit code {code}")


def _environment(message: Message) -> dict[str, str]:
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PASSPHRASE_VARIABLE)
    }
    return ours | {
        "CLIP_AGENT_CAMERA": message.device,
        "CLIP_AGENT_KIND": message.kind,
        "CLIP_AGENT_URGENT": "1" if message.urgent else "0",
        "CLIP_AGENT_UNTIL": "" if message.until is None else str(message.until),
    }
