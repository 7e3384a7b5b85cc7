"""Where RUN is carried out: in trees and by a runtime of this machine, or else in a docker daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from minibuild.build import running
from minibuild.build.accounts import accounts_in
from minibuild.build.committing import ChainedLayer
from minibuild.build.inner import NeedsNamespace
from minibuild.build.journal import Activity
from minibuild.build.leaks import Leaks
from minibuild.build.rootfs import RootFilesystems
from minibuild.errors import Finding, UnavailableError, UsageError
from minibuild.instructions.effects import RunCommand
from minibuild.layers import owners
from minibuild.layers.entry import Change
from minibuild.layers.owners import Owner
from minibuild.plan import Step
from minibuild.runtimes.base import Runtime
from minibuild.sandbox.entering import is_plain_user, obstacle
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.build.engine import Engine


class Ground(Protocol):
    """Where the RUNs of a build are carried out; all its stages' threads share one."""

    def run(
        self, step: Step, effect: RunCommand, layers: Sequence[ChainedLayer], chain: str, activity: Activity
    ) -> Callable[[], Iterable[Change]]:
        """Runs a command on top of layers and keeps the tree under a chain; answers what lists its changes."""

    def close(self) -> None:
        """Throws away what was kept for this build alone."""


def found(engine: Engine) -> Ground:
    """The ground that a build asks for, else the first that there is; raises UnavailableError where there is none."""
    from minibuild.build import daemon

    request = engine.request
    if request.runtime == daemon.NAME:
        if request.snapshotter:
            raise UsageError(
                f"--snapshotter {request.snapshotter} keeps trees here, --runtime {daemon.NAME} in the daemon",
                hint="leave one of the two out",
            )
        return _remote(engine)
    try:
        return _local(engine)
    except UnavailableError as error:
        if request.runtime or request.snapshotter:
            raise
        here = error
    try:
        return _remote(engine)
    except UnavailableError as error:
        raise UnavailableError(f"{here.message}; {daemon.NAME}: {error.message}", hint=here.hint) from error


def _remote(engine: Engine) -> Ground:
    from minibuild.build.daemon.ground import DaemonGround

    return DaemonGround.open(engine)


def _local(engine: Engine) -> Ground:
    from minibuild import runtimes, snapshots

    request, store = engine.request, engine.store
    in_the_way = obstacle() if is_plain_user() else None
    if is_plain_user() and in_the_way is None:
        raise NeedsNamespace
    roots = RootFilesystems(store, snapshots.choose(store.root, request.snapshotter or None))
    limited = request.surroundings.memory or request.surroundings.processors
    try:
        runtime = runtimes.choose(request.runtime or None, store.root / "runtimes.json", needs_cgroups=bool(limited))
    except UnavailableError:
        if in_the_way is None or request.runtime:
            raise
        from minibuild.runtimes.proot import ProotRuntime

        raise UnavailableError(
            f"{in_the_way.message}, and without RUN takes proot: {ProotRuntime.probe()}",
            hint=f"install proot (Debian: apt-get install proot); {in_the_way.hint}",
        ) from None
    for rule, message in runtime.shortcomings.items():
        engine.journal.warn(Finding(rule, message, hint="minibuild info says what is in the way"))
    for rule, message in roots.snapshotter.shortcomings.items():
        engine.journal.warn(Finding(rule, message, hint="--snapshotter native keeps all"))
    if owners.here() is owners.Owners.RECORD and not runtime.shortcomings and not _keeps_owners():
        message = "all files that a RUN gives to others stay root's in the image: nobody can watch what it does here"
        engine.journal.warn(
            Finding("OwnersLost", message, hint="give this user more ids in /etc/subuid and /etc/subgid")
        )
    return LocalGround(engine, roots, runtime)


def _keeps_owners() -> bool:
    from minibuild.sandbox import keeping

    return keeping.is_possible()


@dataclass(frozen=True, slots=True)
class LocalGround:
    """This machine: a snapshotter's trees, and a runtime."""

    engine: Engine
    roots: RootFilesystems
    runtime: Runtime

    def run(
        self, step: Step, effect: RunCommand, layers: Sequence[ChainedLayer], chain: str, activity: Activity
    ) -> Callable[[], Iterable[Change]]:
        """Runs a command in a workspace and seals it; what has changed is listed in the background."""
        engine, span = self.engine, step.statement.span
        with engine.mounting.mounted(effect, self.roots) as mounted, self.roots.workspace(layers) as workspace:
            account = accounts_in(workspace.root).account(effect.user)
            running.make_directory(effect, account, workspace.root)
            surroundings = engine.request.surroundings
            with running.process(effect, account, engine.store.scratch, surroundings, mounted) as process:
                running.run(
                    running.Command(str(step.statement.body), span),
                    lambda output: self.runtime.run(process, workspace.root, mounted.masking(output), engine.stop),
                    activity.output,
                    engine.stop,
                )
                running.report_unkept(process, span, engine.journal.warn)
            leaks = Leaks(mounted.secrets, span, engine.journal.warn)
            return leaks.watching(workspace.commit(chain, Owner(account.uid, account.gid)).changes)

    def close(self) -> None:
        """Trees stay in the store, and mounts go with the thread."""
