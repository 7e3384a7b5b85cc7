"""What this machine keeps between builds: blobs, the names of images, cache records, tables of layers.

The directory is a standard OCI image layout that any OCI tool reads; beside it stand ``cache.sqlite`` (what a step
made), ``indices/`` (tables of layers), ``twins/`` (which blob is a compressed form of which layer), ``promises/``
(where blobs are to be had that aren't here yet), ``tmp/`` and ``locks/``; the rooms above keep ``snapshots/`` and
``mounts/`` in it. All of it may be deleted at any time: what is missing is made or fetched again. Many processes may
share one store. Nothing is synced to the disk but ``index.json``: a blob's name is the digest of its bytes and is
checked when they are read, so what a power cut tears is found, thrown away and made again.

``locks`` advisory locks; ``blobs`` bytes by digest; ``verifying`` streams judged at their end; ``layout`` the
index.json; ``images`` names; ``records`` the cache; ``twins`` layers in other forms; ``promises`` what is fetched when
it is wanted; ``store`` all of them under one root; ``reading`` one that is only looked at; ``collect`` what to throw
away. May import ``source`` to ``registry``.
"""

from minibuild.store.blobs import Blobs, BlobWriter
from minibuild.store.images import Images
from minibuild.store.records import Record, Records
from minibuild.store.store import Store, data_directory

__all__ = ["BlobWriter", "Blobs", "Images", "Record", "Records", "Store", "data_directory"]
