"""Carries single requests: connections kept open, proxies, certificates, time limits, and a way to stop it all."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self
from urllib.parse import urlsplit
from weakref import WeakSet

from minibuild.errors import RegistryError
from minibuild.registry.failures import Cut, Refusal, Unreachable, printable, refusal
from minibuild.registry.offline import OFFLINE, is_offline
from minibuild.registry.proxies import proxy_for
from minibuild.registry.trust import Trust, trust_in
from minibuild.version import __version__

if TYPE_CHECKING:
    import socket

    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_S = 10
SILENCE_S = 60.0
_HEADERS = {"User-Agent": f"minibuild/{__version__}", "Accept-Encoding": "identity"}
_CLEAR_TEXT = "http:// before a mirror, or insecure = true in registries.conf, has it asked in clear text"
# Threads that ask one host at a time; more connections than this are not kept for later.
_KEPT = 8
# How much of a body is read and sent at a time.
_BLOCK = 256 << 10


class Connections:
    """The connections of one client to whatever servers it asks. Any thread may use and cancel it."""

    def __init__(
        self, environment: Mapping[str, str], insecure: frozenset[str] = frozenset(), silence_s: float = SILENCE_S
    ) -> None:
        self._environment = environment
        self._insecure = insecure
        self.silence_s = silence_s
        self._managers: dict[tuple[str, Trust | None], PoolManager] = {}
        self._trusts: dict[str, Trust] = {}
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._cancelled = threading.Event()

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | BinaryIO = b"") -> Answer:
        """The server's answer, whatever it is, its body not yet read; the caller closes it. The headers say the
        length of a body that is read from a stream.

        Raises Unreachable, Cut, and KeyboardInterrupt once cancelled.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        self.check()
        if is_offline(self._environment):
            raise Unreachable("nobody is asked: --offline", hint=f"leave --offline out, or {OFFLINE}")
        proxy = proxy_for(url, self._environment)
        try:
            response = self._manager(proxy, url).request(
                method,
                url,
                body=body or None,
                headers={**_HEADERS, **headers},
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
                timeout=Timeout(connect=CONNECT_S, read=self.silence_s),
            )
        except (HTTPError, OSError, UnicodeError) as error:
            self.check()
            raise _failure(error, url, proxy, self.silence_s) from error
        return Answer(response, url, self)

    def check(self) -> None:
        """Raises KeyboardInterrupt once cancelled."""
        if self._cancelled.is_set():
            raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        """Waits; raises KeyboardInterrupt as soon as cancelled."""
        self._cancelled.wait(seconds)
        self.check()

    def cancel(self) -> None:
        """Ends every exchange that is under way, and every later one: they raise KeyboardInterrupt."""
        self._cancelled.set()
        for connected in list(self._sockets):
            _shut(connected)

    def close(self) -> None:
        """Closes the connections that are kept for later."""
        for manager in self._managers.values():
            manager.clear()

    def _manager(self, proxy: str, url: str) -> PoolManager:
        with self._lock:
            trust = self._trust(url)
            if (proxy, trust) not in self._managers:
                self._managers[proxy, trust] = self._new_manager(proxy, trust)
            return self._managers[proxy, trust]

    def _trust(self, url: str) -> Trust | None:
        """Whom to believe at a URL; None where nobody proves anything."""
        scheme, host, *_ = urlsplit(url)
        if scheme != "https":
            return None
        host = host.rpartition("@")[2].lower()
        if host not in self._trusts:
            self._trusts[host] = trust_in(host, self._environment, self._insecure)
        return self._trusts[host]

    def _new_manager(self, proxy: str, trust: Trust | None) -> PoolManager:
        from urllib3 import PoolManager, ProxyManager
        from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

        options: dict[str, Any] = {"maxsize": _KEPT, "blocksize": _BLOCK}
        if trust:
            options["ssl_context"] = trust.context(self._environment)
        if trust and not trust.verifies:
            from urllib3 import disable_warnings, exceptions

            disable_warnings(exceptions.InsecureRequestWarning)  # whoever wrote the file knows
        manager = (
            ProxyManager(proxy, proxy_headers=_proxy_headers(proxy), **options) if proxy else PoolManager(**options)
        )
        manager.pool_classes_by_scheme = {
            "http": self._watched(HTTPConnectionPool),
            "https": self._watched(HTTPSConnectionPool),
        }
        return manager

    def _watched(self, pool: Any) -> Any:
        """A kind of pool whose sockets can be shut from another thread, even while a server keeps us waiting."""
        watch = self._watch

        class Watched(pool.ConnectionCls):  # type: ignore[misc]
            """Tells of its socket as soon as it has one."""

            def connect(self) -> None:
                super().connect()
                watch(self.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": Watched})

    def _watch(self, connected: socket.socket) -> None:
        self._sockets.add(connected)
        if self._cancelled.is_set():
            _shut(connected)


class Answer:
    """A server's answer; what it says of itself is not to be believed."""

    def __init__(self, response: BaseHTTPResponse, url: str, connections: Connections) -> None:
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.content = b""
        self._response = response
        self._connections = connections

    def read(self, limit: int) -> bytes:
        """The bytes that have come meanwhile, at most so many; b"" at the end. Raises Cut."""
        from urllib3.exceptions import HTTPError

        self._connections.check()
        try:
            return self._response.read1(limit) or b""
        except (HTTPError, OSError) as error:
            self._connections.check()
            raise _failure(error, self.url, "", self._connections.silence_s) from error

    def load(self, limit: int) -> None:
        """Reads the whole body into ``content``, or one byte more than the limit if it is longer, and closes."""
        pieces, room = [], limit + 1
        with self:
            while room and (piece := self.read(room)):
                pieces.append(piece)
                room -= len(piece)
        self.content = b"".join(pieces)

    def refusal(self) -> Refusal:
        """What it says, once loaded, as an error."""
        return refusal(self.status, self.headers, self.content)

    def close(self) -> None:
        """Lets go of the connection: for the next request if everything was read, else for good."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _shut(connected: socket.socket) -> None:
    import socket

    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # It is closed already.


def _failure(error: Exception, url: str, proxy: str, silence_s: float) -> RegistryError:
    """A failure of urllib3's in our own words."""
    from http.client import BadStatusLine

    from urllib3 import exceptions

    match error:
        case exceptions.ProxyError():
            return Unreachable(
                f"the proxy {_without_credentials(proxy)} doesn't let us through: {_cause(error)}",
                hint="NO_PROXY names hosts to be asked without a proxy",
            )
        case exceptions.NameResolutionError():
            return Unreachable("no such host")
        case exceptions.NewConnectionError():
            return Unreachable(_cause(error))
        case exceptions.ConnectTimeoutError():
            return Unreachable(f"no connection within {CONNECT_S} s")
        case exceptions.SSLError() if "WRONG_VERSION_NUMBER" in str(error):
            return Unreachable("it doesn't speak https", hint=_CLEAR_TEXT)
        case exceptions.SSLError():
            return Unreachable(_cause(error), hint=_certificates_wanted(url, _cause(error)))
        case exceptions.ReadTimeoutError():
            return Cut(f"it said nothing for {silence_s:g} s")
        # A server that hangs up is an empty status line to http.client, and one cut within it a short one.
        case exceptions.ProtocolError(args=(_, BadStatusLine(args=(str(line),)) as said)) if not (
            isinstance(said, ConnectionError) or "HTTP/".startswith(line[:5])
        ):
            return RegistryError("it doesn't speak http")
        case exceptions.ProtocolError() | ConnectionError():
            return Cut("the connection was cut")
        case _:
            return RegistryError(_cause(error))


def _certificates_wanted(url: str, cause: str) -> str:
    """Where the certificate goes whose lack a failure of TLS tells: of an authority, or, after an alert of the
    server's, one of our own.
    """
    place = f"~/.config/containers/certs.d/{urlsplit(url).netloc.rpartition('@')[2]}"
    if re.search("alert.*(certificate|unknown ca)", cause):
        return f"it wants a certificate of ours: keep it in {place}/client.cert and client.key"
    return f"keep its authority's certificate in {place}/ca.crt, or name the file by SSL_CERT_FILE"


def _cause(error: BaseException) -> str:
    """The innermost thing that went wrong, as the operating system or OpenSSL call it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return printable(text) or type(error).__name__


def _proxy_headers(proxy: str) -> dict[str, str]:
    from urllib.parse import unquote

    from urllib3.util import make_headers

    credentials = proxy.partition("://")[2].rpartition("@")[0]
    return dict(make_headers(proxy_basic_auth=unquote(credentials))) if credentials else {}


def _without_credentials(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
