"""A plain user's build, carried on by a process of its own that is root in a user namespace.

Only a process with a single thread can enter one, and a build that needs none must not ask for one. So a build starts
as it is, and what it finds done already it takes from the cache; when the first step is to be done, and there are RUNs,
all that was read and planned goes to a new process, which performs the plan in the namespace. It tells what happens,
and at last what came out, as pickled values on a pipe. The pipe to it is its lifeline: a byte there cancels the build,
and when it ends, however that came, the process and all its containers end too.
"""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from minibuild.build import daemon
from minibuild.build.journal import Journal
from minibuild.errors import MinibuildError, UnavailableError
from minibuild.events import Event
from minibuild.instructions.effects import RunCommand
from minibuild.runtimes.base import Cancellation
from minibuild.sandbox import entering
from minibuild.store import Store
from minibuild.values import dataclass, field, replace

if TYPE_CHECKING:
    from minibuild.build.bases import Bases
    from minibuild.build.context import DirectoryContext
    from minibuild.build.request import BuildRequest, BuildResult
    from minibuild.dockerfile.statements import Dockerfile
    from minibuild.oci import Layer
    from minibuild.plan import Plan


class NeedsNamespace(Exception):
    """A step is to be done, and the build wants to be root for it or for one that follows."""


@dataclass(frozen=True, slots=True)
class Work:
    """A build, read and planned: nothing but its steps is left to do.

    ``arrived`` are cache mounts that came with caches, by the names of their places. ``only_looks``: steps are looked
    up in the cache, and the first that isn't there raises NeedsNamespace. ``done`` are the keys of steps that this very
    build has done for other platforms: they count even where the cache doesn't.
    """

    request: BuildRequest
    dockerfile: Dockerfile
    plan: Plan
    context: DirectoryContext
    bases: Bases
    arrived: Mapping[str, Layer] = field(default_factory=lambda: MappingProxyType({}))
    only_looks: bool = False
    done: frozenset[str] = frozenset()


Perform: TypeAlias = "Callable[[Work, Store, Journal, Cancellation], BuildResult]"


def perform_as_root(
    perform: Perform, work: Work, store: Store, journal: Journal, cancellation: Cancellation
) -> BuildResult:
    """What a function of a module makes of work: in this process, or for a plain user's RUNs in one that is root in a
    namespace. Where none can be entered it is done as far as a plain user can.
    """
    steps = (step for index in work.plan.order for step in work.plan.stages[index].steps)
    has_runs = any(isinstance(step.effect, RunCommand) for step in steps)
    is_remote = work.request.runtime == daemon.NAME
    if not has_runs or is_remote or not entering.is_plain_user() or entering.obstacle():
        return perform(work, store, journal, cancellation)
    with journal.holding() as forget:
        try:
            return perform(replace(work, only_looks=True), store, journal, cancellation)
        except NeedsNamespace:
            forget()
    return _perform_inside(perform, work, store, journal, cancellation)


def _perform_inside(
    perform: Perform, work: Work, store: Store, journal: Journal, cancellation: Cancellation
) -> BuildResult:
    live = {id(store): "store", id(journal): "journal", id(cancellation): "cancellation"}
    orders = _packed((store.root, journal.numbering), {}) + _packed((perform, work), live)
    # "-P": a directory that somebody builds is no place to import from.
    command = [sys.executable, "-P", "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdin and process.stdout
        lifeline = process.stdin

        def cancel() -> None:
            with suppress(OSError, ValueError):
                _write(lifeline.fileno(), b"!")

        with suppress(BrokenPipeError):  # it has found something in its way, and tells
            _write(lifeline.fileno(), orders)
        with cancellation.telling(cancel):
            if cancellation:
                cancel()
            outcome = _outcome(process.stdout, journal)
    if isinstance(outcome, BaseException):
        raise outcome
    if outcome is None:
        raise UnavailableError(f"the process in the user namespace ended with status {process.returncode}")
    return outcome


def _outcome(answers: IO[bytes], journal: Journal) -> BuildResult | BaseException | None:
    """Shows the events that come; answers what comes last, None where nothing does."""
    with suppress(EOFError):
        while True:
            kind, value = pickle.load(answers)
            if kind == "event":
                journal.write(value)
            else:
                return value  # type: ignore[no-any-return]
    return None


def main() -> None:
    """The process in the namespace: standard input tells what to do, standard output what happens."""
    commands, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(kind: str, value: object) -> None:
        data = _packed((kind, value), {})
        with lock:
            _write(answers, data)

    try:
        tell("result", _perform(commands, lambda event: tell("event", event)))
    except BaseException as error:
        with suppress(BrokenPipeError):
            tell("error", _portable(error))
    # All is closed that had to be, and taking an interpreter down takes its time.
    os._exit(0)


def _perform(commands: int, progress: Callable[[Event], None]) -> BuildResult:
    stream = os.fdopen(commands, "rb")
    root, numbering = pickle.load(stream)
    entering.enter()
    cancellation, journal = Cancellation(), Journal(progress, numbering)
    with Store.at(root) as store:
        live = {"store": store, "journal": journal, "cancellation": cancellation}
        perform, work = _Unpickler(stream, live).load()
        threading.Thread(target=_obey, args=(stream, cancellation), name="lifeline", daemon=True).start()
        result: BuildResult = perform(work, store, journal, cancellation)
        return result


def _obey(stream: IO[bytes], cancellation: Cancellation) -> None:
    while stream.read(1):
        cancellation.set()
    os._exit(1)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _portable(error: BaseException) -> BaseException:
    """The error with its traceback as a note; what can't travel, as a RuntimeError that says the same."""
    import traceback

    text = "".join(traceback.format_exception(error))
    error.add_note(f"in the user namespace:\n{text}")
    try:
        _packed(error, {})
    except Exception:
        return RuntimeError(text)
    return error


class _Pickler(pickle.Pickler):
    """Writes values; the process's own things by their names."""

    def __init__(self, file: IO[bytes], live: dict[int, str]) -> None:
        super().__init__(file)
        self._live = live

    def persistent_id(self, thing: Any) -> str | None:
        """The name of what isn't a value."""
        return self._live.get(id(thing))

    def reducer_override(self, thing: Any) -> Any:
        """What pickle doesn't know by itself."""
        if isinstance(thing, MappingProxyType):
            return _read_only, (dict(thing),)
        if thing is os.environ:
            return dict, (dict(thing),)
        if isinstance(thing, MinibuildError):  # some want words that ``args`` lack
            return _made_again, (type(thing), thing.args), vars(thing)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], live: dict[str, object]) -> None:
        super().__init__(file)
        self._live = live

    def persistent_load(self, name: str) -> object:
        return self._live[name]


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


def _made_again(kind: type[MinibuildError], words: tuple[Any, ...]) -> MinibuildError:
    return kind.__new__(kind, *words)


def _packed(value: object, live: dict[int, str]) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, live).dump(value)
    return buffer.getvalue()


if __name__ == "__main__":
    # By its name, which pickled values say, and not by that of the main program.
    from minibuild.build import inner

    inner.main()
