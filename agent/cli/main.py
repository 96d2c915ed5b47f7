"""The one command, ``clip-agent``: a group a role, and errors as messages.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 78 bad configuration
(``EX_CONFIG``; systemd then does not restart). Each role registers its commands by
dotted name in a ``commands.py`` that is light to import; only the chosen command's
module is imported, so the camera's process never carries the owner's libraries.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import __version__, config, options
from agent.cli import commands as device
from agent.cli.setup import options as setup
from agent.config import example as config_example
from agent.errors import ClipAgentError, ConfigError
from agent.host import journal
from agent.options import Commands
from agent.owner.terminal import commands as owner
from agent.requester.terminal import commands as requester

EXIT_FAILED = 1
EXIT_CONFIG = 78

_EXTRAS = {  # which extra brings a package that the base does not
    "amqtt": "demo",
    "cv2": "camera",
    "jinja2": "console",
    "matplotlib": "tune",
    "multipart": "console",
    "numpy": "camera",
    "polib": "console",
    "rich": "owner",
    "segno": "console",
    "starlette": "requester",
    "uvicorn": "requester",
}


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser: argparse.ArgumentParser = options.Parser(
        prog="clip-agent",
        description="A camera that records for its owner, and for nobody else.",
    )
    parser.add_argument("--version", action="version", version=f"clip-agent {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log details")
    groups = parser.add_subparsers(metavar="COMMAND", required=True)
    setup.register(groups)
    for name, function, text in (
        ("camera", "_camera", "the recording daemon: watches, and stores sealed clips"),
        ("gateway", "_gateway", "the network daemon: requests, decisions, releases"),
        (
            "check",
            "_check",
            "config, keys, camera, broker, clock, disk: a line each, and how to fix it",
        ),
    ):
        command = options.add_command(groups, name, f"{__name__}:{function}", text)
        device.add_config_option(command)
    device.register(groups)
    _register_tune(groups)
    _register_config(groups)
    owner.register(groups)
    requester.register(groups)
    _register_demo(groups)
    return parser


def _register_tune(groups: Commands) -> None:
    command = options.add_command(
        groups,
        "tune",
        f"{__name__}:_tune",
        "what the motion detector sees: an annotated video and a plot to look at",
    )
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the device's configuration (default {device.DEFAULT_CONFIG}; none is needed "
        "with --video)",
    )
    command.add_argument("--video", metavar="FILE", help="a video instead of the camera")
    command.add_argument(
        "--seconds",
        type=_positive,
        metavar="N",
        help="how long to look (default: 60 at the camera, all of a video)",
    )
    command.add_argument(
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where tune.mp4 and tune.png go (default: here)",
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def _register_config(groups: Commands) -> None:
    command = options.add_command(groups, "config", f"{__name__}:_config", "print a configuration")
    device.add_config_option(command)
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--example", action="store_true", help="every key, commented, with its default"
    )
    which.add_argument(
        "--effective", action="store_true", help="what the file comes to with all defaults"
    )


def _register_demo(groups: Commands) -> None:
    command = options.add_command(
        groups,
        "demo",
        f"{__name__}:_demo",
        "all roles on this machine, from a walker on a street to an opened clip",
    )
    command.add_argument("--video", metavar="FILE", help="a video instead of the drawn street")
    command.add_argument("--yes", action="store_true", help="let the demo's owner approve")
    command.add_argument("--keep", metavar="DIR", help="leave everything in DIR")


def _camera(arguments: argparse.Namespace) -> int:
    # numpy and OpenCV each start a thread with buffers for every core, for matrix products
    # that nothing here asks for. They read this when they are imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from agent.camera import app

    return app.run(config.load(arguments.config))


def _gateway(arguments: argparse.Namespace) -> int:
    from agent.gateway import app

    return app.run(config.load(arguments.config))


def _check(arguments: argparse.Namespace) -> int:
    from agent.cli import check

    return check.run(arguments.config)


def _tune(arguments: argparse.Namespace) -> int:
    from agent.camera.tune import run as tune

    return tune.run(
        config_file=arguments.config,
        default=device.DEFAULT_CONFIG,
        video=arguments.video,
        seconds=arguments.seconds,
        output=arguments.output,
    )


def _config(arguments: argparse.Namespace) -> int:
    if arguments.example:
        print(config_example.example(), end="")
    else:
        print(config.effective(config.load(arguments.config)), end="")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from agent.cli.demo import story

    return story.run(video=arguments.video, yes=arguments.yes, keep=arguments.keep)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack a requester's letters
            stream.reconfigure(errors="replace")
    try:
        try:
            return _run(build_parser().parse_args(argv))
        finally:
            sys.stdout.flush()  # here, where it can still be told what went wrong
    except BrokenPipeError:
        _drop_output()  # its reader went away (`| head`): nothing more can be said to it
        return EXIT_FAILED
    except OSError as error:
        _drop_output()
        what = f"{error.filename}: " if error.filename else ""
        _say(f"{what}{error.strerror or error}")
        return EXIT_FAILED


def _run(arguments: argparse.Namespace) -> int:
    _start_logging(verbose=arguments.verbose)
    try:
        return options.run(arguments)
    except ConfigError as error:
        _say(str(error))
        return EXIT_CONFIG
    except ClipAgentError as error:
        _say(str(error))
        return EXIT_FAILED
    except ModuleNotFoundError as error:
        _say(_missing(error))
        return EXIT_FAILED
    except (KeyboardInterrupt, EOFError):  # EOFError: the end of input instead of an answer
        _say("stopped")
        return 128 + 2


def _say(text: str) -> None:
    """Print why the command ends; in the journal as an error."""
    priority = "<3>" if journal.is_stderr() else ""
    print(f"{priority}clip-agent: {text}", file=sys.stderr)


def _missing(error: ModuleNotFoundError) -> str:
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    cure = f"clip-agent[{extra}]" if extra else "clip-agent"
    return f"the Python package {package!r} is not installed. Run pip install '{cure}'"


def _drop_output() -> None:
    """Discard output that is still buffered, so that Python can end without an error."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _start_logging(*, verbose: bool) -> None:
    """To the journal if stderr leads there, which keeps times and levels of its own."""
    handler: logging.Handler
    if journal.is_stderr():
        handler = journal.JournalHandler()
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(journal.OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
