"""COPY, ADD and WORKDIR as people know them from Docker, worked out on tables with nothing mounted."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from minibuild.build import archives
from minibuild.build.context import DirectoryContext
from minibuild.build.copying import INLINE_TIME_S, Composition
from minibuild.build.selecting import fingerprint, select
from minibuild.errors import ContextError, Finding
from minibuild.instructions.effects import CopyFiles, InlineFile, SourcePath
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.index import Index
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, Layer

IMAGE = (
    Entry("etc", Kind.DIRECTORY, 0o755, mtime=7),
    Entry("etc/passwd", Kind.FILE, 0o644, size=1),
    Entry("tmp", Kind.DIRECTORY, 0o1777, mtime=7),
    Entry("real", Kind.DIRECTORY, 0o700, uid=5),
    Entry("lnk", Kind.SYMLINK, 0o777, link="/real"),
    Entry("etc/up", Kind.SYMLINK, 0o777, link="../../../../real"),
)


@pytest.fixture
def context(tmp_path: Path) -> DirectoryContext:
    """f, g, d/{x,s/y}, l → f, ld → d, and a hard link of f."""
    root = tmp_path / "context"
    (root / "d" / "s").mkdir(parents=True)
    for name in ("f", "g", "d/x", "d/s/y", ".hidden"):
        (root / name).write_text(name)
    (root / "d").chmod(0o750)
    (root / "d" / "s").chmod(0o711)
    (root / "f").chmod(0o4755)
    (root / "l").symlink_to("f")
    (root / "ld").symlink_to("/d")
    (root / "dangling").symlink_to("nowhere")
    os.link(root / "f", root / "d" / "zf")
    return DirectoryContext(root)


def image() -> Tree:
    layer = Layer.of_tar(Digest.of(b"layer"), 1)
    return Tree([(layer, Index(IMAGE))], lambda _: open(os.devnull, "rb"))


def copied(
    context: DirectoryContext, sources: str, destination: str, *, findings: list[Finding] | None = None, **more: object
) -> list[Change]:
    """What a COPY adds to the image."""
    patterns = tuple(SourcePath(word.removeprefix(".") if word == "." else word) for word in sources.split())
    effect = CopyFiles(patterns, destination, unpacks=bool(more.pop("unpacks", False)))
    report = findings if findings is not None else []
    selection = select(effect, context, explain_absence=context.explain_absence, report=report.append)
    composition = Composition(image(), **more)  # type: ignore[arg-type]
    composition.copy(effect, selection, [None] * len(selection))
    return composition.changes()


def contents(changes: list[Change]) -> dict[str, str]:
    """Path → content of the files among changes."""
    return {entry.path: opener().read().decode() for entry, opener in changes if opener is not None}


def entries(changes: list[Change]) -> dict[str, Entry]:
    return {entry.path: entry for entry, _ in changes}


@pytest.mark.parametrize(
    ("sources", "destination", "files"),
    [
        ("f", "/n", {"n": "f"}),
        ("f", "/n/", {"n/f": "f"}),
        ("f", "/etc", {"etc/f": "f"}),
        ("f", "/a/b/c", {"a/b/c": "f"}),
        ("d", "/n", {"n/x": "d/x", "n/s/y": "d/s/y", "n/zf": "f"}),
        ("d", "/n/", {"n/x": "d/x", "n/s/y": "d/s/y", "n/zf": "f"}),
        ("f d", "/n/", {"n/f": "f", "n/x": "d/x", "n/s/y": "d/s/y", "n/zf": "f"}),
        ("l", "/n", {"n": "f"}),
        ("l", "/n/", {"n/l": "f"}),
        ("ld/s", "/n", {"n/y": "d/s/y"}),
        ("ld", "/n", {"n/x": "d/x", "n/s/y": "d/s/y", "n/zf": "f"}),
        ("d/s/y", "/lnk/x", {"real/x": "d/s/y"}),
        ("d/s/y", "/lnk", {"real/y": "d/s/y"}),
        ("d/s/y", "/etc/up/z", {"real/z": "d/s/y"}),
        ("d/s", "/lnk", {"real/y": "d/s/y"}),
        ("[fg]", "/n/", {"n/f": "f", "n/g": "g"}),
        ("*/x", "/n/", {"n/x": "d/x"}),
        ("?hidden", "/n/", {"n/.hidden": ".hidden"}),
    ],
)
def test_copy_puts_files_where_docker_puts_them(
    context: DirectoryContext, sources: str, destination: str, files: dict[str, str]
) -> None:
    assert contents(copied(context, sources, destination)) == files


def test_copying_the_root_keeps_symlinks_as_they_are(context: DirectoryContext) -> None:
    links = {path: entry.link for path, entry in entries(copied(context, ".", "/n")).items() if entry.link}
    assert links == {"n/l": "f", "n/ld": "/d", "n/dangling": "nowhere", "n/f": "n/d/zf"}


def test_hard_links_in_a_copied_directory_stay_one_file(context: DirectoryContext) -> None:
    os.link(context.root / "f", context.root / "d" / "s" / "of-f")
    changes = entries(copied(context, "d", "/n/"))
    assert (changes["n/s/of-f"].kind, changes["n/zf"].kind) == (Kind.FILE, Kind.HARDLINK)
    assert changes["n/zf"].link == "n/s/of-f"


def test_files_that_are_named_one_by_one_are_no_hard_links_of_one_another(context: DirectoryContext) -> None:
    assert {entry.kind for entry in entries(copied(context, "f d/zf", "/tmp/")).values()} == {Kind.DIRECTORY, Kind.FILE}


def test_a_file_replaces_the_link_of_its_name_in_a_directory(context: DirectoryContext) -> None:
    (context.root / "lnk").write_text("no link")
    assert contents(copied(context, "lnk", "/")) == {"lnk": "no link"}
    assert contents(copied(context, "lnk", "/etc/up")) == {"real/lnk": "no link"}


def test_parents_that_exist_are_named_as_they_are_and_new_ones_are_root_s(context: DirectoryContext) -> None:
    changes = entries(copied(context, "f", "/tmp/new/n"))
    assert changes["tmp"] == IMAGE[2]
    assert changes["tmp/new"] == Entry("tmp/new", Kind.DIRECTORY, 0o755, mtime=7)


def test_a_destination_keeps_its_metadata_and_a_new_one_has_those_of_any_new_directory(
    context: DirectoryContext,
) -> None:
    os.utime(context.root / "d" / "s", (5, 5))
    assert entries(copied(context, "d/s", "/real"))["real"] == IMAGE[3]
    assert entries(copied(context, "d/s", "/n"))["n"] == Entry("n", Kind.DIRECTORY, 0o755, mtime=5)
    assert entries(copied(context, "d/s", "/n", owner=(1, 2)))["n"].uid == 1


def test_setuid_and_modes_survive(context: DirectoryContext) -> None:
    changes = entries(copied(context, "f d", "/n/"))
    assert (changes["n/f"].mode, changes["n/s"].mode) == (0o4755, 0o711)


def test_chown_and_chmod_are_for_new_directories_too(context: DirectoryContext) -> None:
    changes = entries(copied(context, "f", "/a/b", owner=(1, 2), mode=0o444))
    assert {(e.uid, e.gid, e.mode) for e in changes.values()} == {(1, 2, 0o444)}


def test_chmod_leaves_symlinks_alone(context: DirectoryContext) -> None:
    assert entries(copied(context, ".", "/n", mode=0o600))["n/l"].mode == 0o777


@pytest.mark.parametrize(
    ("sources", "destination", "message"),
    [
        ("f g", "/n", "/n is to take 2 sources (f, g), so it must be a directory"),
        ("[fg]", "/n", "/n is to take 2 sources (f, g), so it must be a directory"),
        ("d", "/etc/passwd", "/etc/passwd is no directory in the image, so none can be made or copied there"),
        ("f", "/etc/passwd/x", "/etc/passwd is no directory in the image"),
        ("missing", "/n", "missing is not in the context"),
        ("dangling", "/n", "dangling is not in the context"),
        ("f/x", "/n", "f/x is not in the context"),
    ],
)
def test_what_cannot_be_copied_is_an_error(
    context: DirectoryContext, sources: str, destination: str, message: str
) -> None:
    with pytest.raises(ContextError) as caught:
        copied(context, sources, destination)
    assert caught.value.message.startswith(message)


def test_a_nested_file_does_not_replace_a_directory(context: DirectoryContext) -> None:
    (context.root / "d" / "etc").write_text("")
    with pytest.raises(ContextError, match="/etc is a directory in the image"):
        copied(context, "d", "/")


def test_a_nested_directory_does_not_replace_a_symlink(context: DirectoryContext) -> None:
    (context.root / "d" / "lnk").mkdir()
    with pytest.raises(ContextError, match="/lnk is no directory in the image"):
        copied(context, "d", "/")


def test_a_wildcard_that_matches_nothing_is_told_and_copies_nothing(context: DirectoryContext) -> None:
    findings: list[Finding] = []
    assert copied(context, "miss*", "/n/", findings=findings) == []
    assert [finding.rule for finding in findings] == ["NoMatch"]


def test_a_file_whose_name_is_a_pattern_that_it_does_not_match_is_told_how_to_be_named(
    context: DirectoryContext, tmp_path: Path
) -> None:
    (tmp_path / "context" / "[slug].tsx").write_text("page")
    findings: list[Finding] = []
    assert copied(context, "[slug].tsx", "/n/", findings=findings) == []
    assert findings[0].hint == "to copy the file of that very name, write [[]slug].tsx"
    assert contents(copied(context, "[[]slug].tsx", "/n/")) == {"n/[slug].tsx": "page"}


def test_a_wildcard_that_matches_a_dangling_link_is_an_error(context: DirectoryContext) -> None:
    with pytest.raises(ContextError, match="dangling is a symlink to 'nowhere', which leads to nothing"):
        copied(context, "d*", "/n/")


def test_wildcards_go_through_links_above_them_but_not_between_them(context: DirectoryContext) -> None:
    assert contents(copied(context, "ld/?", "/n/")) == {"n/x": "d/x", "n/y": "d/s/y"}
    assert contents(copied(context, "[l]*/x", "/n/")) == {}
    assert contents(copied(context, "[dl]*/x", "/n/")) == {"n/x": "d/x"}


def test_a_missing_source_suggests_its_neighbour(context: DirectoryContext) -> None:
    with pytest.raises(ContextError) as caught:
        copied(context, "d/X", "/n")
    assert caught.value.hint == "did you mean d/x? capitals and small letters differ"


def test_what_was_copied_later_wins(context: DirectoryContext) -> None:
    (context.root / "e").mkdir()
    (context.root / "e" / "x").write_text("e/x")
    assert contents(copied(context, "d e", "/n/"))["n/x"] == "e/x"


def test_a_here_document_becomes_a_file() -> None:
    composition = Composition(image(), owner=(3, 4))
    composition.copy(CopyFiles((), "/etc/", inline=(InlineFile("EOF", b"text"),)), [], [])
    [_, (entry, opener)] = composition.changes()
    assert entry == Entry("etc/EOF", Kind.FILE, 0o644, 3, 4, size=4, mtime=INLINE_TIME_S)
    assert opener is not None
    assert opener().read() == b"text"


def test_workdir_makes_missing_parents_and_leaves_what_exists() -> None:
    composition = Composition(image(), owner=(3, 4))
    composition.make_directory("/lnk/a/b")
    assert entries(composition.changes()) == {
        "real": IMAGE[3],
        "real/a": Entry("real/a", Kind.DIRECTORY, 0o755, 3, 4),
        "real/a/b": Entry("real/a/b", Kind.DIRECTORY, 0o755, 3, 4),
    }
    untouched = Composition(image())
    untouched.make_directory("/etc")
    assert untouched.changes() == []


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/passwd/x"])
def test_workdir_onto_a_file_is_an_error(path: str) -> None:
    with pytest.raises(ContextError, match="/etc/passwd is no directory"):
        Composition(image()).make_directory(path)


def test_a_fingerprint_says_nothing_of_times_and_all_of_content(context: DirectoryContext) -> None:
    def rows() -> list[list[object]]:
        effect = CopyFiles((SourcePath("d"),), "/n")
        again = DirectoryContext(context.root)
        selection = select(effect, again, explain_absence=str, report=lambda _: None)
        return fingerprint(selection, lambda _size: None)

    before = rows()
    os.utime(context.root / "d" / "x", (1, 1))
    assert rows() == before
    (context.root / "d" / "x").write_text("D/X")
    changed = [new for old, new in zip(before, rows(), strict=True) if old != new]
    assert [row[0] for row in changed] == ["/x"]


def test_a_pattern_without_wildcards_must_match(context: DirectoryContext) -> None:
    with pytest.raises(ContextError, match="is not in the context"):
        copied(context, "miss\\ing", "/n/")


def unpacked(context: DirectoryContext, name: str, destination: str, scratch: Path, **more: object) -> list[Change]:
    """What ``ADD name destination`` adds to the image, its files' contents read while the archive is there."""
    effect = CopyFiles((SourcePath(name),), destination, unpacks=True)
    [selected] = select(effect, context, explain_absence=str, report=lambda _: None)
    with archives.opened(selected, scratch) as archive:
        composition = Composition(image(), **more)  # type: ignore[arg-type]
        composition.copy(effect, [selected], [archive])
        changes = composition.changes()
        loaded = [(entry, opener().read() if opener else None) for entry, opener in changes]
    return [(entry, None if data is None else (lambda data=data: _stream(data))) for entry, data in loaded]


def _stream(data: bytes) -> object:
    import io

    return io.BytesIO(data)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_add_unpacks_an_archive_by_its_content(context: DirectoryContext, tmp_path: Path, mode: str) -> None:
    with tarfile.open(context.root / "archive.dat", mode) as archive:  # type: ignore[call-overload]
        archive.add(context.root / "d", "./")
        archive.add(context.root / "f", "lnk/f")
    changes = unpacked(context, "archive.dat", "/", tmp_path)
    assert contents(changes) == {"x": "d/x", "s/y": "d/s/y", "real/f": "f"}
    assert entries(changes)["zf"].link == "real/f"


def test_an_archive_s_root_does_not_change_the_destination(context: DirectoryContext, tmp_path: Path) -> None:
    with tarfile.open(context.root / "a.tar", "w") as archive:
        archive.add(context.root / "d", "./")
    assert entries(unpacked(context, "a.tar", "/real", tmp_path))["real"] == IMAGE[3]


def archive_of(place: Path, *members: tuple[str, bytes, str]) -> None:
    """Writes a tar: names, types and link targets; files hold their own names."""
    with tarfile.open(place, "w") as archive:
        for name, kind, link in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode, entry.uid = kind, link, 0o751, 9
            entry.size = len(name) if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, _stream(name.encode()))  # type: ignore[arg-type]


def test_an_archive_s_directory_takes_the_place_of_a_link(context: DirectoryContext, tmp_path: Path) -> None:
    archive_of(context.root / "a.tar", ("lnk", tarfile.DIRTYPE, ""), ("lnk/f", tarfile.REGTYPE, ""))
    changes = unpacked(context, "a.tar", "/", tmp_path)
    assert contents(changes) == {"lnk/f": "lnk/f"}
    assert entries(changes)["lnk"] == Entry("lnk", Kind.DIRECTORY, 0o751, uid=9)


def test_an_archive_s_own_links_are_followed_within_the_destination(context: DirectoryContext, tmp_path: Path) -> None:
    links = (("to", tarfile.SYMTYPE, "/real/../../x"), ("to/inside", tarfile.REGTYPE, ""))
    archive_of(context.root / "a.tar", *links)
    assert contents(unpacked(context, "a.tar", "/etc", tmp_path)) == {"etc/x/inside": "to/inside"}


def test_an_archive_s_file_takes_the_place_of_a_directory(context: DirectoryContext, tmp_path: Path) -> None:
    archive_of(context.root / "a.tar", ("n/deep", tarfile.REGTYPE, ""), ("n", tarfile.REGTYPE, ""))
    assert contents(unpacked(context, "a.tar", "/", tmp_path)) == {"n": "n"}


def test_chown_is_for_what_an_archive_names_and_chmod_for_nothing(context: DirectoryContext, tmp_path: Path) -> None:
    archive_of(context.root / "a.tar", ("named", tarfile.DIRTYPE, ""), ("implied/file", tarfile.REGTYPE, ""))
    changes = entries(unpacked(context, "a.tar", "/n", tmp_path, owner=(1, 2), mode=0o600))
    assert {path: (entry.uid, entry.mode) for path, entry in changes.items()} == {
        "n": (1, 0o755),
        "n/named": (1, 0o751),
        "n/implied": (0, 0o755),
        "n/implied/file": (1, 0o751),
    }


def test_an_archive_with_whiteouts_is_refused(context: DirectoryContext, tmp_path: Path) -> None:
    with tarfile.open(context.root / "a.tar", "w") as archive:
        archive.add(context.root / "f", ".wh.etc")
    with pytest.raises(ContextError, match=r"a.tar can't be unpacked: it has a name that starts with \.wh\."):
        unpacked(context, "a.tar", "/", tmp_path)


def test_what_is_no_archive_is_copied_as_a_file(context: DirectoryContext, tmp_path: Path) -> None:
    assert contents(unpacked(context, "f", "/n", tmp_path)) == {"n": "f"}
