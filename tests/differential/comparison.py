"""What of two images is compared: all but what the daemon's older BuildKit is known to do otherwise, with reasons."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.differential.cases import Case
from tests.differential.images import BuiltImage, Node

BASE = "fixtures/stand-ins"
"""What the history of stand-ins says of every layer."""
_SHORT = 300


def files_of(image: BuiltImage, case: Case) -> dict[str, Node]:
    """The tree, by path, without the case's own differences."""
    return {path: _capabilities_alone(node) for path, node in image.files.items() if path not in case.differing}


def configuration_of(image: BuiltImage) -> dict[str, object]:
    """The configuration without what it says nothing by, the author and the platform."""
    said = {key: value for key, value in image.config.items() if value}
    if "WorkingDir" in said:
        said["WorkingDir"] = _without_last_slash(said["WorkingDir"])
    return said | {"author": image.author, "platform": image.platform}


def history_of(image: BuiltImage) -> list[tuple[str, bool]]:
    """The history's lines in words that every BuildKit's come down to, each with whether it made no layer."""
    return [(_in_common_words(line), is_empty) for line, is_empty in image.history]


def listing(image: BuiltImage) -> str:
    """What the steps of a build made of the tree of their base, a path a line, for people to read."""
    own = image.layers[sum(line == BASE for line, _ in image.history) :]
    paths = sorted({path for layer in own for path in layer})
    return "".join(f"{_listed(path, image.files.get(path))}\n" for path in paths)


def _listed(path: str, node: Node | None) -> str:
    if node is None:
        return f"(gone) {path}"
    text = node.content if len(node.content) <= _SHORT else f"{node.content[:_SHORT]}…"
    content = f": {json.dumps(text, ensure_ascii=False)}" if node.kind == "file" else ""
    return f"{node.kind} {node.permissions or '-'} {node.owner} /{path}{node.link and f' -> {node.link}'}{content}"


def _capabilities_alone(node: Node) -> Node:
    """BuildKit 20.10 keeps no extended attribute but the one of capabilities."""
    return replace(node, xattrs=tuple(pair for pair in node.xattrs if pair[0] == "security.capability"))


def _without_last_slash(directory: str) -> str:
    """BuildKit 20.10 keeps the slash at the end of a WORKDIR."""
    return posixpath.normpath(directory)


def _in_common_words(line: str) -> str:
    keyword = line.partition(" ")[0]
    return _COMMON_WORDS[keyword](line) if keyword in _COMMON_WORDS else line


def _without_flags(line: str) -> str:
    """BuildKit 20.10 leaves --chown and --chmod out of a history line."""
    return re.sub(r" --ch(?:own|mod)=\S+", "", line)


def _without_values(line: str) -> str:
    """BuildKit 20.10 writes an ARG's default though another value was given, and none that comes from elsewhere."""
    return re.sub(r"=\S*", "", line)


def _sorted_ports(line: str) -> str:
    """BuildKit 20.10 writes a Go map in the place of a list of ports."""
    return " ".join(["EXPOSE", *sorted(set(re.findall(r"\d+/\w+", line)))])


def _without_start_interval(line: str) -> str:
    """BuildKit 20.10 knows no start interval of a health check."""
    return re.sub(r'((?: "[\w.]+"){3}) "[\w.]+" \'', r"\1 '", line)


def _clean_path(line: str) -> str:
    """BuildKit 20.10 writes the path of a WORKDIR as it was given."""
    return f"WORKDIR {posixpath.normpath(line.removeprefix('WORKDIR '))}"


def _arguments_once(line: str) -> str:
    """BuildKit 20.10 writes an ARG that was declared twice twice."""
    counted = re.match(r"RUN \|(\d+) ", line)
    if counted is None:
        return line
    words = line[counted.end() :].split(" ")
    arguments = dict(word.partition("=")[::2] for word in words[: int(counted[1])])
    return " ".join(["RUN", *(f"{name}={value}" for name, value in arguments.items()), *words[int(counted[1]) :]])


_COMMON_WORDS: Mapping[str, Callable[[str], str]] = {
    "ADD": _without_flags,
    "ARG": _without_values,
    "COPY": _without_flags,
    "EXPOSE": _sorted_ports,
    "HEALTHCHECK": _without_start_interval,
    "RUN": _arguments_once,
    "WORKDIR": _clean_path,
}

ALLOWANCES = (_capabilities_alone, _without_last_slash, *_COMMON_WORDS.values())
"""What is allowed for in every case, each told by the first line of its docstring; ``differences.md`` has them all."""
