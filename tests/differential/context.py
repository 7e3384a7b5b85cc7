"""The build context that all cases share: one of everything that a COPY, an ADD or an ignore file may meet."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

# Older than any build, so that what kept its time can be told from what was made.
TIME = 1_000_000_000
# cap_net_bind_service, permitted and effective, as VFS_CAP_REVISION_2 writes it.
CAPABILITY = "\1\0\0\2\0\4\0\0" + "\0" * 12
FILES = {
    "f": "f\n",
    "g": "g, another\n",
    "d/x": "x\n",
    "d/s/y": "y\n",
    "merge/x": "x of merge\n",
    "merge/s/z": "z\n",
    "other/s": "a file where d has a directory\n",
    "wild/a.js": "a\n",
    "wild/b.js": "b\n",
    "wild/c.txt": "c\n",
    "wild/.d.js": "d\n",
    "wild/one/e.js": "one e\n",
    "wild/two/e.js": "two e\n",
    "links/a": "linked\n",
    "modes/private": "600\n",
    "modes/shared": "664\n",
    "modes/program": "755\n",
    "modes/setuid": "6755\n",
    "modes/nobody": "000\n",
    "modes/group/inside": "inside\n",
    "names/with blank": "blank\n",
    "names/ünïcode": "unicode\n",
    "names/-dash": "dash\n",
    "names/.hidden": "hidden\n",
    "names/[x]": "brackets\n",
    "names/$HOME": "dollar\n",
    "names/back\\slash": "backslash\n",
    "names/new\nline": "newline\n",
    "names/quote\"'": "quotes\n",
    "names/" + "l" * 200: "long\n",
    "names/" + "d" * 120 + "/" + "e" * 120: "long path\n",
    "zero": "",
    "noted": "has an xattr\n",
    "archives/text.tar.gz": "a text that is called like an archive\n",
}
DIRECTORIES = ("empty", "modes/group/empty", "modes/closed", "archives")
MODES = {
    "modes/private": 0o600,
    "modes/shared": 0o664,
    "modes/program": 0o755,
    "modes/setuid": 0o6755,
    "modes/nobody": 0o000,
    "modes/group": 0o2775,
    "modes/group/empty": 0o1777,
    "modes/closed": 0o700,
    "d/s": 0o750,
}
SYMLINKS = {
    "l": "f",
    "ld": "d",
    "chain": "l",
    "absolute": "/d/x",
    "beyond": "../../../d/x",
    "dangling": "nowhere",
    "d/up": "../g",
    "round": "round",
}
HARD_LINKS = {"links/b": "links/a", "links/c/d": "links/a", "links-again": "links/a"}


def make_context(root: Path) -> None:
    """Writes the context; the directory must not exist yet."""
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True)
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    Path(os.fsdecode(bytes(root / "names") + b"/not-utf8-\xff")).write_text("bytes\n")
    (root / "big").write_bytes(b"".join(number.to_bytes(4, "big") for number in range(300_000)))
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 20)
    for name, target in SYMLINKS.items():
        (root / name).symlink_to(target)
    for name, target in HARD_LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).hardlink_to(root / target)
    for name, data in _archives().items():
        (root / "archives" / name).write_bytes(data)
    os.setxattr(root / "noted", "user.note", b"kept\0?")
    settle(root)


def settle(root: Path) -> None:
    """Gives everything its mode and its time, which depend on no umask and no clock."""
    for directory, names, files in os.walk(root, topdown=False):
        for name in (*names, *files, ""):
            path = Path(directory, name)
            if not path.is_symlink():
                relative = path.relative_to(root).as_posix()
                path.chmod(MODES.get(relative, 0o755 if path.stat().st_mode & 0o100 else 0o644))
            os.utime(path, (TIME, TIME), follow_symlinks=False)


def _archives() -> dict[str, bytes]:
    plain = _tar(
        _directory("t", 0o750),
        _file("t/a", b"a\n", 0o640),
        _directory("t/deep/er", 0o700),
        _file("t/deep/er/b", b"b\n"),
    )
    linked = _tar(
        _file("first", b"shared\n"), _link("second", "first", tarfile.LNKTYPE), _link("third", "first", tarfile.SYMTYPE)
    )
    return {
        "plain.tar": plain,
        "plain.tar.gz": _compressed("gz", plain),
        "plain.tar.bz2": _compressed("bz2", plain),
        "plain.tar.xz": _compressed("xz", plain),
        "misnamed.txt": _compressed("gz", plain),
        "text.gz": _compressed("gz", b"only a text\n"),
        "empty.tar": bytes(10240),
        "zeros.tar": bytes(1024),
        "linked.tar": linked,
        "root.tar": _tar(_directory(".", 0o700, uid=5), _file("./rooted", b"rooted\n")),
        "owned.tar": _tar(_directory("o", 0o755, uid=7), _file("o/p", b"p\n", 0o4755, uid=1234, gid=2345)),
        "parentless.tar": _tar(_file("no/parent/named", b"named\n", uid=3)),
        "twice.tar": _tar(_file("same", b"older\n"), _file("same", b"newer\n", 0o600)),
        "special.tar": _tar(_node("pipe", tarfile.FIFOTYPE), _node("null", tarfile.CHRTYPE, (1, 3))),
        "through.tar": _tar(
            _directory("elsewhere", 0o711), _link("to", "elsewhere", tarfile.SYMTYPE), _file("to/inside", b"inside\n")
        ),
        "capable.tar": _tar(_file("capable", b"program\n", 0o755, xattrs={"security.capability": CAPABILITY})),
        "over.tar": _tar(_file("bin/added", b"added\n", 0o755), _file("etc/group", b"root:x:0:\n")),
        "whiteout.tar": _tar(_file("w/.wh.gone", b"")),
        "xattrs.tar": _tar(_file("noted", b"noted\n", xattrs={"user.note": "from a tar"})),
    }


Member = tuple[tarfile.TarInfo, bytes]


def _tar(*members: Member) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in members:
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _compressed(how: str, data: bytes) -> bytes:
    # Imported here: a Python may have been made without one of them.
    import bz2
    import gzip
    import lzma

    match how:
        case "gz":
            return gzip.compress(data, mtime=0)
        case "bz2":
            return bz2.compress(data)
        case _:
            return lzma.compress(data)


def _entry(name: str, kind: bytes, mode: int, uid: int = 0, gid: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid, entry.mtime = kind, mode, uid, gid, TIME + 1
    return entry


def _file(
    name: str, content: bytes, mode: int = 0o644, *, uid: int = 0, gid: int = 0, xattrs: dict[str, str] | None = None
) -> Member:
    entry = _entry(name, tarfile.REGTYPE, mode, uid, gid)
    entry.size = len(content)
    entry.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in (xattrs or {}).items()}
    return entry, content


def _directory(name: str, mode: int, uid: int = 0) -> Member:
    return _entry(name, tarfile.DIRTYPE, mode, uid), b""


def _link(name: str, target: str, kind: bytes) -> Member:
    entry = _entry(name, kind, 0o644 if kind == tarfile.LNKTYPE else 0o777)
    entry.linkname = target
    return entry, b""


def _node(name: str, kind: bytes, device: tuple[int, int] = (0, 0)) -> Member:
    entry = _entry(name, kind, 0o666)
    entry.devmajor, entry.devminor = device
    return entry, b""
