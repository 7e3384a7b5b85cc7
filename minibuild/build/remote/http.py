"""Downloads a file by its URL, with the patience, the proxies and the certificates that a registry is asked with."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

from minibuild.build.journal import Activity
from minibuild.errors import ContextError, RegistryError
from minibuild.events import Transferred
from minibuild.registry.connections import Answer, Connections
from minibuild.registry.endpoints import origin
from minibuild.registry.failures import Cut, Refusal, printable
from minibuild.registry.session import USUAL_PATIENCE, Patience, Session
from minibuild.runtimes.base import Cancellation
from minibuild.store.blobs import disk_explained
from minibuild.values import dataclass

LARGEST_DOWNLOAD = 64 << 30
_PIECE = 256 * 1024
_SHORT = 64 * 1024
_NOT_MODIFIED = 304
_CONDITIONS = ("If-None-Match", "If-Modified-Since")
# A server that is busy or missing is not helped by the mirrors and names that a registry's hints speak of.
_HINTS: Mapping[int, str] = {
    401: "it wants credentials: --secret id=HTTP_AUTH_TOKEN_HOST,env=…, or https://USER:PASSWORD@…",
    403: "it is private, or doesn't exist",
    404: "look for the address in a browser",
    429: "it limits how often it is asked; try again later",
}
_UNREACHABLE = "see if it can be reached from here; HTTPS_PROXY names a proxy"


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said of a file's state, in its own words, "" where it said nothing."""

    etag: str = ""
    last_modified: str = ""

    @property
    def modified(self) -> int | None:
        """The seconds since 1970 of ``Last-Modified``; None where there is no such time."""
        from email.utils import parsedate_to_datetime

        try:
            return int(parsedate_to_datetime(self.last_modified).timestamp())
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Download:
    """A file that was downloaded: where it is now, what it holds, and what its server says of it.

    ``url`` is where it came from in the end, redirects followed; ``suggested_name`` what ``Content-Disposition``
    calls it, without any directory, "" where it says nothing.
    """

    path: Path
    size: int
    digest: str
    url: str
    validators: Validators
    suggested_name: str


class Web:
    """Downloads files, each with a connection of its own; any thread may ask.

    ``secrets`` may have ``HTTP_AUTH_HEADER_HOST`` and ``HTTP_AUTH_TOKEN_HOST``, each for its host alone.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        cancellation: Cancellation,
        patience: Patience = USUAL_PATIENCE,
        *,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self._environment, self._cancellation, self._patience = environment, cancellation, patience
        self._secrets = secrets or {}

    def download(
        self, url: str, directory: Path, *, limit: int = LARGEST_DOWNLOAD, activity: Activity | None = None
    ) -> Download:
        """The file, new in the directory; raises ContextError where it can't be had or is larger than the limit, and
        KeyboardInterrupt when cancelled.
        """
        download = self._download(url, directory, {}, limit, activity)
        if download is None:
            raise ContextError(f"{shown(url)} can't be downloaded: 304 Not Modified is no answer to a first question")
        return download

    def download_if_changed(
        self, url: str, directory: Path, known: Validators, *, activity: Activity | None = None
    ) -> Download | None:
        """The file; None where the server says that it still is what it was when it said ``known``."""
        values = (known.etag, "" if known.etag else known.last_modified)
        conditions = {name: value for name, value in zip(_CONDITIONS, values, strict=True) if value}
        return self._download(url, directory, conditions, LARGEST_DOWNLOAD, activity)

    def _download(
        self, url: str, directory: Path, headers: Mapping[str, str], limit: int, activity: Activity | None
    ) -> Download | None:
        from contextlib import closing, suppress
        from tempfile import mkstemp

        address, authorization = _address(url, self._secrets)
        if self._cancellation:
            raise KeyboardInterrupt
        with disk_explained(directory):
            descriptor, path = mkstemp(dir=directory, prefix="download-")
        with (
            os.fdopen(descriptor, "wb") as file,
            closing(Connections(self._environment)) as connections,
            self._cancellation.telling(connections.cancel),
        ):
            transfer = _Transfer(Session(connections, self._patience), file, directory, limit, activity)
            try:
                answer = transfer.run(address, {**headers, **authorization})
                with disk_explained(directory):
                    file.flush()
            except BaseException as error:
                with suppress(OSError):
                    os.unlink(path)
                if isinstance(error, Refusal) and error.status == _NOT_MODIFIED and headers:
                    return None
                if isinstance(error, RegistryError):
                    raise _explained(url, error) from error
                raise
        said = answer.headers
        return Download(
            path=Path(path),
            size=transfer.position,
            digest=f"sha256:{transfer.hash.hexdigest()}",
            url=answer.url,
            validators=Validators(said.get("ETag", ""), said.get("Last-Modified", "")),
            suggested_name=_suggested_name(said.get("Content-Disposition", "")),
        )


def name_in(url: str) -> str:
    """The last part of a URL's path, as a name for its file; "" where there is none."""
    name = posixpath.basename(unquote(urlsplit(url).path, errors="surrogateescape").rstrip("/"))
    return "" if name in (".", "..") or "\0" in name else name


def shown(url: str) -> str:
    """A URL as it may be shown: neither the credentials nor the signatures that it may hold."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return repr(url[:60])
    query = "…" if parts.query else ""
    return printable(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, "")))


class _Transfer:
    """One file on its way: taken up where a connection was cut, begun anew where that can't be."""

    def __init__(
        self, session: Session, file: BinaryIO, directory: Path, limit: int, activity: Activity | None
    ) -> None:
        self.position = 0
        self.hash = hashlib.sha256()
        self._session, self._file, self._directory = session, file, directory
        self._limit, self._activity = limit, activity

    def run(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Brings all of it; answers the answer that it came by."""
        asked = headers
        for attempt in range(1, self._session.patience.attempts + 1):
            answer = self._ask(url, asked)
            try:
                with answer:
                    self._receive(answer)
                return answer
            except Cut:
                if attempt == self._session.patience.attempts:
                    raise
            self._session.connections.sleep(self._session.patience.pause(attempt))
            asked = self._headers_for_the_rest(headers, answer)
        raise AssertionError("unreachable")

    def _ask(self, url: str, headers: Mapping[str, str]) -> Answer:
        answer = self._session.get(url, headers)
        if answer.status == 401:
            answer.load(_SHORT)
            raise answer.refusal()
        return answer

    def _headers_for_the_rest(self, headers: Mapping[str, str], first: Answer) -> Mapping[str, str]:
        """What asks for the rest of the same file, if its server can tell that it still is the same."""
        etag = first.headers.get("ETag", "")
        rest = {"Range": f"bytes={self.position}-", "If-Range": etag} if self.position and etag[:1] == '"' else {}
        return {name: value for name, value in headers.items() if name not in _CONDITIONS} | rest

    def _receive(self, answer: Answer) -> None:
        if answer.status == 206:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {self.position}-"):
                raise RegistryError("it sends another part of the file than was asked for")
        elif answer.status != 200:
            raise RegistryError(f"it answers with status {answer.status}, wanted 200")
        elif self.position:
            self._begin_anew()
        length = answer.headers.get("Content-Length", "")
        total = self.position + int(length) if length.isascii() and length.isdigit() else None
        self._check_size(total or 0)
        meter = self._activity and self._activity.meter("downloading", total or 0)
        while piece := answer.read(_PIECE):
            self._check_size(self.position + len(piece))
            with disk_explained(self._directory):
                self._file.write(piece)
            self.hash.update(piece)
            self.position += len(piece)
            if meter and total:
                meter.add(len(piece))
        if self._activity:
            self._activity.progress(Transferred(0, "downloading", self.position, total))

    def _begin_anew(self) -> None:
        self.position = 0
        self.hash = hashlib.sha256()
        self._file.seek(0)
        self._file.truncate()

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise RegistryError(f"it is larger than {self._limit} bytes")


def _address(url: str, secrets: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """The URL to ask for, and the header that its credentials become; raises ContextError where it is no URL."""
    if origin(url) is None:
        raise ContextError(f"{shown(url)} is no web address, wanted http[s]://HOST/PATH")
    parts = urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    address = urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
    if not credentials:
        header = _header(secrets, host) or _header(secrets, parts.hostname or "")
        return address, {"Authorization": header} if header else {}
    from base64 import b64encode

    user, _, password = credentials.partition(":")
    word = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return address, {"Authorization": f"Basic {word}"}


def _header(secrets: Mapping[str, str], host: str) -> str:
    """The value of ``Authorization`` that secrets have for a host; "" for none. Source: buildkit, source/http."""
    token = secrets.get(f"HTTP_AUTH_TOKEN_{host}", "").strip()
    return secrets.get(f"HTTP_AUTH_HEADER_{host}", "").strip() or (f"Bearer {token}" if token else "")


def _explained(url: str, error: RegistryError) -> ContextError:
    hint = _HINTS.get(error.status, "") if isinstance(error, Refusal) else error.hint or _UNREACHABLE
    if "--registry-mirror" in hint:
        hint = "write http:// if it is to be asked in clear text"
    return ContextError(f"{shown(url)} can't be downloaded: {error.message}", hint=hint)


def _suggested_name(disposition: str) -> str:
    """The name that a ``Content-Disposition`` has, whatever its way of writing it (RFC 6266), without directories."""
    if "filename" not in disposition.lower():
        return ""
    from email.message import Message

    message = Message()
    message["Content-Disposition"] = re.sub(r"[\r\n]", " ", disposition)
    name = posixpath.basename(message.get_filename("") or "")
    return "" if name in (".", "..") or "\0" in name else name
