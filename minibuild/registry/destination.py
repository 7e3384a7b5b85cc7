"""A repository that takes blobs and manifests, at its registry itself: mirrors are for reading.

Source: distribution-spec §Push, and what distribution does where a connection was cut: ``GET`` of an upload's place
tells how far it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import urlencode, urljoin

from minibuild.errors import IntegrityError, RegistryError
from minibuild.oci import Descriptor, Digest
from minibuild.registry.auth import Authorizer, Scope
from minibuild.registry.connections import Answer
from minibuild.registry.endpoints import Endpoint, objection
from minibuild.registry.failures import Cut, Refusal
from minibuild.registry.session import PASSING, Request, Session, place
from minibuild.values import dataclass, replace

_SHORT = 64 * 1024
_BLOB = {"Content-Type": "application/octet-stream"}

Open = Callable[[], BinaryIO]
"""Opens a blob at its start; the caller closes it."""


class Destination:
    """Where one repository's images go to. Any thread may use it.

    Every method raises RegistryError that names what was to be put, the registry, and its reason.
    """

    def __init__(self, endpoint: Endpoint, repository: str, session: Session, authorizer: Authorizer) -> None:
        self._endpoint = endpoint
        self._repository = endpoint.path(repository)
        self._scope = Scope(self._repository, "pull,push")
        self._session = session
        self._authorizer = authorizer

    def has(self, descriptor: Descriptor) -> bool:
        """The repository has the blob."""
        with self._blamed(descriptor.digest):
            try:
                self._ask(Request(self._url("blobs", descriptor.digest), method="HEAD"))
            except Refusal as error:
                if error.status == 404:
                    return False
                raise
            return True

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Takes a blob over from another repository of the same registry, if the registry can and will."""
        query = urlencode({"mount": descriptor.digest, "from": self._endpoint.path(repository)})
        try:
            answer = self._ask(Request(f"{self._url('blobs', 'uploads/')}?{query}", method="POST"))
            if answer.status == 202:
                # It has begun an upload instead, which nobody will go on with.
                self._ask(Request(_upload(answer).url, method="DELETE"))
        except RegistryError:
            return False  # Who may not read that repository may still push to this one.
        return answer.status == 201

    def put_blob(self, descriptor: Descriptor, opened: Open, report: Callable[[int], None]) -> None:
        """Uploads a blob, however often the connection breaks on the way; ``report`` is told how many bytes have
        gone out.
        """
        patience, attempt = self._session.patience, 1
        with self._blamed(descriptor.digest):
            upload = self._begin()
            while True:
                try:
                    self._finish(self._send(upload, descriptor, opened, report), descriptor)
                    break
                except (Cut, Refusal) as error:
                    if attempt >= patience.attempts or not _may_pass(error):
                        raise
                self._session.connections.sleep(patience.pause(attempt))
                before, upload = upload, self._resumed(upload)
                # A connection that brought something was worth making: its successor gets full patience again.
                attempt = 1 if upload.position > before.position else attempt + 1

    def has_manifest(self, name: str, media_type: str, digest: Digest) -> bool:
        """The repository has that very manifest or index under a tag or its digest, and so all that it names."""
        request = Request(self._url("manifests", name), {"Accept": media_type}, "HEAD")
        try:
            return self._ask(request).headers.get("Docker-Content-Digest") == digest
        except Refusal:
            return False

    def put_manifest(self, name: str, media_type: str, raw: bytes) -> None:
        """Puts a manifest or an index under a tag or its digest; what it names has to be there already."""
        with self._blamed(name):
            request = Request(self._url("manifests", name), {"Content-Type": media_type}, "PUT", raw)
            answer = self._ask(request)
            promised = answer.headers.get("Docker-Content-Digest", "")
            if promised.startswith("sha256:") and promised != Digest.of(raw):
                raise IntegrityError(f"it took the manifest {Digest.of(raw)} for {promised[:80]}")

    def _begin(self) -> _Upload:
        return _upload(self._ask(Request(self._url("blobs", "uploads/"), method="POST")))

    def _send(self, upload: _Upload, descriptor: Descriptor, opened: Open, report: Callable[[int], None]) -> _Upload:
        """Sends what is missing, in one piece."""
        length = descriptor.size - upload.position
        if not length:
            return upload
        headers = {
            **_BLOB,
            "Content-Length": str(length),
            "Content-Range": f"{upload.position}-{descriptor.size - 1}",
        }

        def body() -> BinaryIO:
            return _Metered(opened(), upload.position, report)  # type: ignore[return-value]

        answer = self._ask(Request(upload.url, headers, "PATCH", body, once=True))
        return replace(_upload(answer), position=descriptor.size)

    def _finish(self, upload: _Upload, descriptor: Descriptor) -> None:
        url = f"{upload.url}{'&' if '?' in upload.url else '?'}{urlencode({'digest': descriptor.digest})}"
        try:
            self._ask(Request(url, _BLOB, "PUT"))
        except Refusal as error:
            # Where an answer was lost on its way here, the upload has ended all the same, and is known no more.
            if error.status != 404 or not self.has(descriptor):
                raise

    def _resumed(self, upload: _Upload) -> _Upload:
        """How far an upload came; a new one where its registry has forgotten it."""
        try:
            return _upload(self._ask(Request(upload.url)))
        except RegistryError:
            return self._begin()

    def _ask(self, request: Request) -> Answer:
        return self._authorizer.ask(request, self._scope, _SHORT)

    def _url(self, kind: str, name: str) -> str:
        return f"{self._endpoint.base}/v2/{self._repository}/{kind}/{name}"

    @contextmanager
    def _blamed(self, what: str) -> Iterator[None]:
        try:
            yield
        except (RegistryError, IntegrityError) as error:
            error.message = f"{what} can't be put into {self._repository} of {self._endpoint.base} ({error.message})"
            error.args = (error.message,)
            raise


@dataclass(frozen=True, slots=True)
class _Upload:
    """Where an upload goes on, and how many bytes have arrived."""

    url: str
    position: int = 0


def _upload(answer: Answer) -> _Upload:
    url = urljoin(answer.url, answer.headers.get("Location", ""))
    if reason := objection(answer.url, url):
        raise RegistryError(f"it wants the blob at {place(url)}, {reason}")
    arrived = re.fullmatch(r"(?:bytes=)?0-([0-9]+)", answer.headers.get("Range", ""))
    # "0-0" is also what registries say of an upload without a byte: docker and containerd read it so.
    position = int(arrived[1]) + 1 if arrived and arrived[1] != "0" else 0
    return _Upload(url, position)


def _may_pass(error: RegistryError) -> bool:
    return not isinstance(error, Refusal) or error.status in {*PASSING, 416}


class _Metered:
    """A blob from some byte on, that tells how much of it has been read."""

    def __init__(self, blob: BinaryIO, position: int, report: Callable[[int], None]) -> None:
        blob.seek(position)
        self._blob, self._position, self._report = blob, position, report

    def read(self, size: int = -1, /) -> bytes:
        block = self._blob.read(size)
        self._position += len(block)
        self._report(self._position)
        if not block:
            self._blob.close()
        return block
