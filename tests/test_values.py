"""Values are dataclasses: whatever the standard library's do that this package relies on, ours do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from minibuild.values import dataclass, field, replace

Decorator = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Point:
    """A value as nearly all are."""

    x: int
    y: int = 0
    note: str = field(default="", compare=False)
    tags: tuple[str, ...] = field(default_factory=lambda: ("new",), repr=False)

    @property
    def doubled(self) -> int:
        return 2 * self.x


@dataclass(frozen=True, slots=True)
class Named(Point):
    """One that adds a field to another."""

    name: str = "n"


def _made_by(decorator: Decorator) -> Any:
    @decorator(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 0
        note: str = field(default="", compare=False)
        tags: tuple[str, ...] = field(default_factory=lambda: ("new",), repr=False)

    return Point


@pytest.mark.parametrize(
    "ask",
    [
        lambda cls: repr(cls(1, note="n")),
        lambda cls: cls(1) == cls(1, note="other"),
        lambda cls: cls(1) == cls(2),
        lambda cls: cls(1) == (1, 0),
        lambda cls: hash(cls(1)) == hash(cls(1, 0, "other")),
        lambda cls: len({cls(1), cls(1), cls(2)}),
        lambda cls: [(one.name, one.default) for one in dataclasses.fields(cls)],
        lambda cls: dataclasses.asdict(cls(1, tags=())),
        lambda cls: replace(cls(1, 2), y=3) == cls(1, 3),
        lambda cls: (cls.__match_args__, cls.__slots__, hasattr(cls(1), "__dict__")),
        lambda cls: copy.deepcopy(cls(1, 2)) == cls(1, 2),
    ],
)
def test_a_value_is_as_the_standard_library_makes_it(ask: Callable[[Any], object]) -> None:
    assert ask(_made_by(dataclass)) == ask(_made_by(dataclasses.dataclass))


@pytest.mark.parametrize("words", [{}, {"z": 1}, {"x": 1, "z": 2}])
def test_what_is_missing_or_unknown_is_refused_in_the_same_words(words: dict[str, int]) -> None:
    for _ in range(2):  # the first call compiles
        with pytest.raises(TypeError) as ours:
            _made_by(dataclass)(**words)
    with pytest.raises(TypeError) as theirs:
        _made_by(dataclasses.dataclass)(**words)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("change", [lambda it: setattr(it, "x", 2), lambda it: delattr(it, "x")])
def test_a_frozen_value_stays_as_it_is(change: Callable[[object], None]) -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"replace\(\) makes another"):
        change(point)
    assert point == Point(1)


def test_values_travel_by_pickle() -> None:
    assert pickle.loads(pickle.dumps(Named(1, 2, "note", ("a",), "me"))) == Named(1, 2, "note", ("a",), "me")


def test_a_value_that_adds_fields_is_another_value() -> None:
    assert repr(Named(1, name="me")) == "Named(x=1, y=0, note='', name='me')"
    assert Named(1).doubled == 2
    assert Named(1) != Point(1)


def test_one_that_may_change_has_no_hash_and_is_finished_by_its_own_hand() -> None:
    @dataclass
    class Counter:
        step: int
        seen: list[int] = field(default_factory=list)
        total: int = field(default=5, init=False)
        label: str = field(init=False)

        def __post_init__(self) -> None:
            self.label = f"by {self.step}"

    one, other = Counter(2), Counter(2)
    one.seen.append(1)
    assert (other.seen, other.total, other.label, Counter.__hash__) == ([], 5, "by 2", None)


def test_methods_of_its_own_stay() -> None:
    @dataclass(frozen=True)
    class Secret:
        word: str

        def __repr__(self) -> str:
            return "***"

    assert repr(Secret("x")) == "***"
