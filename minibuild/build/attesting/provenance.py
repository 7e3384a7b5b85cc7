"""How a build was made, as SLSA's provenance v1 says it.

Source: https://slsa.dev/spec/v1.0/provenance. The build type's parameters: ``context`` (``local``, or an address),
``dockerfile`` (its name and digest), ``target``, ``platform``; with ``mode=max`` also ``buildArguments``, ``labels``
and ``buildContexts``, and as internal parameters the Dockerfile's text and its steps. Addresses come without
credentials; of a directory of this machine no path is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from minibuild.build.inner import Work
from minibuild.checks.credentials import masked
from minibuild.oci import Digest
from minibuild.plan import Stage
from minibuild.plan.scope import PROXIES
from minibuild.version import __version__

BUILD_TYPE = "urn:minibuild:dockerfile:v1"
BUILDER = "urn:minibuild:builder"
"""Who builds, where nobody says another: whoever runs minibuild, wherever."""

Json: TypeAlias = dict[str, Any]


def provenance(work: Work, stage: Stage, materials: Sequence[Json], run: Json) -> Json:
    """The predicate about a target. ``run`` is SLSA's metadata of this very run, {} for none: the rest is the same
    whenever the same is built.
    """
    is_full = work.request.attestations.provenance == "max"
    builder: Json = {"id": work.request.attestations.builder or BUILDER, "version": {"minibuild": __version__}}
    definition: Json = {
        "buildType": BUILD_TYPE,
        "externalParameters": {**_asked(work, stage), **(_asked_in_full(work) if is_full else {})},
        **({"internalParameters": _worked_out(work)} if is_full else {}),
        "resolvedDependencies": list(materials),
    }
    return {"buildDefinition": definition, "runDetails": {"builder": builder, **({"metadata": run} if run else {})}}


def _asked(work: Work, stage: Stage) -> Json:
    source = work.dockerfile.source
    digest = Digest.of(source.text.encode("utf-8", "surrogateescape"))
    return {
        "context": _place(work.request.context),
        "dockerfile": {"name": _name(source.name), "digest": {"sha256": digest.hex}},
        "target": stage.title,
        "platform": str(work.request.platform),
    }


def _asked_in_full(work: Work) -> Json:
    request = work.request
    arguments = {name: masked(value) for name, value in request.build_arguments.items() if name not in PROXIES}
    return {
        "buildArguments": dict(sorted(arguments.items())),
        "labels": dict(sorted(request.labels.items())),
        "buildContexts": {name: _place(place) for name, place in sorted(request.named_contexts.items())},
    }


def _worked_out(work: Work) -> Json:
    source = work.dockerfile.source
    return {"dockerfile": {"name": _name(source.name), "content": masked(source.text)}, "steps": list(_steps(work))}


def _steps(work: Work) -> Iterator[Json]:
    """The steps of the stages that were needed, in the order of the file."""
    for index in work.plan.order:
        for step in work.plan.stages[index].steps:
            line, text = step.statement.span.line, masked(step.statement.original.strip())
            yield {"stage": index, "number": step.number, "line": line, "instruction": text}


def _place(words: str) -> str:
    """An address without credentials; ``local`` for what is on this machine."""
    from minibuild.build.places import is_url
    from minibuild.build.remote.http import shown
    from minibuild.instructions.git_place import is_git, parse_place

    if is_git(words):
        place = parse_place(words)
        parts = [part for part in (place.ref, place.directory) if part]
        return f"{place.remote}{'#' + ':'.join(parts) if parts else ''}"
    if is_url(words):
        return shown(words)
    return words if words.startswith("docker-image://") else "local"


def _name(words: str) -> str:
    """The Dockerfile's name, of a path on this machine the last component."""
    return words if "://" in words else words.rpartition("/")[2]
