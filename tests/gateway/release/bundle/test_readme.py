"""The README in each bundle: its commands are run as printed, by stock tools alone."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import bagit
import pytest

from agent.consent.statements import Disclosure, Trim
from agent.keyfile import Keys
from agent.requester.bundle.verify import open_bundle
from tests.peers.requirements import need
from tests.support import statements
from tests.support.gateway_world import World

README = "data/README.txt"


def received(world: World, folder: Path) -> Path:
    """The only bundle as its recipient has it, with a key file beside it; the sealed file."""
    (upload,) = world.receiver.finished
    path = folder / f"{upload.release}.age"
    path.write_bytes(bytes(upload.data))
    (folder / "requester.age").write_text(world.house.requester.identity + "\n")
    return path


def opened(world: World, folder: Path) -> Path:
    """The bag, opened by the requester's own tool."""
    person = world.house.requester
    path = received(world, folder)
    return open_bundle(path, Keys(person.signing, person.identity), folder / "bag").folder


def commands(text: str) -> str:
    """All indented blocks of a README, as a shell script."""
    return "\n".join(re.findall(r"^    (.*)$", text, re.MULTILINE)) + "\n"


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )


@pytest.mark.parametrize("kind", ["answer", "share", "of two owners"])
def test_the_printed_commands_verify_a_bundle(
    world: World, shared: World, tmp_path: Path, kind: str
) -> None:
    need("age", "tar", "sha256sum", "openssl")
    world = shared if kind == "of two owners" else world
    clip = world.house.record()
    if kind == "share":
        world.to_device(world.house.share([clip], world.house.requester))
    else:
        post = world.post()
        world.to_device(world.house.approve(post, [clip]))
        if kind == "of two owners":
            world.to_device(world.house.approve(post, [clip], by=world.house.partner))
    text = (opened(world, tmp_path) / README).read_text()
    done = run(commands(text), tmp_path)
    assert done.returncode == 0, done.stderr
    signed = {"answer": 3, "share": 2, "of two owners": 4}[kind]
    assert done.stdout.count("Signature Verified Successfully") == signed
    assert f'"id":"{clip.id}"' in done.stdout, "the statements are shown"
    (bag,) = tmp_path.glob("release-*")
    bagit.Bag(str(bag)).validate()


@pytest.mark.parametrize("what", ["a clip", "a statement", "the readme", "the manifest"])
def test_the_printed_commands_notice_a_change(world: World, tmp_path: Path, what: str) -> None:
    need("age", "tar", "sha256sum", "openssl")
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]))
    bag = opened(world, tmp_path)
    script = commands((bag / README).read_text()).split("\n", 2)[2]  # within the bag
    assert run(script, bag).returncode == 0
    name = {
        "a clip": f"data/{clip.id}.mp4",
        "a statement": "data/approval.jws",
        "the readme": README,
        "the manifest": "manifest-sha256.txt",
    }[what]
    data = bytearray((bag / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bag / name).write_bytes(data)
    assert run(script, bag).returncode != 0


def test_a_forged_statement_fails_though_the_manifests_were_made_anew(
    world: World, tmp_path: Path
) -> None:
    need("age", "tar", "sha256sum", "openssl")
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]))
    bag = opened(world, tmp_path)
    script = commands((bag / README).read_text()).split("\n", 2)[2]
    path = bag / "data/approval.jws"
    top, body, signature = path.read_text().split(".")
    path.write_text(f"{top}.{body[:-4]}AAAA.{signature}")
    made = (
        "sha256sum data/* > manifest-sha256.txt; sha256sum bag* manifest* > tag;"
        "mv tag tagmanifest-sha256.txt"
    )
    assert run(made, bag).returncode == 0
    done = run(script, bag)
    assert done.returncode != 0 and "Failure" in done.stdout + done.stderr


def test_the_readme_states_times_trims_and_what_was_disclosed(world: World, tmp_path: Path) -> None:
    clip = world.house.record()
    told = Disclosure(name="Erika Example", email="erika@example.org")
    world.to_device(world.house.approve(world.post(), [clip], disclose=told))
    text = (opened(world, tmp_path) / README).read_text()
    assert f"data/{clip.id}.mp4  20 pictures, H.264" in text
    assert re.search(r"first picture  2024-01-24 \d\d:\d\d:\d\d\.\d{3} UTC", text)
    assert "The whole recording." in text and "Nothing is covered with grey." in text
    assert "The owner's name: Erika Example" in text and "e-mail: erika@example.org" in text
    assert "address" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_trimmed_away_is_not_in_the_readme(world: World, tmp_path: Path) -> None:
    clip = world.house.record()
    trim = Trim(from_seconds=0.5, to_seconds=1.5)
    approved = statements.approved(clip.id, clip.sha256, trim=trim)
    world.to_device(world.house.approve(world.post(), [clip], clips=(approved,)))
    text = (opened(world, tmp_path) / README).read_text()
    assert "A part of the recording, seconds 0.5 to 1.5: its owner left out the rest." in text
    assert "The owner tells no name" in text
