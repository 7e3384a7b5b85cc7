"""One build for several platforms: what it reads once, what each platform has of its own, and the index it ends in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from minibuild.build.annotations import INDEX, INDEX_DESCRIPTOR, MANIFEST, MANIFEST_DESCRIPTOR, Annotation
from minibuild.build.request import BuildRequest
from minibuild.build.several import joined
from minibuild.errors import ContextError, UnavailableError
from minibuild.oci import ImageIndex, MediaType, Platform, Reference
from minibuild.oci.artifact import Artifact
from minibuild.store import Store
from tests.build.test_engine import Bench
from tests.servers.registry import RegistryServer

AMD64, ARM64, RISCV, S390X = (Platform("linux", name) for name in ("amd64", "arm64", "riscv64", "s390x"))
BOTH = (AMD64, ARM64)
APP = Reference.parse("app:1")
CROSS = """\
FROM --platform=$BUILDPLATFORM scratch AS tools
COPY f /tool
FROM scratch
ARG TARGETARCH
COPY --from=tools /tool /bin/$TARGETARCH
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    bench = Bench(tmp_path / "context", tmp_path / "store")
    bench.write(f="one", g="two")
    return bench


def test_each_platform_has_its_image_in_the_index_in_the_order_asked_for(bench: Bench) -> None:
    index = bench.build(CROSS, platforms=(ARM64, AMD64), tags=(APP,)).image
    assert isinstance(index, ImageIndex)
    assert index.platforms == ("linux/arm64", "linux/amd64")
    assert [image.config.platform for image in index.images] == [ARM64, AMD64]
    assert [bench.read(image, f"bin/{image.config.platform.architecture}") for image in index.images] == ["one"] * 2


def test_names_are_those_of_the_index_alone(bench: Bench) -> None:
    index = bench.build(CROSS, platforms=(ARM64, AMD64), tags=(APP,)).image
    with Store.at(bench.root) as store:
        assert store.images.listed() == ((APP, index),)
        assert store.images.find(APP, ARM64) == index.images[0]


def test_an_image_in_an_index_is_what_a_build_for_its_platform_alone_makes(bench: Bench) -> None:
    index = bench.build(CROSS, platforms=(ARM64, RISCV), source_date_epoch=0).image
    alone = [bench.build(CROSS, platform=one, no_cache=True, source_date_epoch=0).image for one in (ARM64, RISCV)]
    assert [image.digest for image in index.images] == [image.digest for image in alone]


def test_the_steps_say_their_platform_and_a_stage_that_works_for_others_is_built_once(bench: Bench) -> None:
    own = f"{Platform.of_this_machine()}"
    bench.build(CROSS, platforms=(ARM64, RISCV))
    assert bench.outcomes() == {
        f"[{own}->arm64 tools 2/2] COPY f /tool": "done",
        "[linux/arm64 stage-1 2/2] COPY --from=tools /tool /bin/$TARGETARCH": "done",
        f"[{own}->riscv64 tools 2/2] COPY f /tool": "cached",
        "[linux/riscv64 stage-1 2/2] COPY --from=tools /tool /bin/$TARGETARCH": "done",
    }


def test_annotations_stand_where_they_were_to_stand(bench: Bench) -> None:
    annotations = (
        Annotation(MANIFEST, "all", "1"),
        Annotation(MANIFEST, "own", "2", ARM64),
        Annotation(INDEX, "index", "3"),
        Annotation(MANIFEST_DESCRIPTOR, "listed", "4", AMD64),
        Annotation(INDEX_DESCRIPTOR, "noted", "5"),
    )
    index = bench.build("FROM scratch\nCOPY f /\n", platforms=(AMD64, ARM64), annotations=annotations).image
    assert isinstance(index, ImageIndex)
    assert [image.annotations for image in index.images] == [{"all": "1"}, {"all": "1", "own": "2"}]
    assert (index.annotations, index.noted) == ({"index": "3"}, {"noted": "5"})
    assert [item.annotations for item in index.manifests] == [{"listed": "4"}, {}]


def test_each_of_several_targets_is_an_index_under_its_own_names(bench: Bench) -> None:
    tool = Reference.parse("tool:1")
    result = bench.build(CROSS, platforms=(AMD64, ARM64), target="tools,1", tags=(APP,), stage_tags=(("tools", tool),))
    assert [(target.title, target.tags) for target in result.targets] == [("tools", (tool,)), ("1", (APP,))]
    with Store.at(bench.root) as store:
        assert [store.images.find_any(name) for name in (tool, APP)] == [target.image for target in result.targets]


def test_what_is_attached_makes_an_index_of_one_image_too(bench: Bench) -> None:
    request = BuildRequest("", platform=ARM64, tags=(APP,))
    result = bench.build("FROM scratch\nCOPY f /\n", platform=ARM64, tags=(APP,))
    attestation = Artifact.compose(MediaType.CONFIG, b"{}", ())
    attested = replace(result, targets=(replace(result.targets[0], attached=(attestation,)),))
    with Store.at(bench.root) as store:
        index = joined(request, [attested], store).image
        assert store.images.listed() == ((APP, index),)
    assert isinstance(index, ImageIndex)
    assert [str(item.platform) for item in index.manifests] == ["linux/arm64", "unknown/unknown"]
    assert index.packages == (result.image, attestation)


def test_a_platform_that_cannot_run_here_is_refused_before_anything_is_built_for_the_others(bench: Bench) -> None:
    with pytest.raises(UnavailableError, match="RUN can't run plan9/amd64 programs"):
        bench.build("FROM scratch\nCOPY f /\nRUN a\n", platforms=(AMD64, Platform("plan9", "amd64")))
    assert bench.outcomes() == {}


def test_an_error_says_for_which_platform_it_is(bench: Bench) -> None:
    bench.write(**{"f.amd64": "one"})
    with pytest.raises(ContextError) as caught:
        bench.build("FROM scratch\nARG TARGETARCH\nCOPY f.$TARGETARCH /\n", platforms=(AMD64, S390X))
    assert caught.value.message == "f.s390x is not in the context (for linux/s390x)"


def test_the_counts_are_of_all_platforms_together(bench: Bench) -> None:
    bench.build(CROSS, platforms=(ARM64, RISCV))
    result = bench.build(CROSS, platforms=(ARM64, RISCV, AMD64))
    assert (result.steps, result.cached) == (4, 3)


def test_a_base_of_several_platforms_is_asked_for_once_and_then_known_for_each(bench: Bench) -> None:
    with RegistryServer() as server:
        images = {str(one): server.add_image(f"base:{one.architecture}", architecture=one.architecture) for one in BOTH}
        server.add_index("base:1", images)
        first = bench.build(f"FROM {server.host}/base:1\n", platforms=BOTH)
        asked = len(server.requests)
        again = bench.build(f"FROM {server.host}/base:1\n", platforms=BOTH)
        assert (again.image, len(server.requests)) == (first.image, asked)


def test_what_each_platform_is_warned_of_is_told_once(bench: Bench) -> None:
    result = bench.build("FROM scratch\nCOPY f /\nMAINTAINER me\n", platforms=(AMD64, ARM64))
    assert len(result.findings) == len(set(result.findings)) > 0
