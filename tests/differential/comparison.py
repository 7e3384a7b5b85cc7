"""What of two images is compared: all but what the daemon's older BuildKit is known to do otherwise, with reasons."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.differential.cases import Case
from tests.differential.images import BuiltImage, Node


def files_of(image: BuiltImage, case: Case) -> dict[str, Node]:
    """The tree, by path, without the case's own differences.

    The daemon's storage driver keeps no extended attribute but the one of capabilities.
    """
    kept = {path: node for path, node in image.files.items() if path not in case.differing}
    capabilities = ("security.capability",)
    return {
        path: replace(node, xattrs=tuple((name, value) for name, value in node.xattrs if name in capabilities))
        for path, node in kept.items()
    }


def configuration_of(image: BuiltImage) -> dict[str, object]:
    """The configuration without what it says nothing by, and the author."""
    return {key: value for key, value in image.config.items() if value} | {"author": image.author}


def history_of(image: BuiltImage) -> list[tuple[str, bool]]:
    """The history's lines in words that every BuildKit's come down to, each with whether it made no layer."""
    return [(_in_common_words(line), is_empty) for line, is_empty in image.history]


def _in_common_words(line: str) -> str:
    keyword = line.partition(" ")[0]
    return _COMMON_WORDS[keyword](line) if keyword in _COMMON_WORDS else line


def _without_flags(line: str) -> str:
    """BuildKit 20.10 leaves --chown and --chmod out."""
    return re.sub(r" --ch(?:own|mod)=\S+", "", line)


def _without_values(line: str) -> str:
    """BuildKit 20.10 writes the default though another value was given, and no value that comes from elsewhere."""
    return re.sub(r"=\S*", "", line)


def _sorted_ports(line: str) -> str:
    """BuildKit 20.10 writes a Go map in the place of a list: ``EXPOSE map[80/tcp:{}]``."""
    return " ".join(["EXPOSE", *sorted(set(re.findall(r"\d+/\w+", line)))])


def _without_start_interval(line: str) -> str:
    """BuildKit 20.10 knows no start interval, the fourth duration."""
    return re.sub(r'((?: "[\w.]+"){3}) "[\w.]+" \'', r"\1 '", line)


def _clean_path(line: str) -> str:
    """BuildKit 20.10 writes the path as it was given."""
    return f"WORKDIR {posixpath.normpath(line.removeprefix('WORKDIR '))}"


def _arguments_once(line: str) -> str:
    """BuildKit 20.10 writes an ARG that was declared again again: ``RUN |2 A=1 A=1 /bin/sh …``."""
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
