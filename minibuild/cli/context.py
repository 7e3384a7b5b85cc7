"""``minibuild context``: what a build would have of its context, and which line of an ignore file decided so."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from minibuild.cli.display.text import visible
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.units import human_size
from minibuild.errors import UsageError, did_you_mean
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.build.context import DirectoryContext

FORMATS = ("text", "json")
_LARGEST = 5
_KINDS = {"FILE": "file", "HARDLINK": "file", "SYMLINK": "symlink", "DIRECTORY": "directory"}


@dataclass(frozen=True, slots=True)
class Row:
    """A path of the context. ``line`` is that of the ignore file which decided on it, None where none did; a directory
    that is left out stands for all below it.
    """

    path: str
    kind: str
    size: int
    is_sent: bool
    line: int | None = None

    @property
    def is_file(self) -> bool:
        """It is no directory."""
        return self.kind != "directory"

    @property
    def title(self) -> str:
        """The path as people read it: one of a directory ends with a slash."""
        return self.path if self.is_file else f"{self.path}/"


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    words = "Lists what a build would have of CONTEXT: all but what an ignore file leaves out."
    parser = Parser("context", words, "[CONTEXT]", most=1)
    add = parser.add_argument
    words = "the Dockerfile (default: CONTEXT/Dockerfile): FILE.dockerignore goes before .dockerignore"
    add("-f", "--file", metavar="FILE", default="", help=words)
    words = "list what is left out too, and the line of the ignore file that decided on each path"
    add("--explain", action="store_true", help=words)
    add("--format", metavar="|".join(FORMATS), default="text", help="how to show it (default: text)")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Lists the context."""
    if arguments.format not in FORMATS:
        hint = did_you_mean(arguments.format, FORMATS) or f"choose from {', '.join(FORMATS)}"
        raise UsageError(f"--format knows no {arguments.format!r}", hint=hint)
    from minibuild.build.inputs import Access, open_context

    words = arguments.operands[0] if arguments.operands else "."
    with open_context(words, arguments.file, Access(environment=session.environment)) as context:
        rows = list(rows_of(context))
        shown = rows if arguments.explain else [row for row in rows if row.is_sent]
        if arguments.format == "json":
            session.print(json.dumps(document(context, rows, shown), indent=2))
            return 0
        lines = _explained(context, shown) if arguments.explain else _listed(shown)
        session.output.writelines(f"{line}\n" for line in lines)
        session.print("\n".join(["", *summary(context, rows)]))
    return 0


def rows_of(context: DirectoryContext) -> Iterator[Row]:
    """All paths of a context, in their order."""
    for path, entry in context.survey():
        line = context.ignore.deciding_line(path)
        if entry is not None:
            yield Row(path, _KINDS[entry.kind.name], entry.size, True, line)
            continue
        place = os.path.join(context.root, path)
        kind = "symlink" if os.path.islink(place) else "directory" if os.path.isdir(place) else "file"
        is_special = kind == "file" and not os.path.isfile(place)
        yield Row(path, "special" if is_special else kind, 0, False, line)


def _listed(rows: Sequence[Row]) -> Iterator[str]:
    """Sizes and paths; directories only where nothing is in them."""
    for number, row in enumerate(rows):
        if row.is_file or not any(other.path.startswith(f"{row.path}/") for other in rows[number + 1 : number + 2]):
            yield f"{human_size(row.size) if row.is_file else '':>8}  {visible(row.title)}"


def _explained(context: DirectoryContext, rows: Sequence[Row]) -> Iterator[str]:
    """What becomes of each path, and why."""
    source = context.ignore.source
    for row in rows:
        reason = f"  {source.name}:{row.line}: {source.line(row.line).strip()}" if row.line is not None else ""
        if row.kind == "special" and not reason:
            reason = "  no regular file, directory or symlink"
        yield f"{'sent' if row.is_sent else 'left out':<10}{visible(row.title + reason)}"


def summary(context: DirectoryContext, rows: Sequence[Row]) -> Iterator[str]:
    """How much it is, in which directories most of it is, and how much is left out."""
    if context.emptiness:
        yield context.emptiness
        return
    files = [row for row in rows if row.is_sent and row.is_file]
    yield f"{len(files):,} file{'' if len(files) == 1 else 's'}, {human_size(sum(row.size for row in files))}"
    largest = sorted(_directories(files).items(), key=lambda item: (-item[1], item[0]))[:_LARGEST]
    if largest:
        yield "most of it in: " + ", ".join(f"{visible(name)}/ {human_size(size)}" for name, size in largest)
    out = sum(not row.is_sent and row.line is not None for row in rows)
    if context.ignore.source.name:
        yield f"left out by {context.ignore.source.name}: {out:,} path{'' if out == 1 else 's'}, with all below"


def _directories(files: Iterable[Row]) -> dict[str, int]:
    """How much the directories at the top hold."""
    sizes: dict[str, int] = {}
    for row in files:
        name, slash, _ = row.path.partition("/")
        if slash:
            sizes[name] = sizes.get(name, 0) + row.size
    return {name: size for name, size in sizes.items() if size}


def document(context: DirectoryContext, rows: Sequence[Row], shown: Sequence[Row]) -> dict[str, object]:
    """The rows that are shown, and what all of them come to."""
    files = [row for row in rows if row.is_sent and row.is_file]
    return {
        "ignoreFile": context.ignore.source.name,
        "files": len(files),
        "size": sum(row.size for row in files),
        "leftOut": sum(not row.is_sent for row in rows),
        "paths": [_encoded(context, row) for row in shown],
    }


def _encoded(context: DirectoryContext, row: Row) -> dict[str, object]:
    fields: dict[str, object] = {"path": row.path, "kind": row.kind, "size": row.size, "sent": row.is_sent}
    if row.line is not None:
        fields["rule"] = {"line": row.line, "pattern": context.ignore.source.line(row.line).strip()}
    return fields
