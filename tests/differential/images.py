"""Images as plain values, read out of docker archives by the standard library alone: a second opinion on layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from minibuild.build.copying import INLINE_TIME_S

MADE = 1_500_000_000
"""Times from here on are those of builds, and not compared: cases give what they date older ones."""

_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
}
_SHORT = 1000
_GZIP = b"\x1f\x8b"
_XATTR = "SCHILY.xattr."
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclass(eq=False)
class Inode:
    """What stands at a path; the same object at every path that is a hard link of it."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    content: str = ""
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """What stands at a path, compared by meaning; ``names`` are all the hard links if there are several, ``mtime`` is
    None for directories (the daemon's BuildKit doesn't keep theirs) and where it says when the build ran.
    """

    kind: str
    permissions: str
    owner: str
    content: str
    link: str
    device: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...]
    names: tuple[str, ...]
    mtime: int | None


Files = Mapping[str, Node]


@dataclass(frozen=True)
class BuiltImage:
    """``platform`` is ``OS/ARCHITECTURE[/VARIANT]``; ``config`` and ``history`` (oldest first: the line, and whether it
    made no layer) as the image has them; ``layers`` what each layer says, its whiteouts too; ``files`` the tree that
    they make.
    """

    platform: str
    config: Mapping[str, Any]
    author: str
    history: tuple[tuple[str, bool], ...]
    layers: tuple[Files, ...]
    files: Files


@dataclass
class ArchiveReader:
    """Reads archives; a layer that several images have is read once."""

    _layers: dict[str, list[tuple[str, Inode]]] = field(default_factory=dict)

    def read(self, archive: Path) -> dict[str, BuiltImage]:
        """All images of an archive, by the first of their names."""
        with tarfile.open(archive) as opened:
            manifest = json.load(_member(opened, "manifest.json"))
            return {image["RepoTags"][0]: self._image(opened, image) for image in manifest}

    def _image(self, archive: tarfile.TarFile, image: Mapping[str, Any]) -> BuiltImage:
        config = json.load(_member(archive, image["Config"]))
        diff_ids = config["rootfs"]["diff_ids"] or []
        layers = [
            self._layer(archive, path, diff_id) for path, diff_id in zip(image["Layers"] or [], diff_ids, strict=True)
        ]
        history = tuple((line.get("created_by", ""), line.get("empty_layer", False)) for line in config["history"])
        assert len(diff_ids) == sum(not is_empty for _, is_empty in history), history
        return BuiltImage(
            "/".join(config[key] for key in ("os", "architecture", "variant") if config.get(key)),
            config["config"],
            config.get("author", ""),
            history,
            tuple(self._nodes(dict(layer)) for layer in layers),
            self._nodes(merged(layers)),
        )

    def _layer(self, archive: tarfile.TarFile, path: str, diff_id: str) -> list[tuple[str, Inode]]:
        if diff_id not in self._layers:
            tar = _member(archive, path).read()
            if tar.startswith(_GZIP):
                tar = gzip.decompress(tar)
            assert f"sha256:{hashlib.sha256(tar).hexdigest()}" == diff_id
            with tarfile.open(fileobj=io.BytesIO(tar), mode="r:", errorlevel=2) as layer:
                self._layers[diff_id] = list(_entries(layer))
        return self._layers[diff_id]

    def _nodes(self, tree: Mapping[str, Inode]) -> Files:
        names = defaultdict(list)
        for path, inode in tree.items():
            names[id(inode)].append(path)
        return {path: self._node(inode, sorted(names[id(inode)])) for path, inode in sorted(tree.items())}

    def _node(self, inode: Inode, names: Sequence[str]) -> Node:
        return Node(
            kind=inode.kind,
            # A symlink has no permissions of its own.
            permissions="" if inode.kind == "symlink" else f"{inode.mode:04o}",
            owner=f"{inode.uid}:{inode.gid}",
            content=inode.content,
            link=inode.link,
            device=inode.device,
            xattrs=tuple(sorted(inode.xattrs.items())),
            names=tuple(names) if len(names) > 1 else (),
            mtime=None
            if inode.mtime >= MADE or inode.mtime == INLINE_TIME_S or inode.kind == "directory"
            else inode.mtime,
        )


def merged(layers: Iterable[Sequence[tuple[str, Inode]]]) -> dict[str, Inode]:
    """The tree that layers make, oldest first: image-spec, "Applying changesets"."""
    tree: dict[str, Inode] = {}
    for layer in layers:
        for path, inode in layer:
            if inode.kind == "whiteout":
                _remove(tree, path, itself=True)
            elif inode.kind == "opaque":
                _remove(tree, path, itself=False)
        for path, inode in layer:
            if inode.kind not in ("whiteout", "opaque"):
                if inode.kind != "directory" and path in tree and tree[path].kind == "directory":
                    _remove(tree, path, itself=False)
                tree[path] = inode
    return tree


def _remove(tree: dict[str, Inode], path: str, *, itself: bool) -> None:
    below = f"{path}/" if path else ""
    for other in [other for other in tree if (other.startswith(below) and other != path) or (itself and other == path)]:
        del tree[other]


def _entries(layer: tarfile.TarFile) -> Iterator[tuple[str, Inode]]:
    found: dict[str, Inode] = {}
    for entry in layer:
        path = "" if entry.name == "." else entry.name.removeprefix("./").removesuffix("/")
        parent, _, name = path.rpartition("/")
        if name == _OPAQUE:
            yield parent, Inode("opaque", 0, 0, 0, 0)
        elif name.startswith(_WHITEOUT):
            yield f"{parent}/{name[4:]}".lstrip("/"), Inode("whiteout", 0, 0, 0, 0)
        elif entry.islnk():
            found[path] = found[entry.linkname.removeprefix("./")]
            yield path, found[path]
        else:
            found[path] = _inode(layer, entry)
            yield path, found[path]


def _inode(layer: tarfile.TarFile, entry: tarfile.TarInfo) -> Inode:
    content = layer.extractfile(entry) if entry.isreg() else None
    headers = entry.pax_headers.items()
    return Inode(
        kind=_KINDS[entry.type],
        mode=entry.mode & 0o7777,
        uid=entry.uid,
        gid=entry.gid,
        mtime=int(entry.mtime),
        content=_shown(content.read()) if content else "",
        link=entry.linkname if entry.issym() else "",
        device=(entry.devmajor, entry.devminor) if entry.isdev() and not entry.isfifo() else (0, 0),
        xattrs={
            key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
            for key, value in headers
            if key.startswith(_XATTR)
        },
    )


def _shown(content: bytes) -> str:
    """A short text as it is, so that a difference can be read; all else by its digest."""
    if len(content) <= _SHORT:
        return content.decode("utf-8", "backslashreplace")
    return f"{len(content)} bytes, {hashlib.sha256(content).hexdigest()}"


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    assert member is not None, name
    return member
