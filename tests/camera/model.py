"""The camera beside a gateway that was taken over: it deletes and stops only for an owner.

A hypothesis state machine. The gateway writes anything into ``wishes/``: owners' commands late,
again, in any order and never; commands that it forged; a switch; other clips to spare; another
device's card; garbage. The camera's folder is set back to an image. Beside the real parts of the
camera, :class:`Careful` notes what a careful person would do at each command that is brought. After
each step the camera's clips, kept clips and arming must be just those.

What it notices was tried by changing the camera in one place at a time. It found each of these:
the key of the device counts as an owner's; a command for another device is obeyed; an older
command to stop recording is obeyed after a newer one to record.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from agent import config, files
from agent.camera.app import build
from agent.consent import decoding
from agent.consent.cards import DeviceCard, format_card
from agent.consent.statements import Arm, CameraCommand, Delete, Keep
from agent.gateway import device_keys
from agent.vault import wishes
from agent.vault.clips.store import Clip
from agent.vault.wishes import MAX_COMMANDS, Switch, Wishes
from tests.support import statements
from tests.support.house import House, Person

_HOUR = 3_600
_MAX_AGE_DAYS = 2.0
_FLAWS = ("stranger", "in an owner's name", "device", "other device", "other signature")


@dataclass(eq=False)
class Signed:
    """A command on paper; ``flaw`` is empty for an owner's own."""

    jws: str
    what: CameraCommand
    issued_at: int
    expires_at: int
    flaw: str


@dataclass
class Careful:
    """The clips and the arming of a camera that obeys its owners, and nobody else."""

    clips: dict[str, Clip] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    armed: bool = True
    arming_at: int = 0
    obeyed: set[str] = field(default_factory=set)
    deleted: int = 0

    def hear(self, command: Signed, now: float) -> None:
        """A command is brought, perhaps again."""
        if command.flaw or command.jws in self.obeyed or now >= command.expires_at:
            return
        match command.what:
            case Arm(armed=armed):
                if command.issued_at < self.arming_at:
                    return
                self.armed, self.arming_at = armed, command.issued_at
            case Delete(clip=clip) | Keep(clip=clip) if clip not in self.clips:
                return
            case Delete(clip=clip):
                del self.clips[clip]
                self.deleted += 1
                self.kept.discard(clip)
            case Keep(clip=clip, keep=keep):
                (self.kept.add if keep else self.kept.discard)(clip)
        self.obeyed.add(command.jws)

    def tidy(self, now: float, held: tuple[str, ...]) -> None:
        """The clips that are too old go; ``now`` is the monotonic time."""
        for clip in list(self.clips.values()):
            age = now - clip.monotonic_seconds - clip.duration_seconds
            if age > _MAX_AGE_DAYS * 86_400 and clip.id not in self.kept | set(held):
                del self.clips[clip.id]


class CameraModel(RuleBasedStateMachine):
    """See the module. ``told`` counts over all examples."""

    commands = Bundle("commands")
    told: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="clip-camera-model-"))
        storage = config.Storage(max_age_days=_MAX_AGE_DAYS)
        self.house = House.build(self.root, partner=True, storage=storage)
        self.state_dir = self.house.config.state_dir
        self.clock = self.house.clock
        keys = device_keys.load_or_create(self.state_dir, name="front-door")
        self.device = Person(keys.signing, keys.identity)
        self.neighbour = Person()
        self.careful = Careful()
        self.image: Careful | None = None
        self.ids: list[str] = []  # of all clips that there ever were
        self.held: tuple[str, ...] = ()
        self.brought: list[Signed] = []
        self.app = self._build()

    def _build(self) -> Any:
        return build(self.house.config, clock=self.clock, notify=lambda _: None)

    def teardown(self) -> None:
        self.told["examples"] += 1
        self.app.index.close()
        shutil.rmtree(self.root)

    @initialize(target=commands)
    def the_camera_sees_its_card(self) -> Signed:
        first = self._sign(Arm(armed=True), "", 0, 1)
        self._bring([first])
        for seconds_ago in (900, 300):
            self.camera_records(seconds_ago)
        return first

    # The owners, and whoever would like to be one

    def _sign(self, what: CameraCommand, flaw: str, owner: int, hours: int) -> Signed:
        author = (self.house.owner, self.house.partner)[owner]
        signer = {"device": self.device, "stranger": Person()}.get(flaw, author)
        device = self.neighbour if flaw == "other device" else self.device
        now = int(self.clock.now())
        command = statements.command(signer.id, device.id, what, now=now, exp=now + hours * _HOUR)
        jws = signer.signing.sign(command)
        if flaw in ("in an owner's name", "other signature"):
            forger = Person() if flaw == "in an owner's name" else author
            other = statements.command(forger.id, device.id, what, now=now)
            jws = f"{jws.rpartition('.')[0]}.{forger.signing.sign(other).rpartition('.')[2]}"
        return Signed(jws, what, command.iat, command.exp, flaw)

    @rule(
        target=commands,
        do=st.sampled_from(["delete", "delete", "keep", "release", "arm", "disarm"]),
        clip=st.integers(0, 7),
        flaw=st.one_of(st.just(""), st.sampled_from(_FLAWS)),
        owner=st.integers(0, 1),
        hours=st.integers(1, 48),
        at_once=st.booleans(),
    )
    def somebody_signs(
        self, do: str, clip: int, flaw: str, owner: int, hours: int, at_once: bool
    ) -> Signed:
        clip_id = (self.ids or ["20240124-000000-000000"])[-1 - clip % max(1, len(self.ids))]
        what: dict[str, CameraCommand] = {
            "delete": Delete(clip=clip_id),
            "keep": Keep(clip=clip_id, keep=True),
            "release": Keep(clip=clip_id, keep=False),
            "arm": Arm(armed=True),
            "disarm": Arm(armed=False),
        }
        signed = self._sign(what[do], flaw, owner, hours)
        if at_once:
            self._bring([signed])
        return signed

    @rule(
        flaw=st.sampled_from(_FLAWS),
        delete=st.booleans(),
        owner=st.integers(0, 1),
    )
    def gateway_forges(self, flaw: str, delete: bool, owner: int) -> None:
        """A command that no owner signed for this camera, about what it holds now."""
        clip = next(iter(self.careful.clips), None)
        what = Delete(clip=clip) if delete and clip else Arm(armed=not self.careful.armed)
        self._bring([self._sign(what, flaw, owner, 1)])

    @rule(owner=st.integers(0, 1))
    def older_command_is_held_back(self, owner: int) -> None:
        """One owner stops the recording, the other starts it again; the gateway turns them."""
        older = self._sign(Arm(armed=False), "", owner, 1)
        self.clock.advance(60)
        newer = self._sign(Arm(armed=True), "", 1 - owner, 1)
        self._bring([newer, older])

    # The gateway

    @rule(
        brought=st.lists(commands, max_size=MAX_COMMANDS),
        held=st.sets(st.integers(0, 7)),
        switch=st.none() | st.builds(Switch, armed=st.booleans(), at=st.integers(0, 2**32)),
    )
    def gateway_brings(self, brought: list[Signed], held: set[int], switch: Switch | None) -> None:
        """Any commands in any order, any clips to spare, and a switch that nobody allowed."""
        ids = [*self.ids, "20240124-000000-ffffff"]
        self._bring(brought, tuple(ids[number % len(ids)] for number in held), switch)

    def _bring(
        self,
        brought: list[Signed],
        held: tuple[str, ...] = (),
        switch: Switch | None = None,
    ) -> None:
        self.held = held
        self.brought = brought
        signed = tuple(one.jws for one in brought)
        self._write(decoding.encode(Wishes(held=held, commands=signed, switch=switch)))
        self._look()

    def _look(self) -> None:
        for command in self.brought:
            self.careful.hear(command, self.clock.now())
        self.app.commands.look()

    @rule(garbage=st.one_of(st.binary(max_size=40), st.just(b'{"commands":[' + b'"x",' * 21)))
    def gateway_writes_garbage(self, garbage: bytes) -> None:
        self.held, self.brought = (), []
        self._write(garbage)
        self._look()

    @rule()
    def gateway_shows_another_card(self) -> None:
        sign, seal = self.neighbour.signing.public.text, self.neighbour.recipient
        card = DeviceCard(role="device", name="front-door", sign=sign, seal=seal)
        files.replace(device_keys.card_of(self.state_dir), format_card(card).encode())

    def _write(self, data: bytes) -> None:
        files.replace(wishes.path_of(self.state_dir), data)

    # Time, power, and the card

    @rule(seconds_ago=st.integers(5, 3_000))
    def camera_records(self, seconds_ago: int) -> None:
        if len(self.careful.clips) < 8:
            clip = self.house.record(seconds_ago=seconds_ago, video=b"moof")
            self.careful.clips[clip.id] = clip
            self.ids.append(clip.id)

    @rule(hours=st.sampled_from([0, 1, 12, 50]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours * _HOUR + 1)
        self._tidy()
        self.app.housekeeping.start()

    @rule()
    def power_fails(self) -> None:
        self.app.index.close()
        self._start()

    @rule()
    def image_is_taken(self) -> None:
        self._copy(self.state_dir / "camera", self.root / "image")
        self.image = copy.deepcopy(self.careful)

    @rule()
    def image_is_restored(self) -> None:
        """It knows no command since; the gateway may bring those again."""
        if self.image is None:
            return
        self.app.index.close()
        self._copy(self.root / "image", self.state_dir / "camera")
        self.careful = copy.deepcopy(self.image)
        self.told["restored"] += 1
        self._start()

    def _copy(self, source: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)

    def _start(self) -> None:
        self._tidy()
        self.app = self._build()
        self.app.start()
        self._look()

    def _tidy(self) -> None:
        self.careful.tidy(self.clock.monotonic(), self.held)

    # What must hold

    @invariant()
    def clips_and_arming_are_as_the_owners_signed(self) -> None:
        clips = {clip.id: clip for clip in self.app.index.clips()}
        assert clips.keys() == self.careful.clips.keys(), "a clip went, or stayed, unsigned"
        assert {name for name, clip in clips.items() if clip.kept} == self.careful.kept
        assert self.app.commands.armed == self.careful.armed, "recording is not as signed"
        there = {path.name for path in self.state_dir.glob("camera/clips/*/*.mp4.age")}
        assert len(there) == len(clips), "the files are not those of the index"
        self.told["steps"] += 1
        self.told["disarmed"] += not self.careful.armed
        self.told["deleted"] += self.careful.deleted > 0
