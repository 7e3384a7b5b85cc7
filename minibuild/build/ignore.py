"""The ignore file: which paths of a context are left out.

A pattern leaves out what it matches and everything below; the last pattern that matches decides, and ``!`` brings
back. Patterns are those of Go's filepath.Match, with ``**`` for any number of directories. All patterns of a kind
that follow one another are one automaton, whose states are kept once found, so that a path costs a step a character,
however many patterns there are and whatever they look like. Source: moby/patternmatcher, MatchesUsingParentResults.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from minibuild.build.ignore_patterns import Automaton, Rule, parse_rules, rules_of
from minibuild.source import Source


@dataclass(frozen=True, slots=True)
class _Run:
    """Rules of a kind that follow one another: they leave out, or (``brings_back``) all start with ``!``."""

    rules: tuple[Rule, ...]
    brings_back: bool
    automaton: Automaton

    def matches(self, state: int, name: str) -> bool:
        """Whether a rule matches what led to the state and then a name."""
        return self.automaton.is_match(self.automaton.advance(state, name))


@dataclass(frozen=True, slots=True)
class _Directory:
    """What is known of a directory: whether it is left out, which runs matched it, and their states below it."""

    is_excluded: bool
    matched: tuple[bool, ...]
    states: tuple[int, ...]


@dataclass(frozen=True)
class IgnoreFile:
    """The rules of an ignore file, in order. Paths are relative to the context, without ``/`` at either end."""

    source: Source
    rules: tuple[Rule, ...]
    _directories: dict[str, _Directory] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, source: Source) -> IgnoreFile:
        """Raises ContextError with every pattern that is none."""
        return cls(source, parse_rules(source))

    @classmethod
    def of(cls, patterns: Iterable[str]) -> IgnoreFile:
        """The rules that patterns make which stand in no file; raises ContextError with those that are none."""
        return cls(Source("", ""), rules_of(patterns))

    def excludes(self, path: str) -> bool:
        """Whether the path is left out."""
        if not path:
            return False
        parent, name = self._parent(path)
        if not self._brings_back and parent.is_excluded:
            return True
        excluded = False
        for index, run in enumerate(self._runs):
            if parent.matched[index]:
                excluded = not run.brings_back
            # A rule is asked only if it could change the answer so far.
            elif run.brings_back is excluded and run.matches(parent.states[index], name):
                excluded = not excluded
        return excluded

    def may_descend(self, path: str) -> bool:
        """Whether a directory has to be walked: it isn't left out, or a later ``!`` may bring back something below."""
        directory = self._directory(path)
        if not directory.is_excluded:
            return True
        below = tuple(zip(self._runs, directory.matched, directory.states, strict=True))
        decided = max(index for index, (run, is_match, _) in enumerate(below) if is_match and not run.brings_back)
        return any(run.brings_back and state for run, _, state in below[decided:])

    def deciding_line(self, path: str) -> int | None:
        """The line, counted from 1, of the rule that decided on the path; None where no rule matches it."""
        matched = self._directory(path).matched
        if True not in matched:
            return None
        index = len(matched) - 1 - matched[::-1].index(True)
        while (parent := path.rpartition("/")[0]) and self._directory(parent).matched[index]:
            path = parent
        rule = self._runs[index].rules[self._runs[index].automaton.first_match(path)]
        return rule.line

    @cached_property
    def _runs(self) -> tuple[_Run, ...]:
        runs = [(kind, tuple(rules)) for kind, rules in groupby(self.rules, lambda rule: rule.brings_back)]
        return tuple(_Run(rules, kind, Automaton([rule.tokens for rule in rules])) for kind, rules in runs)

    @cached_property
    def _brings_back(self) -> bool:
        return any(rule.brings_back for rule in self.rules)

    def _parent(self, path: str) -> tuple[_Directory, str]:
        parent, _, name = path.rpartition("/")
        return self._directories.get(parent) or self._directory(parent), name

    def _directory(self, path: str) -> _Directory:
        # Parents first, one by one: a path may be deeper than the interpreter's stack.
        missing = []
        while (known := self._directories.get(path)) is None and path:
            missing.append(path)
            path = path.rpartition("/")[0]
        if known is None:
            starts = tuple(run.automaton.start for run in self._runs)
            known = self._directories[""] = _Directory(False, (False,) * len(starts), starts)
        for directory in reversed(missing):
            known = self._directories[directory] = self._entered(known, directory.rpartition("/")[2])
        return known

    def _entered(self, parent: _Directory, name: str) -> _Directory:
        excluded, matched, states = False, [], []
        for index, run in enumerate(self._runs):
            state = run.automaton.advance(parent.states[index], name)
            is_match = parent.matched[index]
            if is_match or (run.brings_back is excluded and run.automaton.is_match(state)):
                is_match, excluded = True, not run.brings_back
            matched.append(is_match)
            states.append(run.automaton.advance(state, "/"))
        return _Directory(excluded, tuple(matched), tuple(states))


NOTHING_IGNORED = IgnoreFile(Source("", ""), ())
