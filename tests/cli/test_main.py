"""The command line: what it takes, how it ends, and one line for whatever is wrong."""

from __future__ import annotations

import argparse
import logging
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import __version__, config
from agent.cli import main as cli
from agent.consent import signing
from agent.gateway.device_keys import card_of, load_or_create
from agent.host import journal
from agent.keyfile import PASSPHRASE_VARIABLE
from agent.vault.database.gateway import GatewayDatabase
from tests.peers.requirements import ROOT

MINIMAL = """\
device: {name: porch, place: {latitude: 1, longitude: 2}}
owners: [owner.card.yaml]
requesters: requesters.yaml
state_dir: state
"""
# Everything that reads the device's configuration.
DEVICE_COMMANDS = (
    ["camera"], ["gateway"], ["check"], ["status"], ["clips"], ["requests"], ["reindex"],
    ["restored"],
    ["ledger", "show"], ["ledger", "verify"], ["ledger", "export"], ["config", "--effective"],
)  # fmt: skip
# A complete call of every command that needs more than its name.
NEEDED: dict[tuple[str, ...], list[str]] = {
    ("owner", "look"): ["front-door", "--output", "look.jpg"],
    ("config",): ["--example"],
    ("owner", "init"): ["--name", "Olive", "--broker", "b.example"],
    ("owner", "pair"): ["417-062-913"],
    ("owner", "find-faces"): ["1"],
    ("owner", "recover"): ["recovery.txt"],
    ("owner", "show"): ["abc"],
    ("owner", "preview"): ["20240124-183015-3f9a2c"],
    ("owner", "save"): ["20240124-183015-3f9a2c"],
    ("owner", "approve"): ["abc", "1"],
    ("owner", "decline"): ["abc"],
    ("owner", "revoke"): ["abc"],
    ("owner", "delete"): ["1"],
    ("owner", "keep"): ["1"],
    ("owner", "mute"): ["abc"],
    ("owner", "unmute"): ["abc"],
    ("requester", "init"): ["--name", "Police", "--broker", "b.example"],
    ("requester", "alert"): ["alert.yaml"],
    ("requester", "withdraw"): ["abc"],
    ("requester", "log"): ["log"],
    ("requester", "post"): ["request.yaml"],
    ("requester", "receive"): ["--dir", "received"],
    ("requester", "intake"): ["bundle.age", "--dir", "received"],
    ("requester", "open"): ["bundle.age"],
}
each_device_command = pytest.mark.parametrize("command", DEVICE_COMMANDS, ids=" ".join)


def run(
    *arguments: str | Path, expected: int, environment: dict[str, str] | None = None
) -> tuple[str, str]:
    """The command as a process of its own: what it says on stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "agent", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int) -> str:
    """The one line on stderr of a command, run in this process, that cannot be done."""
    assert cli.main([str(argument) for argument in arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("clip-agent: ")
    return line


def commands(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The names of all commands that do something."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield path
    for group in groups:
        for name, command in group.choices.items():
            yield from commands(command, (*path, name))


def written(tmp_path: Path, text: str = MINIMAL) -> Path:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return path


class TestUsage:
    @pytest.mark.parametrize("path", list(commands(cli.build_parser())), ids=" ".join)
    def test_every_command_parses_and_has_a_function(self, path: tuple[str, ...]) -> None:
        arguments = cli.build_parser().parse_args([*path, *NEEDED.get(path, [])])
        assert callable(pkgutil.resolve_name(arguments.run))

    @pytest.mark.parametrize("path", list(commands(cli.build_parser())), ids=" ".join)
    def test_every_command_says_what_it_does(
        self, path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            cli.main([*path, "--help"])
        assert ended.value.code == 0
        usage, *rest = capsys.readouterr().out.split("\n\n")
        assert usage.startswith("usage: ")
        assert rest[0].strip()

    @pytest.mark.parametrize(
        "arguments",
        [[], ["nonsense"], ["ledger"], ["config"], ["config", "--example", "--effective"],
         ["owner", "approve"], ["status", "--nonsense"]],
        ids=" ".join,
    )  # fmt: skip
    def test_wrong_usage_ends_with_2(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("usage: clip-agent")

    @pytest.mark.parametrize("command", ["mute", "unmute"])
    def test_a_fingerprint_that_begins_with_a_hyphen_is_no_option(self, command: str) -> None:
        thumbprint = "-PcGV_PvlTfNkCol-haTqh8Cg171vy_MnxoKZ7QlOe4"  # one in 64 is like this
        assert len(thumbprint) == len(signing.SigningKey.generate().public.fingerprint)
        for fingerprint in (thumbprint, "-" + thumbprint[:-1]):
            for words in ([fingerprint, "--wait", "1"], ["--wait", "1", fingerprint]):
                arguments = cli.build_parser().parse_args(["owner", command, *words])
                assert (arguments.requester, arguments.wait) == (fingerprint, 1)

    @pytest.mark.parametrize("word", ["-PcGV", "--requester", "-" * 42])
    def test_other_words_with_a_hyphen_are_options_that_there_are_not(
        self, word: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            cli.main(["owner", "mute", word])
        assert ended.value.code == 2
        assert "are required: requester" in capsys.readouterr().err

    def test_help_is_quick_and_imports_no_heavy_library(self) -> None:
        heavy = {"agent.owner.client", "av", "cryptography", "cv2", "paho", "pyrage", "rich"}
        code = (
            "import sys\nfrom agent.cli.main import build_parser\n"
            "build_parser().format_help()\nprint(*sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert not heavy & set(done.stdout.split())

    def test_the_version_is_that_of_the_package(self) -> None:
        out, _ = run("--version", expected=0)
        assert out == f"clip-agent {__version__}\n"


class TestConfiguration:
    @each_device_command
    @pytest.mark.parametrize(
        ("text", "key"),
        [
            (MINIMAL + "mqtt: {port: 70000}\n", "mqtt.port: "),
            (MINIMAL + "mqtt: {prot: 1883}\n", "mqtt.prot: unknown key"),
            (MINIMAL + "owners: [other.yaml]\n", "line 5: the key 'owners' is given twice"),
            ("owners: [owner.card.yaml]\n", "device: missing key"),
            ("device: [\n", "line 2: "),
        ],
    )
    def test_a_wrong_one_ends_with_78_and_names_the_key(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        command: list[str],
        text: str,
        key: str,
    ) -> None:
        path = written(tmp_path, text)
        line = refusal(capsys, *command, "--config", path, code=78)
        assert re.match(rf"clip-agent: {re.escape(str(path))}[:,] {re.escape(key)}", line)
        assert [entry.name for entry in tmp_path.iterdir()] == ["agent.yaml"]

    @each_device_command
    def test_one_that_cannot_be_read_ends_with_78(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
    ) -> None:
        for path, why in (
            (tmp_path / "nowhere.yaml", "No such file"),
            (tmp_path, "Is a directory"),
            (tmp_path / ("x" * 300), "File name too long"),
        ):
            line = refusal(capsys, *command, "--config", path, code=78)
            assert f"{path}: cannot be read ({why}" in line

    @pytest.mark.parametrize("daemon", ["camera", "gateway"])
    def test_an_owner_without_a_card_ends_a_daemon_with_78(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], daemon: str
    ) -> None:
        line = refusal(capsys, daemon, "--config", written(tmp_path), code=78)
        assert f"{tmp_path / 'owner.card.yaml'}: cannot be read" in line

    def test_the_effective_one_loads_again_to_the_same(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path, MINIMAL + "feed: {broker: {host: feed.example, tls: {}}}\n")
        assert cli.main(["config", "--effective", "--config", str(path)]) == 0
        printed = capsys.readouterr().out
        again = tmp_path / "elsewhere.yaml"
        again.write_text(printed)
        assert config.load(again) == config.load(path)
        assert cli.main(["config", "--effective", "--config", str(again)]) == 0
        assert capsys.readouterr().out == printed


class TestStateFolder:
    @pytest.mark.parametrize(
        "command", [*DEVICE_COMMANDS[3:-1]], ids=" ".join
    )  # fmt: skip
    @pytest.mark.parametrize(
        ("state_dir", "why"),
        [
            ("agent.yaml", "Not a directory|there is no such file"),  # a file in the way
            ("agent.yaml/below", "Not a directory|there is no such file"),
            ("x" * 300, "File name too long"),
        ],
        ids=["a file", "below a file", "too long a name"],
    )
    def test_one_that_cannot_be_used_is_one_line(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        command: list[str],
        state_dir: str,
        why: str,
    ) -> None:
        path = written(tmp_path, MINIMAL.replace("state_dir: state", f"state_dir: {state_dir}"))
        line = refusal(capsys, *command, "--config", path, code=1)
        assert re.search(rf"{re.escape(str(tmp_path / state_dir))}.*: ({why})", line)

    def test_an_index_that_is_not_ours_is_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "state" / "camera").mkdir(parents=True)
        (tmp_path / "state" / "camera" / "index.sqlite").write_bytes(b"something else " * 100)
        line = refusal(capsys, "status", "--config", written(tmp_path), code=1)
        assert "index.sqlite: file is not a database" in line

    def test_an_index_damaged_in_the_middle_is_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path)
        assert cli.main(["reindex", "--config", str(path)]) == 0
        capsys.readouterr()
        records = tmp_path / "state" / "gateway" / "gateway.sqlite"
        GatewayDatabase.open(records).close()
        whole = bytearray(records.read_bytes())
        whole[4096:] = b"\xa5" * (len(whole) - 4096)  # all but the page with the schema
        records.write_bytes(whole)
        for command in (["status"], ["requests"], ["ledger", "verify"], ["ledger", "export"]):
            assert "malformed" in refusal(capsys, *command, "--config", path, code=1)


class TestFailures:
    def test_a_wrong_passphrase_is_one_line(self, tmp_path: Path) -> None:
        home, right = tmp_path / "owner", {PASSPHRASE_VARIABLE: "correct horse battery"}
        run("owner", "init", "--home", home, "--name", "Olive", "--broker", "127.0.0.1:1",
            expected=0, environment=right)  # fmt: skip
        load_or_create(tmp_path / "state", name="front-door")
        run("owner", "card", "--home", home, "--add", card_of(tmp_path / "state"), expected=0)
        wrong = {PASSPHRASE_VARIABLE: "wrong horse battery"}
        out, err = run("owner", "inbox", "--home", home, expected=1, environment=wrong)
        assert out == ""
        assert err.startswith(f"clip-agent: {home}/owner.age: wrong passphrase, or the file is")
        assert "CLIP_AGENT_PASSPHRASE" in err and err.count("\n") == 1

    @pytest.mark.parametrize(
        ("package", "extra", "arguments"),
        [
            ("cv2", "camera", ["camera", "--config", "agent.yaml"]),
            ("rich", "owner", ["owner", "inbox"]),
            ("starlette", "requester", ["requester", "receive", "--dir", "received"]),
            ("starlette", "requester", ["demo", "--yes"]),
        ],
    )
    def test_a_missing_extra_is_a_sentence_that_names_it(
        self, tmp_path: Path, package: str, extra: str, arguments: list[str]
    ) -> None:
        written(tmp_path)
        without = (
            f"import sys; sys.modules[{package!r}] = None\n"
            "from agent.cli.main import main\n"
            "sys.exit(main(sys.argv[1:]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", without, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 1
        assert done.stderr == (
            f"clip-agent: the Python package {package!r} is not installed. "
            f"Run pip install 'clip-agent[{extra}]'\n"
        )

    @pytest.mark.parametrize("keep", ["agent.yaml", "agent.yaml/below", "."])
    def test_a_demo_does_not_play_where_something_is(self, tmp_path: Path, keep: str) -> None:
        written(tmp_path)
        out, err = run("demo", "--yes", "--keep", tmp_path / keep, expected=1)
        assert out == ""
        assert err.startswith(f"clip-agent: {(tmp_path / keep).resolve()}")
        assert len(err.splitlines()) == 1

    def test_a_demo_without_its_video_does_not_begin(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        video = tmp_path / "nowhere.mp4"
        line = refusal(capsys, "demo", "--yes", "--video", video, code=1)
        assert line == f"clip-agent: {video}: there is no such file"

    @pytest.mark.parametrize(
        "arguments", [["config", "--example"], ["--help"], ["--version"]], ids=" ".join
    )
    def test_a_reader_that_goes_away_is_no_matter(self, arguments: list[str]) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-m", "agent", *arguments],
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writer)
        assert done.returncode in (0, 1)  # argparse takes no notice at all
        assert done.stderr == ""

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
    def test_output_that_cannot_be_written_is_one_line(self) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "agent", "config", "--example"],
                cwd=ROOT,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert done.returncode == 1
        assert done.stderr == "clip-agent: No space left on device\n"

    def test_the_end_of_input_instead_of_an_answer_stops_without_a_traceback(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def ended(_arguments: argparse.Namespace) -> int:
            raise EOFError

        monkeypatch.setattr(cli, "_config", ended)
        assert refusal(capsys, "config", "--example", code=130) == "clip-agent: stopped"


def test_a_message_that_quotes_a_stranger_stays_on_its_line() -> None:
    """A requester once wrote whole lines into the log by a line feed in a field's name."""
    record = logging.LogRecord("agent", 30, "", 0, "refused: %s", ("a\nWARNING agent: b",), None)
    text = journal.OneLine("%(levelname)s %(message)s").format(record)
    assert text == "WARNING refused: a\\nWARNING agent: b"


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (50, 2)],
)
def test_the_journal_learns_the_priority_of_every_line(level: int, priority: int) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("agent", level, "", 0, "a\n<0>b", (), sys.exc_info())
    first, *traceback = journal.JournalLines().format(record).splitlines()
    assert first == f"<{priority}>agent: a\\n<0>b"
    assert len(traceback) > 2
    assert all(line.startswith(f"<{priority}>") for line in traceback)


def test_why_a_service_ends_is_an_error_in_the_journal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "is_stderr", lambda: True)
    assert cli.main(["camera", "--config", "none.yaml"]) == cli.EXIT_CONFIG
    assert re.match(r"<3>clip-agent: none\.yaml: ", capsys.readouterr().err)


def test_a_service_logs_with_priorities_and_a_terminal_with_times(tmp_path: Path) -> None:
    code = (
        "import logging, pathlib; from agent.cli import main; from agent.host import journal;"
        "journal.JournalHandler.__init__.__defaults__ = (pathlib.Path('/nowhere'),);"
        "main._start_logging(verbose=False); logging.getLogger('agent.x').warning('low')"
    )
    for is_service, expected in (
        (True, r"<4>agent\.x: low"),
        (False, r"\d{4}-.* WARNING agent\.x: low"),
    ):
        with (tmp_path / "stderr").open("w") as stderr:
            found = os.fstat(stderr.fileno())
            stream = f"{found.st_dev}:{found.st_ino}" if is_service else "8:1"
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "JOURNAL_STREAM": stream},
                stderr=stderr,
                cwd=ROOT,
                check=True,
            )
        said = (tmp_path / "stderr").read_text()
        assert re.fullmatch(expected + r"\n", said), said
