"""Strict loading of a YAML file into a typed struct: unknown and repeated keys are refused.

Used for ``agent.yaml`` and for key cards. Every error names the file, and the line or the dotted
path of the mistake.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from agent.errors import ADVICE_FOR_CLOSED_FILES, ConfigError

T = TypeVar("T")


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice.

    Only ``true`` and ``false`` are booleans, and a number has no colon, as in YAML 1.2: ``off``
    and ``1:10`` are words. A key must be a word: cards come from strangers, and a key made of
    nested aliases would fill the memory when compared.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            problem, key = "a key must be a word", ""
            if isinstance(key_node, yaml.ScalarNode):
                key = key_node.value
                problem = f"the key {key!r} is given twice" if key in seen else ""
                if not isinstance(self.construct_object(key_node, deep=True), str):
                    problem = f"{key} is no key; a number takes a decimal point, and no comma"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_BOOLEAN = "tag:yaml.org,2002:bool"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def _without_colon(form: re.Pattern[str]) -> re.Pattern[str]:
    """The form of a number without YAML 1.1's minutes and seconds: 1:10 is not 70."""
    return re.compile(f"(?!.*:)(?:{form.pattern}\n)", form.flags)


_StrictLoader.yaml_implicit_resolvers = {
    first: [
        (tag, _without_colon(form) if tag in _NUMBERS else form)
        for tag, form in resolvers
        if tag != _BOOLEAN
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    _BOOLEAN, re.compile(r"\A(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)


def parse_yaml(text: str, kind: type[T], name: str, base: Path = Path()) -> T:
    """``text`` as ``kind``. Relative paths inside start at ``base``.

    Raises :class:`ConfigError` with the file's ``name`` and the line or path of the mistake.
    """

    def decode_path(type_: type[Any], value: Any) -> Any:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError("Expected a path")
        try:
            return base / type_(value).expanduser()
        except RuntimeError as error:  # ~nobody
            raise ValueError(str(error)) from error

    try:
        raw = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{where}: {_without_url(problem)}") from error
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply") from error
    except (ValueError, LookupError) as error:  # from PyYAML, for a bad tagged value or date
        raise ConfigError(f"{name}: a value does not fit its form ({error})") from error
    try:
        plain = {} if raw is None else raw
        return msgspec.convert(plain, kind, strict=True, dec_hook=decode_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_without_url(_plain(str(error)))}") from error


def _without_url(problem: str) -> str:
    """``problem`` without the rest of a URL that it quotes, which may hold a password."""
    return re.sub(r"://[^'\s]*[^'\s:]", "://...", problem)


def _plain(message: str) -> str:
    """msgspec's message with the path first and in dots: ``mqtt.port: Expected `int```."""
    problem, _, path = message.partition(" - at ")
    path = path.strip("`").removeprefix("$").lstrip(".")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", problem):
        hint = "; a space must follow the colon" if ":" in match[1] else ""
        return f"{path + '.' if path else ''}{match[1]}: unknown key{hint}"
    if match := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{path + '.' if path else ''}{match[1]}: missing key"
    return f"{path or 'top level'}: {problem}"


def read_text(path: Path) -> str:
    """The text of a configuration or card file, or a :class:`ConfigError` that names it."""
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows' editors begin it with a mark
    except OSError as error:
        advice = ADVICE_FOR_CLOSED_FILES if isinstance(error, PermissionError) else ""
        raise ConfigError(f"{path}: cannot be read ({error.strerror})", advice=advice) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text", advice="Save it as UTF-8") from error


def first_line(path: Path) -> str:
    """The first line of a file, which is a passphrase or password; else ConfigError."""
    return re.split("\r?\n", read_text(path), maxsplit=1)[0]
