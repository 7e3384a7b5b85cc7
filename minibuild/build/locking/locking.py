"""Finds out what all names in a Dockerfile stand for now, of whatever stage, without building anything."""

from __future__ import annotations

from dataclasses import replace

from minibuild.build.fetching import Fetcher
from minibuild.build.inner import Work
from minibuild.build.inputs import open_inputs
from minibuild.build.journal import Journal
from minibuild.build.locking.lock import Lock
from minibuild.build.places import Access
from minibuild.build.planning import planned
from minibuild.build.request import BuildRequest
from minibuild.build.several import each_of
from minibuild.errors import blame
from minibuild.instructions.effects import CopyFiles, FromImage, SourcePath, origins_of
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store


def locked(request: BuildRequest, store: Store, journal: Journal, cancellation: Cancellation, place: str) -> Lock:
    """The lock that a request's Dockerfile has today, to be written at a place. Registries and servers are asked,
    whatever the store has; what ADD downloads is kept there.
    """
    request = replace(request, all_stages=True, pull=True, lock=None)
    access = replace(Access.of(request), scratch=store.scratch, journal=journal, cancellation=cancellation)
    with open_inputs(request.context, request.dockerfile, access) as inputs:
        for one in each_of(request):
            with planned(one, inputs, store, access, {}) as work:
                fetcher = Fetcher(store, one.environment, cancellation, journal, access.credentials, pins=access.pins)
                _look_up(work, fetcher)
    return Lock(place, access.pins.found)


def _look_up(work: Work, fetcher: Fetcher) -> None:
    """Asks for what a plan takes besides its bases."""
    for index in work.plan.order:
        for step in work.plan.stages[index].steps:
            for origin in origins_of(step.effect):
                if isinstance(origin, FromImage) and work.bases.files_of(origin.name) is None:
                    work.bases.lookup(origin.name, work.request.platform, step.statement.span)
            for source in step.effect.sources if isinstance(step.effect, CopyFiles) else ():
                if not isinstance(source, SourcePath):
                    with blame(source.span):
                        fetcher.fetch(source)
