"""File trees ⇄ tar: what a layer holds, how it is written, read and looked into.

``entry`` is one line of a layer; ``index`` one layer's table; ``tree`` many layers as one filesystem; ``tar`` the
codec of headers; ``pack`` entries → blob; ``unpack`` blob → directory, never outside it; ``compression`` sniffing
and decompression. May import ``source``, ``errors`` and ``oci``.
"""
