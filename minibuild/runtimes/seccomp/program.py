"""A profile as a program for the kernel: classic BPF over ``struct seccomp_data``. Source: seccomp(2), linux/filter.h.

A call is looked for by halves among ranges of numbers that are treated alike, a few dozens; every piece of code ends in
an answer, so pieces are put one after the other and jumps go forward by the length of a piece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import TypeAlias

from minibuild.errors import UsageError
from minibuild.runtimes.seccomp.profile import ARCHITECTURES, ENOSYS, Condition, Container, Profile, Rule
from minibuild.sandbox.calls import AUDIT, numbers_of

Instruction: TypeAlias = tuple[int, int, int, int]
"""Operation, jump where true, jump where false, operand."""
Code: TypeAlias = tuple[Instruction, ...]

_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_IF_EQUAL, _IF_GREATER, _IF_AT_LEAST = 0x15, 0x25, 0x35
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_FARTHEST, _LONGEST = 255, 4096
_LOW = 0xFFFFFFFF

_ANSWERS: Mapping[str, int] = {
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_TRAP": 0x00030000,
}
_WITH_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_LETTING_PASS = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")
# Where both words have been compared, and what is the same the other way round.
_TESTS: Mapping[str, int] = {
    "SCMP_CMP_GT": _IF_GREATER,
    "SCMP_CMP_LE": _IF_GREATER,
    "SCMP_CMP_GE": _IF_AT_LEAST,
    "SCMP_CMP_LT": _IF_AT_LEAST,
}
_NEGATED = ("SCMP_CMP_NE", "SCMP_CMP_LE", "SCMP_CMP_LT")
# Calls of x32, which kernels are made without. They are told so.
_X32 = 0x40000000


@cache
def program(profile: Profile, container: Container) -> bytes | None:
    """What seccomp(2) takes, an array of ``struct sock_filter``; None for a processor whose calls we don't know.

    Raises UsageError for more rules than the kernel takes.
    """
    if numbers_of(container.processor) is None:
        return None
    rules = tuple(profile.rules_for(container))
    code: Code = (_answer("SCMP_ACT_KILL_PROCESS"),)
    for processor, name in ARCHITECTURES.items():
        numbers = numbers_of(processor)
        if numbers is not None and name in profile.architectures_of(container.processor):
            code = _fork(_IF_EQUAL, AUDIT[processor], _calls(profile, rules, numbers, processor), code)
    code = ((_LOAD, 0, 0, _ARCHITECTURE), *code)
    if len(code) > _LONGEST:
        raise UsageError(f"seccomp profile comes to {len(code)} instructions, of which the kernel takes {_LONGEST}")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _calls(profile: Profile, rules: Sequence[Rule], numbers: Mapping[str, int], processor: str) -> Code:
    """What is done on calls of one architecture."""
    chosen: dict[int, list[Rule]] = {}
    for rule in rules:
        for name in rule.names:
            if name in numbers:
                chosen.setdefault(numbers[name], []).append(rule)
    default: Code = (_answer(profile.action, profile.errno),)
    pieces = [(0, default)]
    for number, applying in sorted(chosen.items()):
        pieces += [(number, _rules(applying, profile)), (number + 1, default)]
    pieces.append((_unheard_of(chosen), _beyond(profile)))
    if processor == "amd64":
        pieces.append((_X32, (_answer("SCMP_ACT_ERRNO", ENOSYS),)))
    return ((_LOAD, 0, 0, _NUMBER), *_search(_ranges(pieces)))


def _unheard_of(chosen: Mapping[int, object]) -> int:
    """The first number after all that a profile has heard of, but for ARM's own, which stand far off."""
    return max((number for number in chosen if number < 0xF0000), default=-1) + 1


def _beyond(profile: Profile) -> Code:
    """Calls younger than the profile don't exist for a program, which then does without: as in runc."""
    errno = profile.errno if profile.action in _LETTING_PASS else ENOSYS
    return (_answer(profile.action if profile.action in _LETTING_PASS else "SCMP_ACT_ERRNO", errno),)


def _ranges(pieces: Sequence[tuple[int, Code]]) -> list[tuple[int, Code]]:
    """The last piece of each number, where it is another than that of the number before."""
    last = sorted(dict(pieces).items())
    return [next(same) for _, same in groupby(last, key=lambda piece: piece[1])]


def _search(ranges: Sequence[tuple[int, Code]]) -> Code:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    return _fork(_IF_AT_LEAST, ranges[middle][0], _search(ranges[middle:]), _search(ranges[:middle]))


def _fork(test: int, operand: int, then: Code, otherwise: Code) -> Code:
    """The nearer jump is the one where the test holds not."""
    if len(otherwise) <= _FARTHEST:
        return ((test, len(otherwise), 0, operand), *otherwise, *then)
    return ((test, 0, 1, operand), (_JUMP, 0, 0, len(otherwise)), *otherwise, *then)


def _answer(action: str, number: int = 0) -> Instruction:
    return (_RETURN, 0, 0, _ANSWERS[action] | (number if action in _WITH_NUMBER else 0))


def _rules(rules: Sequence[Rule], profile: Profile) -> Code:
    """The answer of the first of the rules whose conditions hold, else the profile's."""
    code: list[Instruction] = []
    for rule in rules:
        answer = _answer(rule.action, profile.errno if rule.errno is None else rule.errno)
        for conditions in _alternatives(rule.conditions):
            code += _where(conditions, answer)
        if not rule.conditions:
            return tuple(code)
    return (*code, _answer(profile.action, profile.errno))


def _alternatives(conditions: Sequence[Condition]) -> Iterator[Sequence[Condition]]:
    """Conditions that have to hold at once; those on one and the same argument stand for either: as in runc."""
    if len({condition.index for condition in conditions}) == len(conditions):
        yield conditions
    else:
        yield from ([condition] for condition in conditions)


def _where(conditions: Sequence[Condition], answer: Instruction) -> Code:
    """The answer where all conditions hold; else its end is run past."""
    code: Code = (answer,)
    for condition in reversed(conditions):
        code = (*_comparison(condition, len(code)), *code)
    return code


def _comparison(condition: Condition, length: int) -> Iterator[Instruction]:
    """Goes on where the condition holds, else jumps over ``length`` instructions.

    Words of 32 bits are all that it computes with: the higher decides, unless it is equal.
    """
    operator, value = condition.operator, condition.value
    true, false = (length, 0) if operator in _NEGATED else (0, length)
    masks: list[Instruction | None] = [None, None]
    if operator == "SCMP_CMP_MASKED_EQ":
        masks, value = [(_AND, 0, 0, value >> 32), (_AND, 0, 0, value & _LOW)], condition.other
    low = [*_loaded(condition.index, masks[1]), (_TESTS.get(operator, _IF_EQUAL), true, false, value & _LOW)]
    yield from _loaded(condition.index, masks[0], offset=4)
    if operator in _TESTS:
        yield (_IF_GREATER, 1 + len(low) + true, 0, value >> 32)
    yield (_IF_EQUAL, 0, len(low) + false, value >> 32)
    yield from low


def _loaded(index: int, mask: Instruction | None, offset: int = 0) -> Iterator[Instruction]:
    yield (_LOAD, 0, 0, _ARGUMENTS + 8 * index + offset)
    if mask is not None:
        yield mask
