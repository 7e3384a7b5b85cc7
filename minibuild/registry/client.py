"""Asks for manifests and blobs at all the places that have a registry's images, in turn."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import BinaryIO, TypeVar

from minibuild.errors import ImageError, IntegrityError, RegistryError, did_you_mean
from minibuild.oci import Descriptor, Digest, MediaType, Reference
from minibuild.registry.auth import Authorizer, Scope
from minibuild.registry.connections import Answer, Connections
from minibuild.registry.credentials import Credential, Keychain
from minibuild.registry.destination import Destination
from minibuild.registry.download import Download, Verified, verify
from minibuild.registry.endpoints import Endpoint, Mirrors
from minibuild.registry.failures import Cut, Refusal, Unreachable, printable
from minibuild.registry.session import USUAL_PATIENCE, Patience, Request, Session
from minibuild.registry.settings import Settings

# Source: distribution-spec §Pushing Manifests, which wants registries to take manifests up to this size.
LARGEST_MANIFEST = 4 << 20
_MANIFESTS = (MediaType.INDEX, MediaType.MANIFEST, MediaType.DOCKER_INDEX, MediaType.DOCKER_MANIFEST)
_MOST_TAGS = 1000

T = TypeVar("T")


class Client:
    """Reads from any registry, and knows where to write to. Any thread may use it; once cancelled it is of no more use.

    Every method raises RegistryError (IntegrityError where bytes weren't those promised) that names what was asked
    for, all the places asked, and the reason of each.
    """

    def __init__(
        self,
        mirrors: Mirrors,
        environment: Mapping[str, str],
        patience: Patience = USUAL_PATIENCE,
        credential: Credential | None = None,
    ) -> None:
        self._mirrors = mirrors
        self._settings = Settings.read(environment)
        self._connections = Connections(environment, self._settings.insecure, patience.silence_s)
        self._session = Session(self._connections, patience)
        self._authorizer = Authorizer(self._session, Keychain(environment, credential))
        # Places that couldn't be reached are not asked again while there are others.
        self._unreachable: dict[Endpoint, RegistryError] = {}

    def manifest(self, reference: Reference) -> bytes:
        """The manifest, or the index, that a reference names."""
        try:
            return self._anywhere(reference, reference.familiar(), lambda endpoint: self._manifest(endpoint, reference))
        except RegistryError as error:
            last = error.__cause__
            if isinstance(last, Refusal) and last.status == 404:
                error.hint = self._tags_hint(reference)
            raise

    def document(self, reference: Reference, descriptor: Descriptor) -> bytes:
        """The whole of a small blob, such as a configuration."""
        what = f"{descriptor.digest} of {reference.familiar()}"
        if descriptor.size > LARGEST_MANIFEST:
            raise ImageError(f"{what} has {descriptor.size} bytes, more than the {LARGEST_MANIFEST} allowed")
        return self._anywhere(reference, what, lambda endpoint: self._document(endpoint, reference, descriptor))

    def blob(self, reference: Reference, descriptor: Descriptor) -> BinaryIO:
        """A blob, verified at its end; the caller closes it."""

        def opened(endpoint: Endpoint) -> BinaryIO:
            return io.BufferedReader(Verified(self._download(endpoint, reference, descriptor), descriptor))

        return self._anywhere(reference, f"{descriptor.digest} of {reference.familiar()}", opened)

    def fetch(self, reference: Reference, descriptor: Descriptor, take: Callable[[Download], T]) -> T:
        """What ``take`` makes of a blob. It verifies the digest and raises IntegrityError; then it is given the blob
        again, from the next place.
        """

        def taken(endpoint: Endpoint) -> T:
            with self._download(endpoint, reference, descriptor) as download:
                return take(download)

        return self._anywhere(reference, f"{descriptor.digest} of {reference.familiar()}", taken)

    def introduce(self, registry: str) -> None:
        """Asks a registry whether it knows us; raises RegistryError where it doesn't."""
        endpoint = self._own(Reference(registry, "library/any"))
        try:
            self._authorizer.ask(Request(f"{endpoint.base}/v2/"), Scope(), LARGEST_MANIFEST)
        except RegistryError as error:
            raise RegistryError(f"{registry} doesn't let us in ({error.message})", hint=error.hint) from error

    def destination(self, reference: Reference) -> Destination:
        """Where the images of a repository go to."""
        endpoint = self._own(reference)
        return Destination(endpoint, reference.repository, self._session, self._authorizer)

    def cancel(self) -> None:
        """Ends what is under way in other threads: there, and in every later call, KeyboardInterrupt is raised."""
        self._connections.cancel()

    def close(self) -> None:
        """Closes idle connections."""
        self._connections.close()

    def _places(self, reference: Reference) -> tuple[Endpoint, ...]:
        return self._settings.endpoints(reference, self._mirrors)

    def _own(self, reference: Reference) -> Endpoint:
        """The registry's own place, no mirror; of two ways there, with TLS and without, the one that gets somewhere."""
        *others, last = self._places(reference)
        secure = replace(last, base=last.base.replace("http://", "https://", 1))
        if secure not in others:
            return last
        try:
            self._session.get(f"{secure.base}/v2/", {}, LARGEST_MANIFEST)
        except (Unreachable, Cut):
            return last
        except RegistryError:
            pass
        return secure

    def _anywhere(self, reference: Reference, what: str, ask: Callable[[Endpoint], T]) -> T:
        places = self._places(reference)
        failures: dict[Endpoint, ImageError] = {}
        for endpoint in places:
            known = self._unreachable.get(endpoint)
            if known and not all(place in self._unreachable for place in places):
                failures[endpoint] = known
                continue
            try:
                return ask(endpoint)
            except Unreachable as error:
                self._unreachable[endpoint] = failures[endpoint] = error
            except (RegistryError, IntegrityError) as error:
                failures[endpoint] = error
        raise _together(what, failures) from list(failures.values())[-1]

    def _get(
        self,
        endpoint: Endpoint,
        reference: Reference,
        path: tuple[str, str],
        headers: Mapping[str, str],
        limit: int | None = None,
    ) -> Answer:
        request = Request(endpoint.url(reference.repository, *path), headers)
        return self._authorizer.ask(request, Scope(endpoint.path(reference.repository)), limit)

    def _manifest(self, endpoint: Endpoint, reference: Reference) -> bytes:
        path = ("manifests", reference.digest or reference.tag)
        answer = self._get(endpoint, reference, path, {"Accept": ", ".join(_MANIFESTS)}, LARGEST_MANIFEST)
        if len(answer.content) > LARGEST_MANIFEST:
            raise RegistryError(f"the manifest has more than the {LARGEST_MANIFEST} bytes allowed")
        promised = answer.headers.get("Docker-Content-Digest", "")
        for wanted in (reference.digest, promised if promised.startswith("sha256:") else ""):
            if wanted:
                verify(wanted, Digest.of(answer.content))
        return answer.content

    def _document(self, endpoint: Endpoint, reference: Reference, descriptor: Descriptor) -> bytes:
        with self._download(endpoint, reference, descriptor) as download:
            raw = download.read()
        verify(descriptor.digest, Digest.of(raw))
        return raw

    def _download(self, endpoint: Endpoint, reference: Reference, descriptor: Descriptor) -> Download:
        def start(offset: int) -> Answer:
            headers = {"Range": f"bytes={offset}-"} if offset else {}
            answer = self._get(endpoint, reference, ("blobs", descriptor.digest), headers)
            try:
                return _placed(answer, offset, descriptor.size)
            except BaseException:
                answer.close()
                raise

        return Download(start(0), start, descriptor, self._session)

    def _tags_hint(self, reference: Reference) -> str:
        """What else there is by that name, if the registry itself cares to say."""
        *_, endpoint = self._places(reference)
        try:
            answer = self._get(endpoint, reference, ("tags", f"list?n={_MOST_TAGS}"), {}, LARGEST_MANIFEST)
            tags = json.loads(answer.content)["tags"]
        except (RegistryError, ValueError, TypeError, KeyError, RecursionError):
            return f"there is no repository {reference.repository}"
        tags = [printable(tag) for tag in tags or () if isinstance(tag, str)]
        return did_you_mean(reference.tag, tags) or (f"its tags are {', '.join(sorted(tags)[:10])}" if tags else "")


def _placed(answer: Answer, offset: int, size: int) -> Answer:
    """The answer, its next byte the one at the offset; a server that doesn't know ranges has to send all of them."""
    partial = answer.status == 206
    span = answer.headers.get("Content-Range", "")
    if partial and not span.startswith(f"bytes {offset}-"):
        raise RegistryError(f"it was asked for bytes from {offset} on, and gave {span[:80]!r}")
    length = answer.headers.get("Content-Length", "")
    whole = int(length) + (offset if partial else 0) if length.isdecimal() else size
    if whole != size:
        raise IntegrityError(f"it has {whole} bytes, wanted {size}")
    to_skip = 0 if partial else offset
    while to_skip and (piece := answer.read(min(to_skip, 1 << 18))):
        to_skip -= len(piece)
    return answer


def _together(what: str, failures: Mapping[Endpoint, ImageError]) -> ImageError:
    """One error of the failures at all places; broken promises weigh more than refusals."""
    reasons = " nor from ".join(f"{endpoint} ({error.message})" for endpoint, error in failures.items())
    hints = [error.hint for error in failures.values() if error.hint]
    if not hints and all(isinstance(error, Unreachable) for error in failures.values()):
        hints = ["--registry-mirror REGISTRY=URL names another place to ask"]
    kind = IntegrityError if any(isinstance(error, IntegrityError) for error in failures.values()) else RegistryError
    return kind(f"{what} can't be had from {reasons}", hint="; ".join(dict.fromkeys(hints)))
