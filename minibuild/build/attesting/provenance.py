"""How a build was made, as SLSA's provenance v1 says it.

Source: https://slsa.dev/spec/v1.0/provenance. The build type's parameters: ``context`` (``local``, or an address),
``dockerfile`` (its name and digest), ``target``, ``platform``; with ``mode=max`` also ``buildArguments``, ``labels``
and ``buildContexts``, and as internal parameters the Dockerfile's text and its steps. Addresses come without
credentials; of a directory of this machine no path is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from minibuild.build.attesting.made import Made
from minibuild.build.attesting.materials import place_of
from minibuild.build.inner import Work
from minibuild.build.leaks import needles_of
from minibuild.build.travelling.collecting import below
from minibuild.checks.credentials import masked
from minibuild.oci import Digest
from minibuild.plan import Stage
from minibuild.plan.scope import PROXIES
from minibuild.version import __version__

BUILD_TYPE = "urn:minibuild:dockerfile:v1"
BUILDER = "urn:minibuild:builder"
"""Who builds, where nobody says another: whoever runs minibuild, wherever."""

Json: TypeAlias = dict[str, Any]


def provenance(made: Made, target: int, materials: Sequence[Json], run: Json) -> Json:
    """The predicate about a target, which is a stage's index. ``run`` is SLSA's metadata of this very run, {} for none:
    the rest is the same whenever the same is built.
    """
    work = made.work
    is_full = work.request.attestations.provenance == "max"
    builder: Json = {"id": work.request.attestations.builder or BUILDER, "version": {"minibuild": __version__}}
    definition: Json = {
        "buildType": BUILD_TYPE,
        "externalParameters": {**_asked(work, work.plan.stages[target]), **(_asked_in_full(work) if is_full else {})},
        **({"internalParameters": _worked_out(made, target)} if is_full else {}),
        "resolvedDependencies": list(materials),
    }
    return {"buildDefinition": definition, "runDetails": {"builder": builder, **({"metadata": run} if run else {})}}


def _asked(work: Work, stage: Stage) -> Json:
    source = work.dockerfile.source
    digest = Digest.of(source.text.encode("utf-8", "surrogateescape"))
    return {
        "context": place_of(work.request.context),
        "dockerfile": {"name": _name(source.name), "digest": {"sha256": digest.hex}},
        "target": stage.title,
        "platform": str(work.request.platform),
    }


def _asked_in_full(work: Work) -> Json:
    request = work.request
    arguments = {name: _told(work, value) for name, value in request.build_arguments.items() if name not in PROXIES}
    return {
        "buildArguments": dict(sorted(arguments.items())),
        "labels": dict(sorted(request.labels.items())),
        "buildContexts": {name: place_of(place) for name, place in sorted(request.named_contexts.items())},
    }


def _worked_out(made: Made, target: int) -> Json:
    source = made.work.dockerfile.source
    dockerfile = {"name": _name(source.name), "content": _told(made.work, source.text)}
    return {"dockerfile": dockerfile, "steps": list(_steps(made, target))}


def _steps(made: Made, target: int) -> Iterator[Json]:
    """The steps of the stages that were needed, in the order of the file. Those that the target stands on have the key
    of what they left; the others need not have been looked at.
    """
    plan = made.work.plan
    own = below(plan, target)
    for index in plan.order:
        for step in plan.stages[index].steps:
            line, text = step.statement.span.line, _told(made.work, step.statement.original.strip())
            known = {"key": made.keys[index, step.number]} if index in own and step.effect else {}
            yield {"stage": index, "number": step.number, "line": line, "instruction": text, **known}


def _told(work: Work, text: str) -> str:
    """A text without what the build knows for a secret, and without what looks like one."""
    for name, secret in work.request.surroundings.secrets.items():
        for needle in needles_of(secret.read(name)):
            text = text.replace(needle.decode("utf-8", "surrogateescape"), "***")
    return masked(text)


def _name(words: str) -> str:
    """The Dockerfile's name, of a path on this machine the last component."""
    return words if "://" in words else words.rpartition("/")[2]
