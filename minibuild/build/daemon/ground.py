"""A build's RUNs in a docker daemon."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from minibuild.build import running
from minibuild.build.accounts import accounts_of
from minibuild.build.committing import ChainedLayer
from minibuild.build.daemon.container import container, run
from minibuild.build.daemon.difference import changes_in
from minibuild.build.daemon.mounting import furnished
from minibuild.build.daemon.session import Session, session
from minibuild.build.journal import Activity
from minibuild.build.leaks import Leaks
from minibuild.instructions.effects import RunCommand
from minibuild.layers.entry import Change
from minibuild.layers.tree import Tree
from minibuild.plan import Step
from minibuild.transports.docker_daemon import connection
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.build.engine import Engine


@dataclass(frozen=True, slots=True)
class DaemonGround:
    """A docker daemon, and what this build has there."""

    engine: Engine
    session: Session
    stack: ExitStack

    @classmethod
    def open(cls, engine: Engine) -> Self:
        """The daemon that the build's environment names; raises UnavailableError where none answers."""
        with ExitStack() as stack:
            opened = stack.enter_context(session(engine.request.environment, engine.store))
            return cls(engine, opened, stack.pop_all())

    def run(
        self, step: Step, effect: RunCommand, layers: Sequence[ChainedLayer], chain: str, activity: Activity
    ) -> Callable[[], Iterable[Change]]:
        """Runs a command in a container of the layers' image, and takes out what it has changed."""
        engine, span = self.engine, step.statement.span
        del chain  # the layer that comes of it is brought to the daemon when it is stood on
        written = [layer.layer() for layer in layers]
        tree = Tree([(layer, engine.store.index(layer)) for layer in written], engine.store.open_tar)
        spool = self.stack.enter_context(tempfile.TemporaryFile(dir=engine.store.scratch))  # noqa: SIM115
        with connection(self.session.environment) as client:
            image = self.session.image(client, written, engine.request.platform)
            account = accounts_of(tree).account(effect.user)
            with furnished(self, client, effect, tree, account, image) as (furniture, mounted):
                surroundings = engine.request.surroundings
                seen = running.environment_of(effect, account, surroundings, mounted)
                process = running.process_of(effect, account, surroundings, environment=seen)
                with container(client, self.session, image, process, furniture) as identity:
                    running.run(
                        running.Command(str(step.statement.body), span),
                        lambda output: run(self.session.environment, identity, mounted.masking(output), engine.stop),
                        activity.output,
                        engine.stop,
                    )
                    changes = changes_in(client, identity, tree, furniture.targets(), cast(BinaryIO, spool))
        return Leaks(mounted.secrets, span, engine.journal.warn).watching(lambda: changes)

    def close(self) -> None:
        """Removes all that this build has in the daemon."""
        self.stack.close()
