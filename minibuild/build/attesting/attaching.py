"""Puts what is attested beside the images of a build's targets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from minibuild.build.attesting.made import Made
from minibuild.build.inner import Work
from minibuild.build.journal import Journal
from minibuild.build.request import BuildResult, Target
from minibuild.errors import Finding
from minibuild.oci import Image, Reference
from minibuild.oci.attestation import SLSA_PROVENANCE, SPDX, attestation, statement, subjects_of
from minibuild.oci.times import rfc3339
from minibuild.store import Store
from minibuild.values import dataclass, field, replace

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Attaching:
    """One build's attestations; ``started`` is when it began, in seconds."""

    store: Store
    journal: Journal
    started: float = field(default_factory=time.time)

    def attached(self, work: Work, result: BuildResult, context: Mapping[str, str]) -> BuildResult:
        """The result with what was asked for attached to each of its targets, and kept in the store; ``context`` are
        the digests of a context that was fetched.
        """
        if not work.request.attestations:
            return result
        made = Made(work, result.keys, context)
        targets = tuple(self._with_attestation(made, target) for target in result.targets)
        return replace(result, targets=targets, findings=self.journal.findings)

    def _with_attestation(self, made: Made, target: Target) -> Target:
        [image] = target.image.images
        work = made.work
        names = work.request.tags_of(target.index, target.name, is_last=target.index == work.plan.target)
        predicates: dict[str, Json] = {}
        if work.request.attestations.sbom:
            predicates[SPDX] = self._sbom(image, names)
        if work.request.attestations.provenance:
            predicates[SLSA_PROVENANCE] = self._provenance(made, target)
        subjects = subjects_of(image, names)
        statements = {kind: statement(subjects, kind, predicate) for kind, predicate in predicates.items()}
        for raw in statements.values():
            self.store.blobs.add(raw)
        return replace(target, attached=(attestation(statements),))

    def _sbom(self, image: Image, names: Sequence[Reference]) -> Json:
        from minibuild.inventory.spdx import Subject, document
        from minibuild.inventory.taking import inventory_of

        with self.journal.activity("listing the packages of the result"):
            self.store.fetch(layer.descriptor for layer in image.layers)
            inventory = inventory_of(image, self.store)
        for unread in inventory.unread:
            self.journal.warn(Finding("PackagesUnread", f"{unread.path} isn't read for the SBOM: {unread.reason}"))
        return document(inventory, Subject.of(image, names[0].familiar() if names else "image"))

    def _provenance(self, made: Made, target: Target) -> Json:
        from minibuild.build.attesting.materials import materials_of
        from minibuild.build.attesting.provenance import provenance

        return provenance(made, target.index, materials_of(made, self.store), self._run(made.work))

    def _run(self, work: Work) -> Json:
        """What is of this run alone: nothing where the result is to be the same each time."""
        if work.request.attestations.provenance != "max" or work.request.source_date_epoch is not None:
            return {}
        from uuid import uuid4

        times = {"startedOn": _whole_seconds(self.started), "finishedOn": _whole_seconds(time.time())}
        return {"invocationId": str(uuid4()), **times}


def _whole_seconds(seconds: float) -> str:
    return rfc3339(int(seconds))
