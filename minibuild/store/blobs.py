"""Bytes named by their sha256: written once under a temporary name, verified whenever they are read to the end."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from minibuild.errors import ImageError, IntegrityError, MinibuildError, UnavailableError
from minibuild.oci import Descriptor, Digest

# What is read into memory whole (manifests, configurations): containerd's limit is 8 MiB, a registry's usually 4.
DOCUMENT_LIMIT = 4 << 20
_BLOCK = 1 << 20
# Small enough that who reads one file out of a layer's middle doesn't read much of its neighbours.
_READ_AHEAD = 64 << 10


class Blobs:
    """The ``blobs/sha256`` of an image layout. ``scratch`` is a directory of the same filesystem for what isn't
    whole yet.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        self._directory = root / "blobs" / "sha256"
        self._scratch = scratch

    def make(self) -> None:
        """Makes the directories that it needs."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._scratch.mkdir(exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where a blob stands or would stand. Raises IntegrityError for what is no digest: it becomes a path."""
        return self._directory / Digest.parse(digest).hex

    def __contains__(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def __iter__(self) -> Iterator[Digest]:
        """All that are there, in no order."""
        for name in os.listdir(self._directory):
            with suppress(IntegrityError):
                yield Digest.parse(f"sha256:{name}")

    def has(self, descriptor: Descriptor) -> bool:
        """The blob is there and as long as it should be; its bytes are verified when they are read."""
        try:
            return self.path(descriptor.digest).stat().st_size == descriptor.size
        except FileNotFoundError:
            return False

    def size(self, digest: Digest) -> int:
        """Its size in bytes; 0 where it isn't there."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """The blob's bytes from their start; raises IntegrityError with the last of them if they aren't the right ones.

        Who seeks reads unverified. A blob found damaged is removed, so that it is fetched or made again.
        """
        stream = self.open_digest(descriptor.digest)
        size = os.fstat(stream.fileno()).st_size
        if size == descriptor.size:
            return stream
        stream.close()
        self.remove(descriptor.digest)
        raise IntegrityError(
            f"blob {descriptor.digest} has {size} bytes, its descriptor says {descriptor.size}", hint=_AGAIN
        )

    def open_digest(self, digest: Digest) -> BinaryIO:
        """As ``open``, where the size isn't known."""
        try:
            file = open(self.path(digest), "rb", buffering=0)  # noqa: SIM115 - the reader closes it
        except FileNotFoundError:
            raise ImageError(f"blob {digest} isn't in the store", hint="pull or build the image again") from None
        reader = _VerifyingReader(file, digest, self)
        return cast(BinaryIO, io.BufferedReader(reader, _READ_AHEAD))

    def read(self, descriptor: Descriptor) -> bytes:
        """A document, verified; raises ImageError for one of more than 4 MiB."""
        if descriptor.size > DOCUMENT_LIMIT:
            raise ImageError(f"blob {descriptor.digest} has {descriptor.size} bytes, a document at most 4 MiB")
        with self.open(descriptor) as stream:
            return stream.read()

    def read_digest(self, digest: Digest) -> bytes:
        """As ``read``, where the size isn't known."""
        return self.read(Descriptor("", digest, self.size(digest)))

    def add(self, content: bytes) -> Digest:
        """Keeps these bytes."""
        digest = Digest.of(content)
        if self.size(digest) != len(content):
            with self.draft() as draft:
                draft.write(content)
                draft.commit(digest)
        return digest

    def remove(self, digest: Digest) -> None:
        """Forgets a blob; those who have it open read on."""
        self.path(digest).unlink(missing_ok=True)

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """A blob in the making whose digest the caller takes; what isn't committed when it is left is gone."""
        draft = Draft(self._scratch / f".{os.getpid()}-{os.urandom(8).hex()}", self)
        try:
            yield draft
        finally:
            draft.discard()

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """A blob in the making that is digested as it is written."""
        with self.draft() as draft:
            yield BlobWriter(draft)


class Draft(io.RawIOBase):
    """A file on its way into the store. A full disk raises UnavailableError, and leaves nothing."""

    def __init__(self, path: Path, blobs: Blobs) -> None:
        self._path = path
        self._blobs = blobs
        self.size = 0
        with disk_explained(path.parent):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            self._file = open(descriptor, "wb", _BLOCK)  # noqa: SIM115 - commit and discard close it

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer of bytes
        try:
            self._file.write(data)
        except OSError as error:
            raise _explained(error, self._path.parent) from error
        self.size += len(data)
        return len(data)

    def commit(self, digest: Digest) -> None:
        """Names it; the caller vouches for the digest. Replaces a blob of that name: the old one may be damaged."""
        self.commit_to(self._blobs.path(digest))

    def commit_to(self, path: Path) -> None:
        """Puts it at a path of the same filesystem, in the place of what stood there."""
        with disk_explained(self._path.parent):
            self._file.close()
            os.replace(self._path, path)

    def discard(self) -> None:
        """Throws it away, unless it was committed."""
        # What is still buffered is of no interest any more, and has no room to go to when the disk is full.
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


class BlobWriter(io.RawIOBase):
    """A blob in the making, hashed as it is written."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer of bytes
        self._hash.update(data)
        return self._draft.write(data)

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        return self._draft.size

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest("sha256:" + self._hash.hexdigest())

    def commit(self, expected: Descriptor | None = None) -> tuple[Digest, int]:
        """Keeps it; answers its digest and size. Raises IntegrityError where others were promised."""
        digest = self.digest
        if expected is not None and (digest, self._draft.size) != (expected.digest, expected.size):
            raise IntegrityError(
                f"blob {expected.digest} of {expected.size} bytes came as {digest} of {self._draft.size} bytes"
            )
        self._draft.commit(digest)
        return digest, self._draft.size


_AGAIN = "the damaged blob was removed from the store; pull or build again"


class _VerifyingReader(io.RawIOBase):
    """Hashes what it reads from the start on, and judges when the last byte has been read."""

    def __init__(self, file: io.FileIO, digest: Digest, blobs: Blobs) -> None:
        self._file = file
        self._digest = digest
        self._blobs = blobs
        self._size = os.fstat(file.fileno()).st_size
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._position = 0
        if not self._size:
            self._judge()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as io.BufferedReader calls it
        count = self._file.readinto(buffer) or 0
        if self._position == self._hashed and count:
            self._hash.update(memoryview(buffer)[:count])
            self._hashed += count
            if self._hashed == self._size:
                self._judge()
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._file.close()
        super().close()

    def _judge(self) -> None:
        found = "sha256:" + self._hash.hexdigest()
        if found != self._digest:
            self._blobs.remove(self._digest)
            raise IntegrityError(f"blob {self._digest} holds bytes of digest {found}", hint=_AGAIN)


@contextmanager
def disk_explained(directory: Path) -> Iterator[None]:
    """Turns what a full, failing or forbidden disk raises inside into one clear error."""
    try:
        yield
    except OSError as error:
        raise _explained(error, directory) from error


def _explained(error: OSError, directory: Path) -> MinibuildError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UnavailableError(
            f"{directory} has no room left", hint="free some space (minibuild rmi), or take another disk with --root"
        )
    return UnavailableError(
        f"{error.filename or directory} can't be written: {error.strerror}",
        hint="choose a directory of your own with --root or MINIBUILD_ROOT",
    )
