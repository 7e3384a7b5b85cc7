"""The error family: one sentence, the place it blames, a remedy, and the exit code that a shell sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from minibuild.source import Span
from minibuild.values import dataclass


class MinibuildError(Exception):
    """What went wrong, in one lower-case sentence without a full stop that starts with the thing at fault.

    ``span`` is the place in a Dockerfile that is to blame (None: no file is); ``hint`` the remedy, "" where there
    is none to give; ``others`` are further errors found in the same reading, each with a span of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, span: Span | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.hint = hint
        self.others: tuple[MinibuildError, ...] = ()

    @classmethod
    def together(cls, errors: Sequence[MinibuildError]) -> MinibuildError:
        """One error that carries all of them: the first in the file's order leads, the rest are its ``others``."""
        first, *rest = sorted(errors, key=lambda error: error.span.start if error.span else -1)
        first.others = tuple(rest)
        return first


class UsageError(MinibuildError):
    """A command line that can't be taken as it stands."""

    exit_code = 2


class DockerfileError(MinibuildError):
    """A Dockerfile that doesn't say a build."""

    exit_code = 3


class ContextError(MinibuildError):
    """A build context that isn't there, can't be read, or lacks what the Dockerfile copies."""

    exit_code = 4


class CommandFailed(MinibuildError):
    """A RUN whose command ended with another status than 0.

    ``status`` is what a shell would see (127 not found, 126 not executable, 128+n killed by signal n);
    ``output`` its last lines, oldest first.
    """

    exit_code = 5

    def __init__(
        self, message: str, *, status: int, output: Sequence[str] = (), span: Span | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, span=span, hint=hint)
        self.status = status
        self.output = tuple(output)


class UnavailableError(MinibuildError):
    """Something this machine, its kernel or its user can't do: a runtime, a mount, a daemon, a platform."""

    exit_code = 6


class ImageError(MinibuildError):
    """An image that doesn't exist or doesn't follow its specification."""

    exit_code = 7


class RegistryError(ImageError):
    """A registry that refused, failed, or couldn't be reached."""


class IntegrityError(ImageError):
    """Bytes that don't have the digest or the size that was promised."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A warning: the name of its rule (``UndefinedVar``), one sentence, the place, a remedy ("" for none)."""

    rule: str
    message: str
    span: Span | None = None
    hint: str = ""


@contextmanager
def blame(span: Span | None) -> Iterator[None]:
    """Gives an error that leaves the block and blames no place this one."""
    try:
        yield
    except MinibuildError as error:
        if error.span is None:
            error.span = span
        raise


def render_error(error: MinibuildError) -> str:
    """The error as a person reads it: place, sentence, excerpt with carets, remedy; its ``others`` after blank lines.

    No line end at the end.
    """
    place = f"{error.span}: " if error.span else ""
    excerpt = [error.span.excerpt()] if error.span else []
    hint = [f"hint: {_readable(error.hint)}"] if error.hint else []
    own = "\n".join([f"{place}error: {_readable(error.message)}", *excerpt, *hint])
    return "\n\n".join([own, *map(render_error, error.others)])


def _readable(sentence: str) -> str:
    """A sentence without the middle of what it quotes, if that is longer than anybody reads."""
    return sentence if len(sentence) <= 1000 else f"{sentence[:400]} … {sentence[-200:]}"


def did_you_mean(word: str, candidates: Sequence[str]) -> str:
    """``did you mean X?`` with the nearest candidate, whatever its case; "" when none is near.

    Of many candidates the last hundred are compared: what is nearly right is nearly what was said not long before.
    """
    from difflib import get_close_matches

    by_fold = {candidate.casefold(): candidate for candidate in reversed(candidates[-100:])}
    near = get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    return f"did you mean {by_fold[near[0]]}?" if near else ""
