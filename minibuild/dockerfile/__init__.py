"""Text → statements: what a Dockerfile says, before anyone asks what it means. Pure.

``lines`` joins physical lines into logical ones and remembers where each character stood; ``statements`` cuts those
into keyword, flags, body and here-documents; ``words`` splits a body the way its instruction wants; ``expand``
replaces variables. May import ``source`` and ``errors`` only.
"""
