"""File trees ⇄ tar: what a layer holds, how it is written, read and looked into.

``entry`` is one line of a layer; ``index`` one layer's table; ``slice`` a file's content in a tar; ``tree`` many
layers as one filesystem. ``tar`` reads entries, with the codecs of ``header``, ``pax`` and ``names`` below it;
``pack`` makes a blob of entries, through a ``tape`` that digests and writes beside it; ``unpack`` a directory of a
blob, never outside it, since it works in a ``rooted`` one; ``compression`` tells and undoes compression,
``compressing`` makes it. May import ``source``, ``errors`` and ``oci``.
"""
