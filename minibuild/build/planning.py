"""A request read and planned: what is left is to perform it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from minibuild.build.bases import Bases
from minibuild.build.epoch import Sources, dated
from minibuild.build.fetching import Fetcher
from minibuild.build.inner import Work
from minibuild.build.inputs import Access, Inputs
from minibuild.build.journal import Journal
from minibuild.build.named import open_contexts
from minibuild.build.request import BuildRequest
from minibuild.build.several import each_of
from minibuild.build.window import window_on
from minibuild.checks import check, refuse_if_strict
from minibuild.oci import Layer
from minibuild.plan import plan
from minibuild.plan.reading import read
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store


def arrived_caches(
    request: BuildRequest, store: Store, journal: Journal, cancellation: Cancellation
) -> Mapping[str, Layer]:
    """Makes caches from elsewhere known; answers the cache mounts among them."""
    if not (request.caches.sources or request.caches.destinations):
        return {}
    from minibuild.build.travelling.exporting import check_destinations
    from minibuild.build.travelling.importing import import_caches
    from minibuild.build.travelling.place import Access as CacheAccess

    accesses = [replace(CacheAccess.of(one), cancellation=cancellation) for one in each_of(request)]
    check_destinations(request.caches, accesses[0])
    return {} if request.no_cache else import_caches(request.caches, accesses, store, journal)


@contextmanager
def planned(
    request: BuildRequest, inputs: Inputs, store: Store, access: Access, arrived: Mapping[str, Layer]
) -> Iterator[Work]:
    """The work that a request comes to, while the files are there that it takes."""
    journal, cancellation = access.journal, access.cancellation
    bases = Bases.of(request, store, access)
    dockerfile = read(inputs.source)
    environment, credentials = request.environment, access.credentials
    fetcher = Fetcher(store, environment, cancellation, journal, credentials, dates_by_commit=True, pins=access.pins)
    request = dated(request, dockerfile, inputs.context, Sources(fetcher, access))
    if request.rewrites_times:
        from minibuild.build.rewriting import check_epoch

        check_epoch(request.source_date_epoch)
    arguments = request.build_arguments
    window = window_on(inputs.context.ignore)
    found = check(dockerfile, plan(dockerfile, bases.lookup, request.options()), window, arguments)
    for finding in found.findings:
        journal.warn(finding)
    refuse_if_strict(dockerfile, found.findings, arguments)
    with open_contexts(request.named_contexts, found, access) as bases.files:
        yield Work(request, dockerfile, found, inputs.context, bases, arrived)
