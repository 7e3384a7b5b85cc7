"""An image, as values: digests, references, configurations, manifests.

Pure: nothing here opens a file or a socket. May import ``source`` and ``errors`` only. The names are those of the OCI
image-spec; what Docker adds to the configuration (Healthcheck, Shell, OnBuild, ArgsEscaped) is kept beside them.
"""

from minibuild.oci.config import ContainerConfig, Healthcheck, History, ImageConfig
from minibuild.oci.digest import Digest
from minibuild.oci.image import Descriptor, Image, Layer, MediaType
from minibuild.oci.index import AnyImage, ImageIndex
from minibuild.oci.platform import Platform
from minibuild.oci.reference import Reference

__all__ = [
    "AnyImage",
    "ContainerConfig",
    "Descriptor",
    "Digest",
    "Healthcheck",
    "History",
    "Image",
    "ImageConfig",
    "ImageIndex",
    "Layer",
    "MediaType",
    "Platform",
    "Reference",
]
