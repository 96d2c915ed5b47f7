"""Tests on a machine that lacks a peer: they skip loudly, or fail in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.requirements import LOUD, missing, need


def test_a_missing_peer_skips_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception) as skipped:
        missing("a peer is not installed", "apt-get install a-peer")
    assert str(skipped.value) == f"{LOUD}a peer is not installed: apt-get install a-peer"


def test_with_ci_a_missing_peer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install a-peer"):
        missing("a peer is not installed", "apt-get install a-peer")


def test_a_program_that_is_there_is_no_reason_to_skip() -> None:
    need("tar")


@pytest.mark.parametrize("says", ["v16.20.2", "v8", "", "no version at all"])
def test_a_node_that_is_too_old_skips_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho '{says}'\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(pytest.skip.Exception, match=r"install Node\.js 18 or newer"):
        need("node")


def test_the_node_of_debian_12_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.20.4\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    need("node")


def test_the_summary_says_it_once_and_loudly(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import pytest_terminal_summary")
    pytester.makepyfile(
        """
        import pytest
        from tests.peers.requirements import LOUD

        @pytest.mark.parametrize("number", range(3))
        def test_that_needs_it(number):
            pytest.skip(f"{LOUD}no peer: install it")
        """
    )
    output = pytester.runpytest_inprocess("-p", "no:cacheprovider").stdout
    output.fnmatch_lines(["MISSING: no peer: install it (3 tests skipped)"])
