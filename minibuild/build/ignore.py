"""The ignore file: which paths of a context are left out.

A pattern leaves out what it matches and everything below; the last pattern that matches decides, and ``!`` brings
back. Patterns are those of Go's filepath.Match, with ``**`` for any number of directories. All of them are one
automaton, whose states are kept once found, so that a name costs a step a character, however many patterns there are
and whatever they look like. Source: moby/patternmatcher, MatchesUsingParentResults.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import groupby

from minibuild.build.ignore_patterns import Automaton, Rule, parse_rules, rules_of
from minibuild.source import Source
from minibuild.values import dataclass, field


@dataclass(frozen=True, slots=True)
class _Run:
    """Rules of a kind that follow one another: they leave out, or (``brings_back``) all start with ``!``. ``places``
    are theirs in the automaton.
    """

    brings_back: bool
    places: int


@dataclass(frozen=True, slots=True)
class _Directory:
    """What is known of a directory: whether it is left out, which runs matched it (a bit each), and the automaton's
    state below it.
    """

    is_excluded: bool
    matched: int
    state: int


@dataclass(frozen=True)
class IgnoreFile:
    """The rules of an ignore file, in order. Paths are relative to the context, without ``/`` at either end."""

    source: Source
    rules: tuple[Rule, ...]
    _directories: dict[str, _Directory] = field(default_factory=dict, compare=False, repr=False)
    _decisions: dict[tuple[int, int], tuple[bool, int]] = field(default_factory=dict, compare=False, repr=False)

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
        above, _, name = path.rpartition("/")
        parent = self._directories.get(above) or self._directory(above)
        if parent.is_excluded and not self._brings_back:
            return True
        automaton = self._automaton
        ends = automaton.advance(parent.state, name) & automaton.final
        if not ends:
            return parent.is_excluded
        return self._decision(parent.matched, ends)[0]

    def may_descend(self, path: str) -> bool:
        """Whether a directory has to be walked: it isn't left out, or a later ``!`` may bring back something below."""
        directory = self._directory(path)
        if not directory.is_excluded:
            return True
        decided = directory.matched.bit_length()
        return any(run.brings_back and directory.state & run.places for run in self._runs[decided:])

    def deciding_line(self, path: str) -> int | None:
        """The line, counted from 1, of the rule that decided on the path; None where no rule matches it."""
        matched = self._directory(path).matched
        if not matched:
            return None
        index = matched.bit_length() - 1
        while (parent := path.rpartition("/")[0]) and self._directory(parent).matched >> index & 1:
            path = parent
        ends = self._automaton.advance(self._automaton.start, path) & self._runs[index].places
        return self.rules[self._automaton.first(ends)].line

    @cached_property
    def _runs(self) -> tuple[_Run, ...]:
        pairs = zip(self.rules, self._automaton.places, strict=True)
        runs = groupby(pairs, lambda pair: pair[0].brings_back)
        return tuple(_Run(kind, sum(places for _, places in run)) for kind, run in runs)

    @cached_property
    def _automaton(self) -> Automaton:
        return Automaton([rule.tokens for rule in self.rules])

    @cached_property
    def _brings_back(self) -> bool:
        return any(rule.brings_back for rule in self.rules)

    def _directory(self, path: str) -> _Directory:
        # Parents first, one by one: a path may be deeper than the interpreter's stack.
        missing = []
        while (known := self._directories.get(path)) is None and path:
            missing.append(path)
            path = path.rpartition("/")[0]
        if known is None:
            known = self._directories[""] = _Directory(False, 0, self._automaton.start)
        for directory in reversed(missing):
            known = self._directories[directory] = self._entered(known, directory.rpartition("/")[2])
        return known

    def _entered(self, parent: _Directory, name: str) -> _Directory:
        state = self._automaton.advance(parent.state, name)
        excluded, matched = self._decision(parent.matched, state & self._automaton.final)
        return _Directory(excluded, matched, self._automaton.advance(state, "/"))

    def _decision(self, above: int, ends: int) -> tuple[bool, int]:
        """Whether a path is left out, and the runs that matched it: those that matched its parent, ``above``, and of
        those with an end here the ones that change the answer so far. No other run is asked, here as in moby.
        """
        known = self._decisions.get((above, ends))
        if known is not None:
            return known
        excluded, matched = False, 0
        for index, run in enumerate(self._runs):
            if above >> index & 1 or (run.brings_back is excluded and ends & run.places):
                excluded = not run.brings_back
                matched |= 1 << index
        self._decisions[above, ends] = excluded, matched
        return excluded, matched


NOTHING_IGNORED = IgnoreFile(Source("", ""), ())
