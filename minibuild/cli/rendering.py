"""How errors and warnings look: the one place that draws them, with colour where a person looks."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from typing import TextIO

from minibuild.cli.display.text import visible
from minibuild.errors import CommandFailed, Finding, MinibuildError, render_error

_BOLD, _RED, _YELLOW, _CYAN, _DIM, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[2m", "\x1b[0m"
_REMEDIES = {
    errno.ENOSPC: "make room there, or keep the store elsewhere with --root DIR",
    errno.EDQUOT: "make room there, or keep the store elsewhere with --root DIR",
    errno.EROFS: "keep the store on a writable filesystem with --root DIR",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
}


def render(error: BaseException) -> str:
    """An error as people read it: our own with place, excerpt and hint; any other in one line."""
    if isinstance(error, MinibuildError):
        # A message may quote what a Dockerfile or a server says: no line of it may steer the terminal.
        return "\n".join([*_last_output(error), *map(visible, render_error(error).split("\n"))])
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0)
        return f"error: {place}{error.strerror}" + (f"\nhint: {remedy}" if remedy else "")
    said = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    return f"error: unexpected {kind}{f': {said}' if said else ''}\nhint: --debug shows the traceback; please report it"


def render_finding(finding: Finding) -> str:
    """A warning: place, sentence, rule, excerpt, remedy; a log must not repeat the tokens of a Dockerfile."""
    from minibuild.checks.credentials import masked

    place = f"{finding.span}: " if finding.span else ""
    lines = [f"{place}warning: {finding.message} ({finding.rule})"]
    if finding.span:
        lines.append(finding.span.excerpt())
    if finding.hint:
        lines.append(f"hint: {finding.hint}")
    return masked("\n".join(lines))


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """A terminal that has colours, and nobody asked for none (https://no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def paint(text: str, *, colour: bool, warning: str = _YELLOW) -> str:
    """Errors and warnings with their heads, carets and hints in colour, warnings' heads in their own; the text itself
    where ``colour`` is off.
    """
    return "\n".join(_painted(line, warning) for line in text.split("\n")) if colour else text


def _last_output(error: MinibuildError) -> list[str]:
    if not isinstance(error, CommandFailed) or not error.output:
        return []
    count = len(error.output)
    head = f"the last {count} lines of its output:" if count > 1 else "its output:"
    return [head, *(f"  {visible(line)}".rstrip() for line in error.output)]


def _painted(line: str, warning: str) -> str:
    if re.fullmatch(r" *\| *\^+", line):
        return line.replace("^", f"{_RED}^", 1) + _PLAIN
    if line.startswith("hint: "):
        return f"{_CYAN}hint:{_PLAIN}{line[5:]}"
    head = re.match(r"(?P<place>(?:\S+:\d+:\d+: )?)(?P<kind>error|warning): ", line)
    if head:
        hue = _RED if head["kind"] == "error" else warning
        return f"{_BOLD}{head['place']}{hue}{head['kind']}:{_PLAIN}{_BOLD} {line[head.end() :]}{_PLAIN}"
    return line
