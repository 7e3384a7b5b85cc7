"""``RUN --mount``: its little language, checked while reading as far as no variable stands in the way."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, did_you_mean
from minibuild.instructions.base import StageState
from minibuild.instructions.effects import (
    BindMount,
    CacheMount,
    FromContext,
    Origin,
    RunMount,
    SecretMount,
    SshMount,
    TmpfsMount,
)
from minibuild.instructions.notation import is_id, parse_size
from minibuild.instructions.origin import check_origin, origin_of
from minibuild.source import Span
from minibuild.values import dataclass, field

_OWNER = ("mode", "uid", "gid")
# Source: Dockerfile reference, RUN --mount.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "bind": ("target", "readonly", "readwrite", "source", "from"),
    "cache": ("target", "readonly", "readwrite", *_OWNER, "id", "sharing", "from", "source"),
    "tmpfs": ("target", "size"),
    "secret": ("target", *_OWNER, "id", "source", "env", "required"),
    "ssh": ("target", *_OWNER, "id", "required"),
}
_ALSO = {"dst": "target", "destination": "target", "src": "source", "ro": "readonly", "rw": "readwrite"}
_ACCESSES = frozenset(("readonly", "readwrite"))
_SHARINGS = ("shared", "private", "locked")
_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_SECRETS = "/run/secrets"
_FIELD = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")*+)"|(?P<plain>[^,"]*))(?=,|\Z)')


_CHECKS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "mode": (lambda word: bool(re.fullmatch(r"[0-7]+", word)) and int(word, 8) <= 0o7777, "an octal mode"),
    "uid": (is_id, "a number"),
    "gid": (is_id, "a number"),
    "size": (lambda word: parse_size(word) is not None, "a size such as 64m"),
    "sharing": (lambda word: word.lower() in _SHARINGS, "shared, private or locked"),
    "readonly": (lambda word: word.lower() in _TRUTHS, "true or false"),
    "readwrite": (lambda word: word.lower() in _TRUTHS, "true or false"),
    "required": (lambda word: word.lower() in _TRUTHS, "true or false"),
    "env": (lambda word: bool(re.fullmatch(r"[^=\0]+", word)), "the name of a variable"),
    "target": (lambda word: posixpath.normpath("/" + word).lstrip("/") != "" or word in (".", "./"), "a path below /"),
}


@dataclass(frozen=True, slots=True)
class MountFlag:
    """One ``--mount`` as it is written: ``text`` all of it, ``values`` by the chief name of each key, a bare key being
    ``true``. All but ``from`` may hold variables.
    """

    text: Text
    kind: str
    values: Mapping[str, Text] = field(compare=False)

    @classmethod
    def parse(cls, text: Text) -> MountFlag:
        """Raises DockerfileError at the word that can't be: a type, a key, a value that no variable makes up."""
        items = list(_items(text))
        kind = _kind(items)
        values: dict[str, Text] = {}
        for item in items:
            for name, said in _value(kind, item):
                if name in values:
                    raise DockerfileError(f"--mount has {name} twice", span=item.span)
                if name in _ACCESSES and values.keys() & _ACCESSES:
                    raise DockerfileError("--mount is readonly or readwrite, not both", span=item.span)
                values[name] = said
        for name, said in values.items():
            if name == "from":
                check_origin(said, "from")
            elif "$" not in said.value:
                _check(name, said.value, said)
        flag = cls(text, kind, values)
        flag.check_whole()
        return flag

    def check_whole(self) -> None:
        """Raises DockerfileError where something is missing."""
        if self.kind in ("bind", "cache", "tmpfs") and "target" not in self.values:
            raise DockerfileError(
                f"--mount of type {self.kind} wants a target", span=self.text.span, hint="add target=/path"
            )
        if self.kind == "secret" and not self.values.keys() & {"id", "source", "target"}:
            raise DockerfileError("--mount of type secret wants an id", span=self.text.span, hint="add id=name")

    @property
    def origin(self) -> Text | None:
        """The words of ``from``; None where nothing was said."""
        return self.values.get("from")

    def mount(self, state: StageState) -> RunMount:
        """What it means in a state, its variables replaced; raises DockerfileError."""
        said = _Said.of(self, state)
        span = self.text.span
        match self.kind:
            case "bind":
                return BindMount(
                    said.path("target"),
                    origin=self._origin(state) or FromContext(),
                    source=said.source(),
                    read_only=said.read_only(unsaid=True),
                    span=span,
                )
            case "cache":
                target = said.path("target")
                return CacheMount(
                    target,
                    id=said.word("id") or target,
                    sharing=said.word("sharing", "shared").lower(),
                    origin=self._origin(state),
                    source=said.source(),
                    read_only=said.read_only(unsaid=False),
                    mode=said.number("mode", 0o755),
                    uid=said.number("uid"),
                    gid=said.number("gid"),
                    span=span,
                )
            case "tmpfs":
                return TmpfsMount(said.path("target"), parse_size(said.word("size", "0")) or 0, span)
            case "secret":
                return _secret(said, span)
            case _:
                return SshMount(
                    said.word("id", "default"),
                    said.path("target"),
                    said.truth("required"),
                    mode=said.number("mode", 0o600),
                    uid=said.number("uid"),
                    gid=said.number("gid"),
                    span=span,
                )

    def _origin(self, state: StageState) -> Origin | None:
        return None if self.origin is None else origin_of(self.origin, state)


def _secret(said: _Said, span: Span) -> SecretMount:
    target, variable = said.path("target"), said.word("env")
    identity = said.word("source") or said.word("id") or posixpath.basename(target)
    if not target and not variable:
        target = f"{_SECRETS}/{posixpath.basename(identity)}"
    return SecretMount(
        identity,
        target,
        variable,
        said.truth("required"),
        mode=said.number("mode", 0o400),
        uid=said.number("uid"),
        gid=said.number("gid"),
        span=span,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """The values of a mount, variables replaced, by the chief names of their keys."""

    values: Mapping[str, str]
    state: StageState

    @classmethod
    def of(cls, flag: MountFlag, state: StageState) -> _Said:
        """Checks what only now has its value."""
        values = {}
        for key, text in flag.values.items():
            values[key] = text.value if key == "from" else state.expand(text)
            if "$" in text.value and key != "from":
                _check(key, values[key], text)
        if "target" in values and state.absolute(values["target"]) == "/":
            raise DockerfileError("--mount can't have / for its target", span=flag.values["target"].span)
        return cls(values, state)

    def word(self, key: str, unsaid: str = "") -> str:
        return self.values.get(key, unsaid)

    def number(self, key: str, unsaid: int = 0) -> int:
        return int(self.values[key], 8 if key == "mode" else 10) if key in self.values else unsaid

    def truth(self, key: str, *, unsaid: bool = False) -> bool:
        return _TRUTHS[self.values[key].lower()] if key in self.values else unsaid

    def read_only(self, *, unsaid: bool) -> bool:
        return self.truth("readonly", unsaid=not self.truth("readwrite", unsaid=not unsaid))

    def path(self, key: str) -> str:
        return self.state.absolute(self.values[key]) if self.values.get(key) else ""

    def source(self) -> str:
        # Like a chroot: a leading "/" and a ".." above the root both mean the root.
        return posixpath.normpath("/" + self.word("source")).lstrip("/")


def _kind(items: list[Text]) -> str:
    types = [item for item in items if item.value.partition("=")[0].strip().lower() == "type"]
    if not types:
        return "bind"
    if len(types) > 1:
        raise DockerfileError("--mount has type twice", span=types[1].span)
    kind = types[0].value.partition("=")[2].strip().lower()
    if kind not in _KEYS:
        raise DockerfileError(
            f"--mount has the type '{kind}', wanted {', '.join(_KEYS)}",
            span=types[0].span,
            hint=did_you_mean(kind, list(_KEYS)),
        )
    return kind


def _value(kind: str, item: Text) -> Iterator[tuple[str, Text]]:
    """The chief name of an item's key, and its value; nothing for the type."""
    key, equals, value = item.value.partition("=")
    key = key.strip().lower()
    if key == "type":
        return
    chief = _ALSO.get(key, key)
    if not item.value.strip():
        hint = "take the comma out; a blank behind a comma ends the flag"
        raise DockerfileError("--mount has a comma with nothing behind it", span=_comma_at(item.span), hint=hint)
    if chief not in _KEYS[kind]:
        raise DockerfileError(f"--mount of type {kind} has no '{key}'", span=item.span, hint=_instead(kind, key))
    if chief in ("readonly", "readwrite", "required") and not equals:
        yield chief, Text("true", item.source, ((0, item.span.start),))
    elif not value:
        raise DockerfileError(f"--mount's {key} wants a value", span=item.span, hint=f"write {key}=…")
    else:
        yield chief, item.slice(len(item.value) - len(value), len(item.value))


def _comma_at(span: Span) -> Span:
    """The comma before an item, or behind the first."""
    start = span.start - span.source.text.startswith(",", span.start - 1)
    return Span(span.source, start, start + 1)


def _instead(kind: str, key: str) -> str:
    others = [other for other, keys in _KEYS.items() if _ALSO.get(key, key) in keys]
    if others:
        return f"{key} goes with type {', '.join(others)}"
    known = [*_KEYS[kind], *(short for short, long in _ALSO.items() if long in _KEYS[kind])]
    return did_you_mean(key, known) or f"it takes {', '.join(_KEYS[kind])}"


def _check(key: str, value: str, at: Text) -> None:
    if key in _CHECKS and not _CHECKS[key][0](value):
        raise DockerfileError(f"--mount's {key} wants {_CHECKS[key][1]}, got '{value}'", span=at.span)


def _items(text: Text) -> Iterator[Text]:
    """The fields of one line of CSV, which is what the value is; raises DockerfileError at a quote out of place."""
    at = 0
    while at <= len(text.value):
        part = _FIELD.match(text.value, at)
        if part is None:
            start = text.value.index('"', at)
            hint = 'an item in quotes stands in them as a whole: "target=/a,b"'
            raise DockerfileError("--mount has a quote out of place", span=text.slice(start, start + 1).span, hint=hint)
        item = text.slice(*part.span("quoted" if part["quoted"] is not None else "plain"))
        yield Text(item.value.replace('""', '"'), item.source, item.segments)
        at = part.end() + 1
