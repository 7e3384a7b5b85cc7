"""Every kind of source to every kind of destination: a COPY, and the files that it puts into the image.

The context has f, g, d/{x,s/y}, l → f, ld → /d; the image /etc/passwd, /real, /lnk → /real.
The working directory is /w.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from minibuild.build.context import DirectoryContext
from minibuild.build.copying import Composition
from minibuild.build.ignore import IgnoreFile
from minibuild.build.selecting import select
from minibuild.errors import ContextError, DockerfileError, Finding, MinibuildError
from minibuild.instructions.effects import CopyFiles
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.index import Index
from minibuild.layers.tree import Tree
from minibuild.oci import ContainerConfig, Digest, Layer
from minibuild.source import Source
from tests.instructions.reading import read, state

IMAGE = (
    Entry("etc", Kind.DIRECTORY, 0o755),
    Entry("etc/passwd", Kind.FILE, 0o644),
    Entry("home", Kind.DIRECTORY, 0o700, uid=5),
    Entry("lnk", Kind.SYMLINK, 0o777, link="/real"),
    Entry("real", Kind.DIRECTORY, 0o700),
)
D = {"n/x": "d/x", "n/s/y": "d/s/y"}


@dataclass(frozen=True)
class Copied:
    """A layer, and what was warned of."""

    changes: list[Change]
    findings: list[Finding]

    @property
    def files(self) -> dict[str, str]:
        """Path → content, or → target for a symlink."""
        files = {entry.path: entry.link for entry, _ in self.changes if entry.kind is Kind.SYMLINK}
        for entry, opener in self.changes:
            if opener is not None:
                with opener() as content:
                    files[entry.path] = content.read().decode()
        return files

    @property
    def entries(self) -> dict[str, Entry]:
        return {entry.path: entry for entry, _ in self.changes}


@pytest.fixture
def context(tmp_path: Path) -> DirectoryContext:
    root = tmp_path / "context"
    (root / "d" / "s").mkdir(parents=True)
    (root / "home").mkdir()
    for name in ("f", "g", "d/x", "d/s/y", "home/h", "Makefile"):
        (root / name).write_text(name)
        (root / name).chmod(0o640)
    for name in ("d", "d/s", "home"):
        (root / name).chmod(0o750)
    (root / "l").symlink_to("f")
    (root / "ld").symlink_to("/d")
    return DirectoryContext(root)


def perform(context: DirectoryContext, text: str, owner: tuple[int, int] | None = None) -> Copied:
    """Carries out an instruction upon the image."""
    effect = read(text).effect(state(ContainerConfig(directory="/w")))
    assert isinstance(effect, CopyFiles)
    findings: list[Finding] = []
    selection = select(effect, context, explain_absence=context.explain_absence, report=findings.append)
    layers = () if effect.stands_alone else ((Layer.of_tar(Digest.of(b"layer"), 1), Index(IMAGE)),)
    below = Tree(layers, lambda _: io.BytesIO())
    composition = Composition(below, owner=owner, mode=effect.mode)
    composition.copy(effect, selection, [None] * len(selection))
    return Copied(composition.changes(), findings)


@pytest.mark.parametrize(
    ("instruction", "files"),
    [
        ("COPY f /n", {"n": "f"}),
        ("COPY f /n/", {"n/f": "f"}),
        ("COPY f .", {"w/f": "f"}),
        ("COPY f ./n", {"w/n": "f"}),
        ("COPY f /etc", {"etc/f": "f"}),
        ("COPY d /n", D),
        ("COPY d/ /n/", D),
        ("COPY d/. /n", D),
        ("COPY f d /n/", {"n/f": "f", **D}),
        ("COPY l /n", {"n": "f"}),
        ("COPY l /n/", {"n/l": "f"}),
        ("COPY ld /n", D),
        ("COPY ../../f /n", {"n": "f"}),
        ("COPY /f /n", {"n": "f"}),
        ("COPY miss* /n/", {}),
        ("COPY [fg] /n/", {"n/f": "f", "n/g": "g"}),
        ("COPY */x /n/", {"n/x": "d/x"}),
        ("COPY f /lnk/x", {"real/x": "f"}),
        ("COPY f /lnk", {"real/f": "f"}),
        ("COPY d /lnk", {"real/x": "d/x", "real/s/y": "d/s/y"}),
        ("COPY <<EOF /n\ntext\nEOF", {"n": "text\n"}),
        ("COPY <<a <<b f /n/\n1\na\n2\nb", {"n/a": "1\n", "n/b": "2\n", "n/f": "f"}),
        ('COPY ["f", "/a b"]', {"a b": "f"}),
        ("COPY --link f /lnk/x", {"lnk/x": "f"}),
        ("COPY --link f /etc", {"etc": "f"}),
        ("COPY --link d /lnk", {"lnk/x": "d/x", "lnk/s/y": "d/s/y"}),
        ("COPY --link <<EOF /etc/n\ntext\nEOF", {"etc/n": "text\n"}),
        ("COPY --parents d/s/y /n/", {"n/d/s/y": "d/s/y"}),
        ("COPY --parents d/s/y /n", {"n/d/s/y": "d/s/y"}),
        ("COPY --parents ./d/./s/y /n/", {"n/s/y": "d/s/y"}),
        ("COPY --parents d /n/", {"n/d/x": "d/x", "n/d/s/y": "d/s/y"}),
        ("COPY --parents d/./ /n/", D),
        ("COPY --parents f d/x /n", {"n/f": "f", "n/d/x": "d/x"}),
        ("COPY --parents l /n/", {"n/l": "f"}),
        ("COPY --parents **/y /n/", {"n/d/s/y": "d/s/y"}),
        ("COPY --parents d/**/[xy] /n/", {"n/d/x": "d/x", "n/d/s/y": "d/s/y"}),
        ("COPY --parents d/* /n/", {"n/d/x": "d/x", "n/d/s/y": "d/s/y"}),
        ("COPY --parents */./s /n/", {"n/s/y": "d/s/y"}),
        ("COPY --parents miss/** /n/", {}),
        ("COPY --parents --exclude=**/y d /n/", {"n/d/x": "d/x"}),
        ("COPY --exclude=*.y d /n/", D),
        ("COPY --exclude=y d /n/", D),
        ("COPY --exclude=s d /n/", {"n/x": "d/x"}),
        ("COPY --exclude=s/* d /n/", {"n/x": "d/x"}),
        ("COPY --exclude=**/y d /n/", {"n/x": "d/x"}),
        ("COPY --exclude=s --exclude=!s/y d /n/", D),
        ("COPY --exclude=* --exclude=!s/y d /n/", {"n/s/y": "d/s/y"}),
        ("COPY --exclude=d --exclude=home --exclude=[Ml]* . /n/", {"n/f": "f", "n/g": "g"}),
        ("COPY --exclude=g [fg] /n/", {"n/f": "f"}),
        ("COPY --exclude=f f /n", {}),
    ],
)
def test_copy_puts(context: DirectoryContext, instruction: str, files: dict[str, str]) -> None:
    # A link that --parents names stays one; its target is called as the content of what it leads to.
    assert perform(context, instruction).files == files


def test_nested_symlinks_stay_what_they_are(context: DirectoryContext) -> None:
    files = perform(context, "COPY . /n").files
    assert (files["n/l"], files["n/ld"]) == ("f", "/d")


@pytest.mark.parametrize(
    ("instruction", "modes"),
    [
        ("COPY --chmod=444 f /a/b/c", {"a": 0o444, "a/b": 0o444, "a/b/c": 0o444}),
        ("COPY --chmod=u=rwX,go=rX f /a/c", {"a": 0o755, "a/c": 0o644}),
        ("COPY --chmod=a+X,o-r d /n", {"n": 0o755, "n/s": 0o751, "n/s/y": 0o640, "n/x": 0o640}),
        ("COPY --chmod=+x f /n", {"n": 0o751}),
        ("COPY --chmod=600 <<EOF /n\nx\nEOF", {"n": 0o600}),
        ("COPY <<EOF /n\nx\nEOF", {"n": 0o644}),
        ("COPY --parents d/s/y /n/", {"n": 0o755, "n/d": 0o750, "n/d/s": 0o750, "n/d/s/y": 0o640}),
        ("COPY --link f /home/h", {"home": 0o755, "home/h": 0o640}),
    ],
)
def test_modes_are(context: DirectoryContext, instruction: str, modes: dict[str, int]) -> None:
    entries = perform(context, instruction).entries
    assert {path: oct(entry.mode) for path, entry in entries.items()} == {
        path: oct(mode) for path, mode in modes.items()
    }


def test_chown_is_for_new_directories_too(context: DirectoryContext) -> None:
    entries = perform(context, "COPY --chown=1 f /a/b/c", owner=(1, 1)).entries
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(1, 1)}


def test_a_parent_that_exists_keeps_its_owner(context: DirectoryContext) -> None:
    entries = perform(context, "COPY --parents --chown=1 home/h /", owner=(1, 1)).entries
    assert (entries["home"].uid, entries["home"].mode, entries["home/h"].uid) == (5, 0o750, 1)


def test_a_layer_that_stands_alone_has_directories_in_the_place_of_links(context: DirectoryContext) -> None:
    entries = perform(context, "COPY --link f /lnk/x").entries
    assert (entries["lnk"].kind, entries["lnk"].mode, entries["lnk"].uid) == (Kind.DIRECTORY, 0o755, 0)


@pytest.mark.parametrize("instruction", ["COPY miss* /n/", "COPY --parents miss/** /n/", "COPY --exclude=f f /n"])
def test_what_copies_nothing_is_told(context: DirectoryContext, instruction: str) -> None:
    assert [finding.rule for finding in perform(context, instruction).findings] == ["NoMatch"]


@pytest.mark.parametrize(
    ("instruction", "message", "hint"),
    [
        ("COPY f g /n", "several sources want a directory for their destination, got '/n'", "end it with a slash: /n/"),
        ("COPY d /etc/passwd", "/etc/passwd is no directory in the image", ""),
        ("COPY missing /n", "missing is not in the context", ""),
        ("COPY ff /n", "ff is not in the context", "did you mean f?"),
        ("COPY dd/x /n", "dd/x is not in the context", "did you mean d?"),
        ("COPY makefile /n", "makefile is not in the context", "did you mean Makefile? capitals"),
        ("COPY g/x /n", "g/x is not in the context", ""),
        ("COPY ../secret /n", "../secret is outside the context", "--build-context"),
        ("COPY --parents d/missing /n", "d/missing is not in the context", ""),
        ("COPY --parents ld/x /n", "ld/x is not in the context", "--parents follows none"),
        ("COPY --exclude=[ d /n", "--exclude's pattern '[' has a [ that no ] closes", "a literal [ is written [[]"),
    ],
)
def test_what_is_wrong_is_told(context: DirectoryContext, instruction: str, message: str, hint: str) -> None:
    with pytest.raises((ContextError, DockerfileError)) as caught:
        perform(context, instruction)
    error = caught.value
    assert isinstance(error, MinibuildError)
    assert error.message.startswith(message)
    assert hint in error.hint


@pytest.mark.parametrize("instruction", ["COPY d/x /n", "COPY --parents d/x /n"])
def test_a_source_that_is_ignored_names_the_line(context: DirectoryContext, instruction: str) -> None:
    context.ignore = IgnoreFile.parse(Source(".dockerignore", "# tools\n**/x\n"))
    with pytest.raises(ContextError) as caught:
        perform(context, instruction)
    assert caught.value.hint == ".dockerignore line 2 (**/x) leaves it out"
