"""``RUN --mount``: its little language, checked so that a mistake is told before the flag is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, did_you_mean

_TARGET = ("target", "dst", "destination")
_READ_ONLY = ("readonly", "ro", "readwrite", "rw")
_OWNER = ("mode", "uid", "gid")
# Source: Dockerfile reference, RUN --mount.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "bind": (*_TARGET, *_READ_ONLY, "source", "src", "from"),
    "cache": (*_TARGET, *_READ_ONLY, *_OWNER, "id", "sharing", "from", "source", "src"),
    "tmpfs": (*_TARGET, "size"),
    "secret": (*_TARGET, *_OWNER, "id", "env", "required"),
    "ssh": (*_TARGET, *_OWNER, "id", "required"),
}
_BARE = (*_READ_ONLY, "required")


def check_mount(text: Text) -> str:
    """The type of a mount; raises DockerfileError at the word that it can't have: a type, a key, a missing value."""
    items = list(_items(text))
    kind, kind_text = "bind", text
    for item in items:
        key, _, value = item.value.partition("=")
        if key.strip().lower() == "type":
            kind, kind_text = value, item
    if kind not in _KEYS:
        raise DockerfileError(
            f"--mount has the type '{kind}', wanted {', '.join(_KEYS)}",
            span=kind_text.span,
            hint=did_you_mean(kind, list(_KEYS)),
        )
    for item in items:
        _check_item(kind, item)
    names = {item.value.partition("=")[0].strip().lower() for item in items}
    if kind in ("bind", "cache", "tmpfs") and not names & set(_TARGET):
        raise DockerfileError(f"--mount of type {kind} wants a target", span=text.span, hint="add target=/path")
    return kind


def _check_item(kind: str, item: Text) -> None:
    key, equals, value = item.value.partition("=")
    key = key.strip().lower()
    if key == "type":
        return
    if key not in _KEYS[kind]:
        raise DockerfileError(
            f"--mount of type {kind} has no '{key}'", span=item.span, hint=did_you_mean(key, _KEYS[kind])
        )
    if key not in _BARE and not (equals and value):
        raise DockerfileError(f"--mount's {key} wants a value", span=item.span, hint=f"write {key}=…")


def _items(text: Text) -> Iterator[Text]:
    # The value is one line of CSV; its fields are found again in the text for their places.
    import csv

    start = 0
    for field in next(csv.reader([text.value]), []):
        at = max(text.value.find(field, start), start)
        yield Text(field, text.source, text.slice(at, at + len(field)).segments)
        start = at + len(field)
