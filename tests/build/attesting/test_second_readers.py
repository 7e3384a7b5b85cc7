"""What is attested is what in-toto's own schemas say it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from minibuild.build.attesting.wishes import Attestations
from minibuild.oci import Reference
from minibuild.oci.attestation import SLSA_PROVENANCE
from tests.build.attesting.test_attaching import DOCKERFILE, statements
from tests.build.test_engine import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    bench = Bench(tmp_path / "context", tmp_path / "store")
    bench.write(f="one", **{"package.json": '{"name": "a", "version": "1.0.0"}'})
    bench.build("FROM scratch\nCOPY f /g\n", tags=(Reference.parse("base:1"),))
    return bench


@pytest.mark.parametrize("names", [(), ("app:1", "registry.example/team/app:1")], ids=["nameless", "named"])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_in_toto_takes_the_statements(bench: Bench, mode: str, names: tuple[str, ...]) -> None:
    tags = tuple(map(Reference.parse, names))
    dockerfile = DOCKERFILE.replace("FROM scratch", "FROM base:1")
    index = bench.build(dockerfile, tags=tags, attestations=Attestations(sbom=True, provenance=mode)).image
    found = statements(bench, index)
    assert len(found) == 2
    for document in found.values():
        # Fields of other names than the schema's are errors, and so are values of other kinds.
        Statement.copy_from_pb(ParseDict(document, StatementMessage())).validate()
    provenance = ParseDict(found[SLSA_PROVENANCE]["predicate"], Provenance())
    for material in provenance.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(material).validate()
