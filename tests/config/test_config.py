"""The configuration: the shipped files, and the errors for a wrong one."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import config
from agent.config import EXAMPLE, Config
from agent.config import example as config_example
from agent.consent.cards import in_groups, parse_requesters
from agent.errors import ConfigError
from tests.peers.requirements import ROOT

SHIPPED = ROOT / "config" / "agent.yaml"
MINIMAL = """
device: {name: porch, place: {latitude: 1, longitude: 2}}
owners: [owner.card.yaml]
"""


def uncomment(text: str) -> str:
    """``text`` with every commented-out key in force and nothing else of its comments.

    Prose begins with ``# ``, what is commented out with ``#`` and the key or its indent.
    """
    return re.sub(r"^( *)#(?=[a-z]| {2})", r"\1", text, flags=re.M)


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return config.load(path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return str(caught.value).removeprefix(f"{tmp_path}/")


class TestShipped:
    def test_agent_yaml_is_what_the_structs_print(self) -> None:
        assert SHIPPED.read_text() == config_example.example(), (
            "clip-agent config --example > config/agent.yaml"
        )

    def test_agent_yaml_loads_to_exactly_the_defaults(self) -> None:
        loaded = config.load(SHIPPED)
        owners = (SHIPPED.parent / "owner.card.yaml",)
        assert loaded == msgspec.structs.replace(EXAMPLE, owners=owners)

    def test_every_key_has_a_comment_above_it(self) -> None:
        lines = uncomment(SHIPPED.read_text()).splitlines()
        for above, line in itertools.pairwise(lines):
            if re.match(r" *[a-z_]+:", line) and not line.lstrip().startswith("type:"):
                assert above.lstrip().startswith("#"), line

    def test_every_key_of_every_struct_is_listed(self) -> None:
        text = uncomment(SHIPPED.read_text())
        for struct in sections(Config):
            for name in struct.__struct_encode_fields__:
                assert re.search(rf"^ *{name}:", text, re.M), f"{struct.__name__}.{name}"

    @pytest.mark.parametrize("kind", get_args(config.Source))
    def test_commented_alternatives_can_be_enabled(
        self, tmp_path: Path, kind: type[msgspec.Struct]
    ) -> None:
        defaults = re.compile(r"^ *(tls: null|armed: \[\]|homeassistant: null)\n", re.M)
        text = uncomment(defaults.sub("", SHIPPED.read_text()))
        tag = kind.__struct_config__.tag
        sources = re.findall(r"^ +source:\n(?: {4}.*\n)+", text, flags=re.M)
        for source in sources:
            if f"type: {tag}\n" not in source:
                text = text.replace(source, "")
        loaded = read(tmp_path, text)
        assert type(loaded.camera.source) is kind
        assert loaded.mqtt.tls == config.Tls()
        assert loaded.homeassistant == config.HomeAssistant()
        assert loaded.camera.armed == (config.Period(start="22:00", end="06:00"),)

    @pytest.mark.parametrize(
        ("period", "said"),
        [
            ("{from: 22:00, to: 6:00}", "armed[0].to: Expected `str` matching regex"),
            ("{from: 24:00, to: 06:00}", "armed[0].from: Expected `str` matching regex"),
            ("{from: 22:60, to: 06:00}", "armed[0].from: Expected `str` matching regex"),
            ("{from: 22, to: 06:00}", "armed[0].from: Expected `str`, got `int`"),
            ("{from: 22:00}", "armed[0].to: missing key"),
            ("{from: 22:00, to: 06:00, days: []}", "armed[0].days: Expected `array` of length >="),
            ("{from: 22:00, to: 06:00, days: [Monday]}", "armed[0].days[0]: Invalid enum value"),
            ("{from: 22:00, until: 06:00}", "armed[0].until: unknown key"),
        ],
    )
    def test_a_period_that_is_none_is_named_by_its_path(
        self, tmp_path: Path, period: str, said: str
    ) -> None:
        message = refusal(tmp_path, MINIMAL + f"camera: {{armed: [{period}]}}")
        assert message.startswith(f"agent.yaml: camera.{said}")

    def test_times_of_a_period_need_no_quotes(self, tmp_path: Path) -> None:
        text = MINIMAL + "camera:\n  armed:\n    - {from: 22:00, to: 06:00, days: [fri, sat]}\n"
        (period,) = read(tmp_path, text).camera.armed
        assert (period.start, period.end, period.days) == ("22:00", "06:00", ("fri", "sat"))

    @pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd", "/etc/passwd", "''", "."])
    def test_an_unknown_time_zone_is_named(self, tmp_path: Path, zone: str) -> None:
        message = refusal(tmp_path, MINIMAL + f"time: {{zone: {zone}}}")
        assert message.startswith("agent.yaml: time.zone: there is no time zone")

    @pytest.mark.parametrize(
        ("zones", "said"),
        [
            ("{include: [[[0, 0], [1, 0]]]}", "zones.include[0]: Expected `array` of length >= 3"),
            ("{exclude: [[[0, 0], [1.2, 0], [1, 1]]]}", "zones.exclude[0][1][0]: Expected `float`"),
            ("{privacy: [[[0, 0], [.5, -.1], [1, 1]]]}", "zones.privacy[0][1][1]: Expected"),
            ("{include: [[[0, 0], [.5, .5], [1, 1]]]}", "zones.include[0]: its corners lie on one"),
            ("{exclude: [[[0, 0], [.5], [1, 1]]]}", "zones.exclude[0][1]: Expected `array`"),
            ("{privacy: [[[0, 0], [.nan, 0], [1, 1]]]}", "zones.privacy[0][1][0]: Expected"),
        ],
    )
    def test_a_polygon_out_of_range_is_named_by_its_path(
        self, tmp_path: Path, zones: str, said: str
    ) -> None:
        message = refusal(tmp_path, MINIMAL + f"camera: {{zones: {zones}}}")
        assert message.startswith(f"agent.yaml: camera.{said}")

    def test_a_privacy_zone_on_a_copied_stream_is_refused_with_advice(self, tmp_path: Path) -> None:
        source = "source: {type: stream, record: 'rtsp://192.0.2.10/'}"
        zones = "zones: {privacy: [[[0, 0], [1, 0], [1, 1]]]}"
        message = refusal(tmp_path, MINIMAL + f"camera: {{{source}, {zones}}}")
        assert message.startswith("agent.yaml: camera.zones.privacy: a stream is recorded as")
        assert "Set a privacy mask in the camera itself" in message

    @pytest.mark.parametrize("key", ["record", "detect"])
    @pytest.mark.parametrize("password", ["hunter2/", "hunter2?", "hunter2#", "h@ck/hunter2", "7/"])
    def test_a_url_with_an_ambiguous_password_is_refused_and_not_shown(
        self, tmp_path: Path, key: str, password: str
    ) -> None:
        urls = {"record": "rtsp://192.0.2.10/main"}
        urls[key] = f"rtsp://admin:{password}@192.0.2.10/main"
        source = yaml.safe_dump({"camera": {"source": {"type": "stream", **urls}}})
        message = refusal(tmp_path, MINIMAL + source)
        assert message.startswith(f"agent.yaml: camera.source.{key}: where the host begins")
        assert "write %2F for /" in message
        assert "camera.source.credentials_file" in message
        assert password not in message.removesuffix("credentials_file")

    @pytest.mark.parametrize(
        "url", ["rtsp://me:p%2Fw@cam/a", "rtsp://me:p@w[@cam", "http://[::1]/"]
    )
    def test_a_clear_url_is_accepted(self, tmp_path: Path, url: str) -> None:
        text = MINIMAL + f"camera: {{source: {{type: stream, record: '{url}'}}}}"
        source = read(tmp_path, text).camera.source
        assert isinstance(source, config.StreamSource)
        assert source.record == url

    @pytest.mark.parametrize("pace", ["real-time", "import"])
    @pytest.mark.parametrize("key", ["record", "detect"])
    def test_a_file_pace_on_a_network_camera_is_refused_with_advice(
        self, tmp_path: Path, key: str, pace: str
    ) -> None:
        """It would end quietly, for good, the first time that the camera does."""
        urls = {"record": "/srv/street.mp4", key: "rtsp://192.0.2.10/main"}
        source = {"type": "stream", "pace": pace, **urls}
        message = refusal(tmp_path, MINIMAL + yaml.safe_dump({"camera": {"source": source}}))
        assert message == (
            f"agent.yaml: camera.source.pace: {pace} is for files, and {key} is on the network."
            " Set it to live"
        )
        urls[key] = "/srv/other.mp4"
        text = yaml.safe_dump({"camera": {"source": {"type": "stream", "pace": pace, **urls}}})
        assert read(tmp_path, MINIMAL + text).camera.source

    def test_no_line_is_too_long_to_read(self) -> None:
        assert max(map(len, SHIPPED.read_text().splitlines())) <= 100

    def test_requesters_yaml_lists_nobody(self) -> None:
        path = ROOT / "config" / "requesters.yaml"
        assert parse_requesters(path.read_text(), path.name) == {}

    def test_the_commented_example_requester_loads(self) -> None:
        text = (ROOT / "config" / "requesters.yaml").read_text()
        entry = text[text.index("# requesters:") :].replace("requesters: []", "")
        (card,) = parse_requesters(re.sub(r"^# ", "", entry, flags=re.M), "example").values()
        assert card.upload_hosts[0].endswith(".example")


def sections(struct: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """``struct`` and the structs that it is made of, at any depth."""
    found: set[type[msgspec.Struct]] = set()

    def walk(kind: Any) -> None:
        if isinstance(kind, msgspec.inspect.StructType):
            found.add(kind.cls)
        for value in msgspec.structs.asdict(kind).values():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, msgspec.inspect.Field | msgspec.inspect.Type):
                    walk(part)

    walk(msgspec.inspect.type_info(struct))
    return found


class TestLoad:
    def test_relative_paths_start_at_the_folder_of_the_file(self, tmp_path: Path) -> None:
        loaded = read(tmp_path, MINIMAL + "state_dir: /srv/clips\n")
        assert loaded.owners == (tmp_path / "owner.card.yaml",)
        assert loaded.state_dir == Path("/srv/clips")

    def test_the_effective_configuration_loads_to_itself(self, tmp_path: Path) -> None:
        loaded = read(tmp_path, MINIMAL + "mqtt: {tls: {}}\nfeed: {broker: {host: b.example}}\n")
        again = read(tmp_path, config.effective(loaded))
        assert again == loaded

    @pytest.mark.traced  # each row is another refusal
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (MINIMAL + "mqtt: {port: 70000}", "agent.yaml: mqtt.port: Expected `int` <= 65535"),
            (MINIMAL + "mqtt: {prot: 1}", "agent.yaml: mqtt.prot: unknown key"),
            (MINIMAL + "colour: red", "agent.yaml: colour: unknown key"),
            ("owners: [a]", "agent.yaml: device: missing key"),
            ("device: {name: porch}\nowners: [a]", "agent.yaml: device.place: missing key"),
            (MINIMAL + "mqtt: {port: '1883'}", "agent.yaml: mqtt.port: Expected `int`, got `str`"),
            (MINIMAL + "owners: [b]", "agent.yaml, line 4: the key 'owners' is given twice"),
            ("device: [", "agent.yaml, line 1: "),
            ("[" * 1_200, "agent.yaml: nested too deeply"),
            ("- a\n- b", "agent.yaml: top level: Expected `object`, got `array`"),
            (
                MINIMAL + "requests: {min_window_seconds: 50000}",
                "agent.yaml: requests.min_window_seconds: above max_window_seconds",
            ),
            (
                MINIMAL + "requests: {min_area_square_miles: 1}",
                "agent.yaml: requests.min_area_square_miles: above max_area_square_miles",
            ),
            (MINIMAL + "camera: {source: {type: webcan}}", "agent.yaml: camera.source.type: "),
            (
                MINIMAL + "camera: {source: {type: pi, night_frames_per_second: 20}}",
                "agent.yaml: camera.source.night_frames_per_second: above frames_per_second",
            ),
            (MINIMAL.replace("porch", "Front Door"), "agent.yaml: device.name: Expected `str`"),
            (MINIMAL.replace("[owner.card.yaml]", "[]"), "agent.yaml: owners: Expected `array`"),
            (
                MINIMAL + "approvals_needed: 2",
                "agent.yaml: approvals_needed: 2 owners must agree, but `owners` lists 1",
            ),
            (MINIMAL + "feed: {log: required}", "agent.yaml: feed.log_key: missing, since"),
            (MINIMAL + "feed: {witnesses_needed: 1}", "agent.yaml: feed.witnesses_needed: 1, but"),
            (MINIMAL + "upload: {allow_loopback_http: on}", "agent.yaml: upload.allow_loopback"),
            (MINIMAL + "requesters: null", "agent.yaml: requesters: Expected a path"),
            (MINIMAL + "requesters: ~nobody-here/r.yaml", "agent.yaml: requesters: Could not"),
            (MINIMAL + 'requesters: "a\\0b"', "agent.yaml: requesters: Expected a path"),
            (MINIMAL + "state_dir: !!python/name:os.system x", "agent.yaml, line 4: "),
        ],
    )
    def test_a_mistake_is_named_by_its_path(self, tmp_path: Path, text: str, said: str) -> None:
        message = refusal(tmp_path, text)
        assert message.startswith(said)
        assert "\n" not in message

    def test_off_is_a_word_and_not_a_boolean(self, tmp_path: Path) -> None:
        assert read(tmp_path, MINIMAL + "feed: {log: off}").feed.log == "off"

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read \(No such file"):
            config.load(tmp_path / "nowhere.yaml")

    def test_a_file_that_is_not_text_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "agent.yaml"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="is not UTF-8 text"):
            config.load(path)

    @given(st.text())
    def test_any_text_loads_or_is_refused_in_one_sentence(self, text: str) -> None:
        try:
            config.parse_yaml(text, Config, "agent.yaml")
        except ConfigError as error:
            assert str(error).startswith("agent.yaml")

    @settings(max_examples=30)  # each in every place
    @given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=20))
    def test_any_value_in_any_place_loads_or_is_refused(self, value: object) -> None:
        plain = yaml.safe_load(MINIMAL)
        for name in Config.__struct_fields__:
            text = yaml.safe_dump({**plain, name: value})
            try:
                config.parse_yaml(text, Config, "agent.yaml")
            except ConfigError as error:
                assert str(error).startswith(f"agent.yaml: {name}")


PLACED = "device: {name: porch, place: %s}\nowners: [owner.card.yaml]\n"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("{latitude: 42, longitude: 1:10}", "device.place.longitude: Expected `float`, got `str`"),
        ("{latitude: 7:30.5, longitude: 1}", "device.place.latitude: Expected `float`, got `str`"),
        ("{latitude: 42,1015, longitude: 1}", "line 1: 1015 is no key; a number takes a decimal"),
        ("{latitude:42, longitude: 1}", "latitude:42: unknown key; a space must follow the colon"),
    ],
)
def test_a_place_that_is_not_read_as_it_was_meant_is_refused(
    tmp_path: Path, place: str, said: str
) -> None:
    assert said in refusal(tmp_path, PLACED % place)


@pytest.mark.parametrize("port", ["31:23", "1:00:00"])
def test_a_port_with_colons_is_no_number(tmp_path: Path, port: str) -> None:
    said = refusal(tmp_path, f"{MINIMAL}mqtt: {{port: {port}}}\n")
    assert "mqtt.port: Expected `int`, got `str`" in said


FINGERPRINT = "Wc0YI2ILQXAa" + "x" * 31


@pytest.mark.parametrize("muted", [FINGERPRINT[:12], FINGERPRINT[:42], f"{FINGERPRINT}x", "#1"])
def test_muting_by_a_part_of_a_fingerprint_is_refused(tmp_path: Path, muted: str) -> None:
    said = refusal(tmp_path, f"{MINIMAL}requests: {{muted: ['{muted}']}}\n")
    assert f"requests.muted: '{muted}' is not a whole fingerprint" in said


def test_a_muted_fingerprint_may_be_copied_as_it_is_printed(tmp_path: Path) -> None:
    printed = in_groups(FINGERPRINT)
    assert " " in printed
    loaded = read(tmp_path, f"{MINIMAL}requests: {{muted: ['{printed}']}}\n")
    assert loaded.requests.muted == (FINGERPRINT,)


@pytest.mark.parametrize("section", ["mqtt: {port: 8883}", "feed: {broker: {port: 8883}}"])
def test_a_port_of_tls_without_tls_is_refused_before_a_password_is_sent(
    tmp_path: Path, section: str
) -> None:
    assert "port 8883 is for TLS: add `tls: {}`" in refusal(tmp_path, f"{MINIMAL}{section}\n")
    read(tmp_path, f"{MINIMAL}{section.replace('8883', '8883, tls: {}')}\n")
