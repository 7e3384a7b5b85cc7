"""Text → statements: what a Dockerfile says, before anyone asks what it means. Pure.

``lines`` joins physical lines into logical ones and remembers where each character stood; ``parse`` cuts those into
``statements``: keyword, ``flags``, body (in ``exec_form`` or not) and ``heredocs``; ``words`` splits a body the way its
instruction wants; ``expand`` replaces variables, with ``patterns`` for some. May import ``source`` and ``errors`` only.
"""

from minibuild.dockerfile.parse import parse, parse_trigger
from minibuild.dockerfile.statements import Dockerfile, Flag, HereDocument, Statement
from minibuild.dockerfile.text import Text

__all__ = ["Dockerfile", "Flag", "HereDocument", "Statement", "Text", "parse", "parse_trigger"]
