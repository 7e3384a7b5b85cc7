"""The patterns of ``${name#pattern}`` and its kin: ``*`` and ``?`` over one line, matched in linear time.

A pattern is cut at its stars into segments of fixed length. All segments but the last go to the first place where
they fit, which leaves most room for the others, so that nothing is ever tried twice.
"""

from __future__ import annotations

import re

from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """The segments between stars, each a sequence of regular expressions that match one character."""

    segments: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, pattern: str) -> Pattern:
        """Raises ValueError with the escape that is none: only ``? * \\ } /`` can be escaped."""
        segments: list[list[str]] = [[]]
        at = 0
        while at < len(pattern):
            character = pattern[at]
            at += 1
            if character == "*":
                segments.append([])
            elif character == "?":
                segments[-1].append(".")
            elif character == "\\":
                following = pattern[at : at + 1]
                if following not in ("*", "?", "\\", "}", "/"):
                    raise ValueError("\\" + following)
                segments[-1].append(re.escape(following))
                at += 1
            else:
                segments[-1].append(re.escape(character))
        middle = [segment for segment in segments[1:-1] if segment]
        return cls(tuple(map(tuple, [segments[0], *middle, *segments[1:][-1:]])))

    def without_prefix(self, value: str, *, longest: bool) -> str:
        """The value without the shortest or longest start that matches."""
        match = re.match(_head(self.segments) + _tail(self.segments, longest), value)
        return value[match.end() :] if match else value

    def without_suffix(self, value: str, *, longest: bool) -> str:
        """The value without the shortest or longest end that matches."""
        mirrored = Pattern(tuple(segment[::-1] for segment in self.segments[::-1]))
        return mirrored.without_prefix(value[::-1], longest=longest)[::-1]

    def replaced(self, value: str, replacement: str, *, limit: int, every: bool) -> str:
        """The value with the first longest match, or every one, replaced; raises OverflowError beyond the limit.

        As in Go, an empty match right behind another match doesn't count.
        """
        head, tail = re.compile(_head(self.segments)), re.compile(_tail(self.segments, True))
        parts: list[str] = []
        at = copied = size = 0
        last_end = -1
        while at <= len(value) and (match := head.search(value, at)):
            start = match.start()
            rest = tail.match(value, match.end())
            if rest is None:
                # No star crosses a line's end, so nothing that starts its first star in this line can match either.
                line_end = value.find("\n", match.end())
                if line_end < 0:
                    break
                at = max(start + 1, line_end + 1 - len(self.segments[0]))
                continue
            end = rest.end()
            at = max(end, start + 1)
            if end == start == last_end:
                continue
            parts += (value[copied:start], replacement)
            copied = last_end = end
            size += len(replacement)
            if size > limit:
                raise OverflowError
            if not every:
                break
        return "".join(parts) + value[copied:]


def _head(segments: tuple[tuple[str, ...], ...]) -> str:
    return "".join(segments[0])


def _tail(segments: tuple[tuple[str, ...], ...], longest: bool) -> str:
    if len(segments) == 1:
        return ""
    middle = "".join(f"(?>.*?{''.join(segment)})" for segment in segments[1:-1])
    return middle + (".*" if longest else ".*?") + "".join(segments[-1])
