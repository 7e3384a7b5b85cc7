"""Whole builds without a RUN: as any user, with nothing mounted."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from minibuild.build.engine import build
from minibuild.build.request import BuildRequest, BuildResult
from minibuild.errors import ContextError, DockerfileError, ImageError, UnavailableError, UsageError
from minibuild.events import Event, Finished, Started
from minibuild.layers.entry import Kind
from minibuild.layers.tree import Tree
from minibuild.oci import Image, Platform, Reference
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store


@dataclass
class Bench:
    """A context, a store, and what the builds of the one into the other said."""

    context: Path
    root: Path
    events: list[Event] = field(default_factory=list)

    def build(self, dockerfile: str, **wishes: object) -> BuildResult:
        """Builds a Dockerfile's text."""
        self.events.clear()
        (self.context / "Dockerfile").write_text(dockerfile)
        request = replace(BuildRequest(str(self.context)), **wishes)  # type: ignore[arg-type]
        with Store.at(self.root) as store:
            return build(request, store, self.events.append, Cancellation())

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.context / name).write_text(text)

    def tree(self, image: Image) -> Tree:
        store = Store.at(self.root)
        return Tree([(layer, store.index(layer)) for layer in image.layers], store.open_tar)

    def read(self, image: Image, path: str) -> str | None:
        content = self.tree(image).read(path, 1000)
        return None if content is None else content.decode()

    def outcomes(self) -> dict[str, str]:
        """Title of each activity → how it ended."""
        titles = {event.activity: event.title for event in self.events if isinstance(event, Started)}
        return {titles[event.activity]: event.outcome for event in self.events if isinstance(event, Finished)}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    context = tmp_path / "context"
    context.mkdir()
    bench = Bench(context, tmp_path / "store")
    bench.write(f="one", g="two")
    return bench


STAGES = """\
FROM scratch AS files
COPY f /out/f
FROM scratch
COPY --from=files /out/ /got/
COPY g /g
"""


def test_an_unchanged_step_is_cached_and_gives_the_same_image(bench: Bench) -> None:
    first, second = bench.build(STAGES), bench.build(STAGES)
    assert second.image.id == first.image.id
    assert (first.cached, second.cached, second.steps) == (0, 2, 2)


def test_a_cached_build_opens_no_layer(bench: Bench) -> None:
    image = bench.build(STAGES).image
    with Store.at(bench.root) as store:
        for layer in image.layers:
            path = store.blobs.path(layer.descriptor.digest)
            path.chmod(0o600)
            path.write_bytes(b"\0" * layer.descriptor.size)
    assert bench.build(STAGES).image == image


def test_a_changed_file_is_copied_again_and_what_does_not_see_it_is_not(bench: Bench) -> None:
    bench.build(STAGES)
    bench.write(g="2")
    result = bench.build(STAGES)
    assert bench.outcomes() == {
        "[stage-1 2/3] COPY --from=files /out/ /got/": "cached",
        "[stage-1 3/3] COPY g /g": "done",
    }
    assert bench.read(result.image, "g") == "2"


def test_a_stage_that_makes_the_same_files_again_keeps_later_steps_cached(bench: Bench) -> None:
    bench.build(STAGES)
    bench.build(STAGES.replace("COPY f /out/f", "COPY f /other\nCOPY f /out/f"))
    assert bench.outcomes()["[stage-1 2/3] COPY --from=files /out/ /got/"] == "cached"
    assert bench.outcomes()["[stage-1 3/3] COPY g /g"] == "cached"


def test_a_label_does_not_break_the_cache_of_a_later_step(bench: Bench) -> None:
    bench.build("FROM scratch\nLABEL a=1\nCOPY f /f\n")
    result = bench.build("FROM scratch\nLABEL a=2\nCOPY f /f\n")
    assert result.cached == 1
    assert result.image.config.config.labels == {"a": "2"}


def test_no_cache_does_everything_again(bench: Bench) -> None:
    bench.build(STAGES)
    assert bench.build(STAGES, no_cache=True).cached == 0


def test_no_cache_for_a_stage_builds_that_stage_though_its_result_is_known(bench: Bench) -> None:
    bench.build(STAGES)
    bench.build(STAGES, no_cache_stages=frozenset({"FILES"}))
    assert bench.outcomes() == {
        "[files 2/2] COPY f /out/f": "done",
        "[stage-1 2/3] COPY --from=files /out/ /got/": "cached",
        "[stage-1 3/3] COPY g /g": "cached",
    }


def test_what_no_cache_made_is_what_the_next_build_takes(bench: Bench) -> None:
    bench.build(STAGES)
    anew = bench.build(STAGES, no_cache=True).image
    assert bench.build(STAGES).image.id == anew.id


def test_no_cache_for_an_unknown_stage_is_an_error(bench: Bench) -> None:
    with pytest.raises(UsageError, match="names no stage: 'fils'") as caught:
        bench.build(STAGES, no_cache_stages=frozenset({"fils"}))
    assert caught.value.hint == "did you mean files?"


def test_only_the_stages_that_the_target_needs_are_built(bench: Bench) -> None:
    bench.build("FROM scratch AS a\nCOPY missing /\nFROM scratch AS b\nCOPY f /f\nFROM a\n", target="b")
    assert list(bench.outcomes()) == ["[2/2] COPY f /f"]


def test_every_step_ends_in_an_image_of_its_own(bench: Bench) -> None:
    bench.build("FROM scratch\nCOPY f /f\nCOPY g /g\n")
    with Store.at(bench.root) as store:
        images = [store.image(record.image) for record in store.records.all()]  # type: ignore[arg-type]
    assert [len(image.layers) for image in images] == [1, 2]


def test_history_has_a_line_for_every_instruction_and_matches_the_layers(bench: Bench) -> None:
    config = bench.build('FROM scratch\nENV A=1\nCOPY f /f\nWORKDIR /w\nCMD ["/f"]\n').image.config
    lines = [(line.created_by, line.empty_layer) for line in config.history]
    assert lines == [
        ("ENV A=1", True),
        ("COPY f /f # buildkit", False),
        ("WORKDIR /w", False),
        ('CMD ["/f"]', True),
    ]
    assert len(config.diff_ids) == 2


def test_a_stage_based_on_another_goes_on_from_its_files_and_configuration(bench: Bench) -> None:
    image = bench.build("FROM scratch AS a\nENV A=1\nCOPY f /f\nFROM a\nCOPY g /$A\n").image
    assert (bench.read(image, "f"), bench.read(image, "1")) == ("one", "two")
    assert image.config.config.variable("A") == "1"


def test_tags_and_labels_of_the_command_line_are_the_result_s(bench: Bench) -> None:
    tag = Reference.parse("app:1")
    result = bench.build("FROM scratch\nLABEL a=1 b=1\n", tags=(tag,), labels={"b": "2"})
    assert result.image.config.config.labels == {"a": "1", "b": "2"}
    with Store.at(bench.root) as store:
        assert store.images.find(tag) == result.image


def test_a_source_date_makes_builds_in_two_stores_the_same(bench: Bench, tmp_path: Path) -> None:
    other = Bench(bench.context, tmp_path / "other")
    dockerfile = "FROM scratch\nCOPY f /a/b/f\nWORKDIR /w\n"
    one = bench.build(dockerfile, source_date_epoch=1234567890).image
    assert one == other.build(dockerfile, source_date_epoch=1234567890).image
    assert one.config.created == "2009-02-13T23:31:30Z"


def test_a_source_date_is_that_of_steps_from_the_cache_too_and_of_those_that_only_configure(bench: Bench) -> None:
    dockerfile = "FROM scratch\nENV A=1\nCOPY f /f\nCMD x\n"
    bench.build(dockerfile)
    dated = bench.build(dockerfile, source_date_epoch=1234567890)
    assert dated.cached == 1
    created = [line.created for line in dated.image.config.history]
    assert [*created, dated.image.config.created] == ["2009-02-13T23:31:30Z"] * 4
    assert bench.build(dockerfile).image != dated.image


def test_a_source_date_makes_the_same_image_of_what_an_earlier_one_left_in_the_cache(
    bench: Bench, tmp_path: Path
) -> None:
    dockerfile = "FROM scratch\nWORKDIR /w\nCOPY f /a/b/f\nCOPY --link g /c/g\nCOPY <<E /e\ne\nE\n"
    bench.build(dockerfile, source_date_epoch=1000000000)
    warm = bench.build(dockerfile, source_date_epoch=1234567890)
    cold = Bench(bench.context, tmp_path / "other").build(dockerfile, source_date_epoch=1234567890)
    assert (warm.cached, cold.cached) == (4, 0)
    assert warm.image == cold.image


def test_a_workdir_is_owned_as_chown_would_have_it(bench: Bench) -> None:
    tree = bench.tree(bench.build("FROM scratch\nUSER 7\nWORKDIR /a\nUSER 8:9\nWORKDIR b\n").image)
    owners = [(entry.uid, entry.gid) for entry in tree.walk("")]
    assert owners == [(7, 7), (8, 9)]


def test_an_image_can_be_the_base_of_the_next_build(bench: Bench) -> None:
    bench.build("FROM scratch\nCOPY f /f\nENV A=1\n", tags=(Reference.parse("base"),))
    image = bench.build("FROM base\nCOPY g $A/\n").image
    assert (bench.read(image, "f"), bench.read(image, "1/g")) == ("one", "two")


def test_a_missing_source_is_blamed_on_its_word(bench: Bench) -> None:
    with pytest.raises(ContextError, match="ff is not in the context") as caught:
        bench.build("FROM scratch\nCOPY f ff /x/\n")
    assert caught.value.span is not None
    assert caught.value.span.text == "ff"


def test_a_missing_source_in_a_stage_names_the_stage(bench: Bench) -> None:
    with pytest.raises(ContextError, match="out/F is not in stage 'files'") as caught:
        bench.build(STAGES.replace("/out/ /got/", "/out/F /got/"))
    assert caught.value.hint == "did you mean out/f? capitals and small letters differ"


def test_an_unknown_owner_is_blamed_on_the_instruction(bench: Bench) -> None:
    with pytest.raises(ImageError, match="no user 'app'") as caught:
        bench.build("FROM scratch\nCOPY --chown=app f /f\n")
    assert caught.value.span is not None
    assert caught.value.span.line == 2


def test_a_failed_build_leaves_a_store_that_works(bench: Bench) -> None:
    with pytest.raises(ContextError):
        bench.build("FROM scratch\nCOPY f /f\nCOPY missing /x\n")
    assert bench.build("FROM scratch\nCOPY f /f\n").cached == 1


def test_run_for_another_platform_is_refused_before_anything_runs(bench: Bench) -> None:
    with pytest.raises(UnavailableError, match="RUN can't run linux/sparc64 programs") as caught:
        bench.build("FROM scratch\nCOPY f /f\nRUN x\n", platform=Platform.parse("linux/sparc64"))
    assert caught.value.span is not None
    assert caught.value.span.line == 3
    assert bench.outcomes() == {}


def test_copying_for_another_platform_needs_nothing(bench: Bench) -> None:
    image = bench.build("FROM scratch\nCOPY f /f\n", platform=Platform.parse("linux/s390x")).image
    assert image.config.platform == Platform("linux", "s390x")


def test_all_errors_of_a_file_come_together(bench: Bench) -> None:
    with pytest.raises(DockerfileError) as caught:
        bench.build("FROM scratch\nCMT x\nCOPY --form=a b c\n")
    hints = [error.hint for error in (caught.value, *caught.value.others)]
    assert hints == ["did you mean CMD?", "did you mean --from?"]


@pytest.mark.parametrize("scheme", ["docker-archive", "oci-layout"])
def test_a_named_context_is_an_image_of_that_name(
    bench: Bench, tmp_path: Path, scheme: str, export: Callable[[Image, Store, Path, str], None]
) -> None:
    image = bench.build("FROM scratch\nCOPY f /f\n").image
    with Store.at(bench.root) as store:
        export(image, store, tmp_path / "out", scheme)
    other = Bench(bench.context, tmp_path / "other")
    result = other.build("FROM base\nCOPY g /g\n", named_contexts={"base": f"{scheme}:{tmp_path / 'out'}"}).image
    assert (other.read(result, "f"), other.read(result, "g")) == ("one", "two")


@pytest.fixture
def export() -> Callable[[Image, Store, Path, str], None]:
    """Writes an image as an archive or a layout."""
    from minibuild.events import silent
    from minibuild.transports.docker_archive import DockerArchive
    from minibuild.transports.oci_layout import OciLayout

    def write(image: Image, store: Store, path: Path, scheme: str) -> None:
        place = DockerArchive(path) if scheme == "docker-archive" else OciLayout(path)
        place.export(image, [], store, silent)

    return write


SEVERAL = """\
FROM scratch AS one
COPY f /f
FROM scratch AS two
COPY g /g
FROM one AS three
ENV THREE=yes
"""


def test_several_targets_are_built_at_once_each_with_its_own_image(bench: Bench) -> None:
    last, first = Reference.parse("last:1"), Reference.parse("first:1")
    result = bench.build(SEVERAL, target="three,0", tags=(last,), stage_tags=(("Three", first),), labels={"l": "1"})
    assert [(target.title, target.tags) for target in result.targets] == [("three", (first,)), ("one", (last,))]
    assert list(bench.outcomes()) == ["[one 2/2] COPY f /f"]
    three, one = (target.image for target in result.targets)
    assert (result.image, three.layers) == (one, one.layers)
    assert [image.config.config.labels for image in (three, one)] == [{"l": "1"}] * 2
    with Store.at(bench.root) as store:
        assert (store.images.find(first), store.images.find(last)) == (three, one)


def test_a_target_builds_the_same_image_alone_and_among_others(bench: Bench, tmp_path: Path) -> None:
    alone = Bench(bench.context, tmp_path / "other").build(SEVERAL, target="two", source_date_epoch=1)
    among = bench.build(SEVERAL, target="one,two,three", source_date_epoch=1)
    assert among.targets[1].image == alone.image


def test_all_stages_are_built_where_that_is_asked_and_the_last_is_the_result(bench: Bench) -> None:
    result = bench.build(SEVERAL, all_stages=True)
    assert sorted(bench.outcomes()) == ["[one 2/2] COPY f /f", "[two 2/2] COPY g /g"]
    assert result.image.config.config.variable("THREE") == "yes"
    assert [target.title for target in result.targets] == ["three"]


def test_a_stage_that_fails_among_several_fails_the_build_with_its_own_error(bench: Bench) -> None:
    with pytest.raises(ContextError) as caught:
        bench.build(SEVERAL + "FROM scratch AS bad\nCOPY missing /\n", target="two,bad,one")
    assert caught.value.span is not None and caught.value.span.line == 8


def linked(base: str) -> str:
    """A Dockerfile that puts the same layer upon whatever a base's ADD has made."""
    return f"FROM scratch\nADD {base} /\nCOPY --link f /lnk/x\nCOPY g /lnk/y\n"


@pytest.fixture
def bases(bench: Bench) -> Bench:
    """a.tar: a link /lnk → /real; b.tar: a directory /lnk; both with a user app, of another number each."""
    for name, uid in (("a", 1), ("b", 2)):
        with tarfile.open(bench.context / f"{name}.tar", "w") as archive:
            passwd = f"app:x:{uid}:{uid}::/:/bin/sh\n".encode()
            entry = tarfile.TarInfo("etc/passwd")
            entry.size = len(passwd)
            archive.addfile(entry, io.BytesIO(passwd))
            lnk = tarfile.TarInfo("lnk")
            lnk.type, lnk.linkname = (tarfile.SYMTYPE, "/real") if name == "a" else (tarfile.DIRTYPE, "")
            archive.addfile(lnk)
    return bench


def test_a_layer_that_stands_alone_is_reused_upon_another_parent(bases: Bench) -> None:
    first, second = bases.build(linked("a.tar")), bases.build(linked("b.tar"))
    assert second.image.layers[1] == first.image.layers[1]
    assert bases.outcomes()["[3/4] COPY --link f /lnk/x"] == "cached"
    assert (second.cached, bases.build(linked("b.tar")).cached, bases.build(linked("a.tar")).cached) == (1, 3, 3)


def test_what_follows_such_a_layer_depends_on_what_is_below_it_too(bases: Bench) -> None:
    first, second = bases.build(linked("a.tar")), bases.build(linked("b.tar"))
    assert bases.outcomes()["[4/4] COPY g /lnk/y"] == "done"
    assert len(second.image.layers) == len(first.image.layers) == 3
    assert (bases.read(first.image, "lnk/x"), bases.read(first.image, "lnk/y")) == ("one", "two")


def test_a_layer_that_stands_alone_takes_no_link_for_a_directory(bases: Bench) -> None:
    tree = bases.tree(bases.build(linked("a.tar")).image)
    lnk = tree.find("lnk", follow=False)
    assert lnk is not None and lnk.kind is Kind.DIRECTORY
    assert tree.find("real") is None


def test_a_changed_file_makes_such_a_layer_anew(bases: Bench) -> None:
    bases.build(linked("a.tar"))
    bases.write(f="changed")
    assert bases.read(bases.build(linked("a.tar")).image, "lnk/x") == "changed"


def test_an_owner_by_name_is_the_number_that_each_parent_has_for_it(bases: Bench) -> None:
    uids = []
    for base in ("a", "b", "a"):
        image = bases.build(f"FROM scratch\nADD {base}.tar /\nCOPY --link --chown=app f /f\n").image
        entry = bases.tree(image).find("f")
        assert entry is not None
        uids.append(entry.uid)
    assert uids == [1, 2, 1]


def test_a_layer_that_stands_alone_is_known_by_the_stage_its_files_come_from(bases: Bench) -> None:
    text = "FROM scratch AS files\nCOPY f /out/f\nFROM scratch\nADD {} /\nCOPY --from=files --link /out /in\n"
    bases.build(text.format("a.tar"))
    second = bases.build(text.format("b.tar"))
    assert bases.outcomes()["[stage-1 3/3] COPY --from=files --link /out /in"] == "cached"
    assert bases.read(second.image, "in/f") == "one"


def test_flags_that_change_the_result_are_part_of_the_key(bench: Bench) -> None:
    (bench.context / "d").mkdir()
    (bench.context / "d" / "x").write_text("x")
    flags = ("", "--parents", "--chmod=a+x", "--chmod=+x", "--exclude=x", "--exclude=y", "--link", "--chown=3")
    for flag in flags:
        assert bench.build(f"FROM scratch\nCOPY {flag} d /n/\n").cached == 0, flag
    for flag in flags:
        assert bench.build(f"FROM scratch\nCOPY {flag} d /n/\n").cached == 1, flag
