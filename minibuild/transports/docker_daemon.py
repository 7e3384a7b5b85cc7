"""A docker daemon: takes an image by ``docker load``, without the layers it has already; gives one by ``docker save``.

A daemon with graph drivers never opens the file of a layer whose chain it knows, so the files of known layers are left
out of the stream (a tenth of the time for an image on a known base). Podman and containerd's image store want all of
them: whenever the short stream is refused, the whole one follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from minibuild.errors import ImageError, UnavailableError, UsageError
from minibuild.events import Progress
from minibuild.oci import AnyImage, Descriptor, Digest, Image, MediaType, Platform, Reference
from minibuild.transports.archive import archive
from minibuild.transports.base import LayerContents
from minibuild.transports.docker_archive import DockerArchive

if TYPE_CHECKING:
    from docker import DockerClient

# A daemon answers only when it has unpacked a layer, which takes as long as its disk is slow.
_PATIENCE_S = 1800
_MOST_ASKED = 256


class DockerDaemon:
    """The daemon that ``environment`` names by DOCKER_HOST, or else the docker command's current context.

    ``pin`` is the image that is meant whatever reference is asked for.
    """

    def __init__(self, environment: Mapping[str, str], pin: str = "") -> None:
        self._environment = environment
        self._pin = pin
        self._saved: DockerArchive | None = None

    def export(self, image: AnyImage, names: Sequence[Reference], contents: LayerContents, progress: Progress) -> None:
        """Loads the image into the daemon under these names; it takes no index."""
        if not isinstance(image, Image):
            raise UsageError("a docker daemon takes one platform's image, not several", hint="choose with --platform")
        with connection(self._environment) as client:
            load(client, image, names, contents, progress)

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        """The daemon's image of that name, saved to a temporary file first."""
        import tempfile

        from docker.errors import ImageNotFound

        name = self._pin or reference.familiar()
        with connection(self._environment) as client:
            api: Any = client.api
            try:
                api.inspect_image(name)
            except ImageNotFound:
                raise ImageError(f"{name} isn't in the docker daemon", hint="docker images lists what is") from None
            file = tempfile.TemporaryFile()  # noqa: SIM115 - the archive closes it
            for piece in api.get_image(name):
                file.write(piece)
        file.seek(0)
        self._saved = DockerArchive(file)
        return self._saved.resolve(reference, platform)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A layer of the image that was resolved last."""
        if self._saved is None:
            raise ImageError(f"blob {descriptor.digest} is of no image that the docker daemon was asked for")
        return self._saved.open(descriptor)


_REMEDY = "start it, or name another with DOCKER_HOST; -o type=docker,dest=FILE writes an archive for docker load"


class _Refused(Exception):
    """The daemon read a stream and didn't like it."""


@contextmanager
def connection(environment: Mapping[str, str]) -> Iterator[DockerClient]:
    """The daemon that an environment names; what goes wrong with it is an ImageError where it answers, else an
    UnavailableError.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        client = _connected(environment)
    except (DockerException, RequestException) as error:
        where = environment.get("DOCKER_HOST") or "its context's address"
        raise UnavailableError(f"no docker daemon answers at {where} ({_reason(error)})", hint=_REMEDY) from error
    try:
        yield client
    except APIError as error:
        raise ImageError(f"the docker daemon says: {error.explanation or error}") from error
    except (DockerException, RequestException) as error:
        raise UnavailableError(f"the docker daemon broke off ({_reason(error)})", hint=_REMEDY) from error
    finally:
        client.close()


def load(
    client: DockerClient, image: Image, names: Sequence[Reference], contents: LayerContents, progress: Progress
) -> None:
    """Has the daemon take an image under these names, without sending layers that it has already."""
    known = _known_layers(client, image)
    if known:
        with suppress(_Refused):
            return _load(client, archive([(image, names)], contents, progress, known))
    try:
        _load(client, archive([(image, names)], contents, progress))
    except _Refused as refused:
        has_zstd = any(layer.descriptor.media_type == MediaType.LAYER_ZSTD for layer in image.layers)
        hint = "docker before 23 reads no zstd: leave compression=zstd out" if has_zstd else ""
        raise ImageError(f"the docker daemon refuses the image: {refused}", hint=hint) from refused


def _connected(environment: Mapping[str, str]) -> DockerClient:
    import docker
    from docker.context import ContextAPI

    if not environment.get("DOCKER_HOST"):
        name = environment.get("DOCKER_CONTEXT") or None
        context = ContextAPI.get_context(name)
        if context is None:
            raise UnavailableError(f"docker's context {name or 'in use'} doesn't exist", hint="docker context ls")
        if context.Host:
            return docker.DockerClient(
                context.Host, tls=context.TLSConfig or False, version="auto", timeout=_PATIENCE_S
            )
    return docker.from_env(environment=dict(environment), version="auto", timeout=_PATIENCE_S)


def _known_layers(client: DockerClient, image: Image) -> frozenset[Digest]:
    """The diff_ids of the leading layers that one of the daemon's images begins with, too."""
    own = image.config.diff_ids
    if not own or _keeps_blobs(client.info()):
        return frozenset()
    most = 0
    api: Any = client.api  # its types are half told
    newest_first = sorted(api.images(), key=lambda item: item.get("Created") or 0, reverse=True)
    for item in newest_first[:_MOST_ASKED]:
        layers = (api.inspect_image(item["Id"]).get("RootFS") or {}).get("Layers") or []
        shared = 0
        while shared < min(len(own), len(layers)) and own[shared] == layers[shared]:
            shared += 1
        most = max(most, shared)
        if most == len(own):
            break
    # A later layer may have the diff_id of an earlier one, and then goes without a file like it: its chain is unknown.
    omitted = frozenset(own[:most])
    return omitted if not omitted & set(own[most:]) else frozenset()


def _keeps_blobs(information: Mapping[str, Any]) -> bool:
    """It is a daemon with containerd's image store, which needs every blob of an image to hand it on."""
    status = information.get("DriverStatus") or ()
    return any("containerd.snapshotter" in str(value) for pair in status for value in pair)


def _load(client: DockerClient, pieces: Iterator[bytes]) -> None:
    """Sends an archive; raises _Refused with the daemon's words, which come with status 200 when it read the start.

    Podman doesn't wait for the end of what it refuses: it closes the connection.
    """
    from docker.errors import APIError
    from requests.exceptions import ConnectionError as BrokenOff

    api: Any = client.api
    try:
        for line in api.load_image(pieces, quiet=True):
            problem = line.get("errorDetail", {}).get("message") or line.get("error")
            if problem:
                raise _Refused(str(problem).strip())
    except APIError as error:
        raise _Refused(str(error.explanation or error)) from error
    except BrokenOff as error:
        raise _Refused(f"it broke off the connection ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    """The innermost cause, since requests wraps urllib3, which wraps the operating system."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return str(getattr(error, "strerror", None) or error)
