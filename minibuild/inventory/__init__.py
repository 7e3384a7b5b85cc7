"""Which packages an image holds, read out of its layers' tables: nothing is unpacked, mounted or run.

``package`` the values; ``evidence`` a file of the image that tells of packages; ``taking`` walks a tree and asks the
readers, each of which knows one way to tell: ``dpkg``, ``apk``, ``rpm``, ``python``, ``npm``, ``gems``, ``jars``,
``go``. ``licences`` turns what packagers call a licence into SPDX's words, ``spdx`` writes the document. An image is a
stranger's: what can't be read is said (``Unread``), the rest is read. A new way is one file and one line in a table.
May import ``source`` to ``layers``.
"""

from minibuild.inventory.package import Distribution, Inventory, Package, Unread

__all__ = ["Distribution", "Inventory", "Package", "Unread"]
