"""Why a step isn't cached: its key's typed parts compared with those of the most alike step that was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from minibuild.build.origins import binds_of
from minibuild.instructions.effects import CopyFiles, RunCommand, SourcePath
from minibuild.plan import Step
from minibuild.store import Record, Records

Parts: TypeAlias = Mapping[str, Any]

NEVER_DONE = "it was not done before"
_MOST_NAMED = 3
# What the fields of effects are called in a Dockerfile.
_NAMES: Mapping[str, str] = MappingProxyType(
    {"directory": "WORKDIR", "user": "USER", "owner": "--chown", "mode": "--chmod", "excluded": "--exclude"}
)
_WHOLE: Mapping[str, str] = MappingProxyType(
    {"arguments": "its command", "files": "its here-document", "inline": "its here-document", "sources": "its sources"}
)


def explain(records: Records, key: str, parts: Parts, step: Step, place: str) -> tuple[str, ...]:
    """What changed since the step was last cached: one short phrase a change, such as ``src/app.py changed``.

    ``place`` is what records of the same step have been kept under.
    """
    if records.has(key):
        return ("what it made is not in the store any more, or was made upon something else",)
    parts = json.loads(json.dumps(dict(parts)))  # as the others come from the store
    alike = _most_alike(parts, records.latest(place))
    if alike is None:
        return (NEVER_DONE,)
    try:
        return tuple(dict.fromkeys(_changes(alike.parts, parts, step))) or ("what it stands on changed",)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        return (NEVER_DONE,)  # a cache from elsewhere tells strange things of what was done


def _most_alike(parts: Parts, known: Sequence[Record]) -> Record | None:
    """Of the steps that were done there, the newest that is the same up to the files or the values of variables, or
    else one upon the same parent.
    """
    kind = parts["effect"]["is"]
    same = [
        record
        for record in known
        if record.parts.get("effect", {}).get("is") == kind
        and ("files" in record.parts.get("inputs", {})) == ("files" in parts["inputs"])
    ]
    tests: tuple[Callable[[Record], bool], ...] = (
        lambda record: record.parts["parent"] == parts["parent"] and _gist(record.parts) == _gist(parts),
        lambda record: _gist(record.parts) == _gist(parts),
        lambda record: bool(parts["parent"]) and record.parts["parent"] == parts["parent"],
    )
    return next((record for test in tests for record in same if test(record)), None)


def _gist(parts: Parts) -> object:
    effect = parts["effect"]
    return effect.get("arguments") or [effect.get("sources"), effect.get("destination"), effect.get("path")]


def _changes(old: Parts, new: Parts, step: Step) -> Iterator[str]:
    if old["schema"] != new["schema"]:
        yield "it was done by another version of minibuild"
    for name in sorted(new["effect"].keys() | old["effect"].keys()):
        before, after = old["effect"].get(name), new["effect"].get(name)
        if before != after:
            yield from _environment(before, after, step) if name == "environment" else _field(name, before, after)
    for name in sorted(new["inputs"].keys() | old["inputs"].keys()):
        before, after = old["inputs"].get(name), new["inputs"].get(name)
        if before != after and name == "files" and before and after:
            yield from _files(_by_path(before, step), _by_path(after, step))
        elif before != after:
            yield f"{name} changed"
    if old["parent"] != new["parent"] and step.number == 2:
        yield "the base image changed"


def _field(name: str, before: object, after: object) -> Iterator[str]:
    if name in _WHOLE or not isinstance(before, str | None) or not isinstance(after, str | None):
        yield f"{_WHOLE.get(name, _NAMES.get(name, f'its {name}'))} changed"
    else:
        yield _was_and_is(_NAMES.get(name, name), before, after)


def _environment(before: Any, after: Any, step: Step) -> Iterator[str]:
    old, new = (dict(pairs or ()) for pairs in (before, after))
    said = {name for name, _ in step.before.config.environment}
    for name in (*new, *(old.keys() - new.keys())):
        if old.get(name) != new.get(name):
            kind = "ENV " if name in said else "ARG " if name in new else ""
            yield _was_and_is(f"{kind}{name}", old.get(name), new.get(name))


def _was_and_is(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"{name} is new: {after!r}"
    return f"{name} is gone, was {before!r}" if after is None else f"{name} was {before!r}, is {after!r}"


def _files(old: Mapping[str, Sequence[Any]], new: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    both = [path for path in new if path in old]
    content = [path for path in both if _content(old[path]) != _content(new[path])]
    others = [path for path in both if old[path] != new[path] and path not in set(content)]
    yield from _listed(content, "changed")
    yield from _listed(others, "has another mode, owner or attribute")
    yield from _listed([path for path in new if path not in old], "is new")
    yield from _listed([path for path in old if path not in new], "is gone")


def _content(row: Sequence[Any]) -> Sequence[Any]:
    return [row[1], row[3]]


def _listed(paths: Sequence[str], what: str) -> Iterator[str]:
    yield from (f"{path} {what}" for path in paths[:_MOST_NAMED])
    if len(paths) > _MOST_NAMED:
        yield f"{len(paths) - _MOST_NAMED} more {what}"


def _by_path(rows: Sequence[Any], step: Step) -> dict[str, Sequence[Any]]:
    """The rows of ``selecting.fingerprint`` by the paths that people know the files by."""
    match step.effect:
        case CopyFiles(sources=sources):
            patterns = [source.pattern for source in sources if isinstance(source, SourcePath)]
            return {_path(row, patterns): row for row in rows}
        case RunCommand() as run:
            pairs = zip(binds_of(run), rows, strict=False)
            return {_path(row, [mount.source]): row for mount, below in pairs for row in below}
        case _:
            return {}


def _path(row: Sequence[Any], sources: Sequence[str]) -> str:
    """A row has a file's own name, or what comes after the directory that was named."""
    name = str(row[0])
    if name and not name.startswith("/"):
        return next((source for source in sources if source.rpartition("/")[2] == name), name)
    return f"{sources[0] if len(sources) == 1 else ''}{name}".lstrip("/") or "."
