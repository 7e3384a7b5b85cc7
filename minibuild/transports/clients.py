"""Podman and nerdctl: an image goes to them by ``podman load``, on standard input, as one tar that they unpack.

The program is found and driven by python-on-whales (``pip install 'minibuild[clients]'``); where it keeps images is for
its own settings to say, such as CONTAINERS_STORAGE_CONF, CONTAINER_HOST and CONTAINERD_NAMESPACE.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from minibuild.errors import ImageError, UnavailableError, UsageError
from minibuild.events import Progress
from minibuild.oci import AnyImage, Image, Reference
from minibuild.transports.archive import archive
from minibuild.transports.base import LayerContents
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    """One of the two."""

    name: Literal["podman", "nerdctl"]

    def export(self, image: AnyImage, names: Sequence[Reference], contents: LayerContents, progress: Progress) -> None:
        """Loads the image under these names; it takes no index."""
        if not isinstance(image, Image):
            raise UsageError(f"{self.name} takes one platform's image, not several", hint="choose with --platform")
        try:
            from python_on_whales import ClientNotFoundError, DockerClient, DockerException
        except ImportError:
            hint = "pip install 'minibuild[clients]'; -o type=docker,dest=FILE writes an archive for it"
            raise UnavailableError(
                f"{self.name} is driven by python-on-whales, which isn't installed", hint=hint
            ) from None
        try:
            client = DockerClient(client_call=[self.name], client_type=self.name)
            # It shows nothing itself then; nerdctl has no such option in its first versions, and shows little.
            client.image.load(archive([(image, names)], contents, progress), quiet=self.name == "podman")
        except ClientNotFoundError:
            hint = "install it, or write an archive for it: -o type=docker,dest=FILE"
            raise UnavailableError(f"{self.name} isn't installed", hint=hint) from None
        except (DockerException, BrokenPipeError) as error:
            raise ImageError(f"{self.name} refuses the image", hint=f"{self.name} itself says why, above") from error
