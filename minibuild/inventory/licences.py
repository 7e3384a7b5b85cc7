"""What packagers call a licence → SPDX's words for it.

Source: SPDX 2.3, annex D (expressions), annex A (the list, of which those stand here that packages mostly have).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

NOASSERTION = "NOASSERTION"

_KNOWN = """
0BSD AFL-2.1 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-1.0 Artistic-1.0-Perl Artistic-2.0
BSD-1-Clause BSD-2-Clause BSD-3-Clause BSD-4-Clause BSL-1.0 BlueOak-1.0.0 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0
CC-BY-SA-4.0 CC0-1.0 CDDL-1.0 CPL-1.0 EPL-1.0 EPL-2.0 EUPL-1.2 FSFAP FSFUL FSFULLR FTL GFDL-1.2-only GFDL-1.2-or-later
GFDL-1.3-only GFDL-1.3-or-later GPL-1.0-only GPL-1.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only
GPL-3.0-or-later HPND ICU IJG ISC LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only
LGPL-3.0-or-later MIT MIT-0 MPL-1.1 MPL-2.0 MS-PL NCSA OFL-1.1 OLDAP-2.8 OpenSSL PHP-3.01 PostgreSQL PSF-2.0
Python-2.0 Ruby Sleepycat TCL Unicode-DFS-2016 Unlicense Vim W3C WTFPL X11 ZPL-2.1 Zlib bzip2-1.0.6 curl libpng-2.0
zlib-acknowledgement
"""
_EXCEPTIONS = """
Autoconf-exception-2.0 Autoconf-exception-3.0 Bison-exception-2.2 Classpath-exception-2.0 GCC-exception-3.1
LLVM-exception Libtool-exception Linux-syscall-note OpenSSL-exception
"""
# Debian's, Fedora's and Python's words for some of them.
_ALIASES: Mapping[str, str] = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "asl 2.0": "Apache-2.0",
    "boost": "BSL-1.0",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "expat": "MIT",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psf-2": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license": "MIT",
    "the unlicense (unlicense)": "Unlicense",
}
_BY_FOLD = {name.casefold(): name for name in _KNOWN.split()} | dict(_ALIASES)
_EXCEPTION_BY_FOLD = {name.casefold(): name for name in _EXCEPTIONS.split()}
# GPL-2+, GPLv2+, LGPL-2.1, GPL-3.0-or-later, GFDL-1.3
_GNU = re.compile(r"(a?gpl|lgpl|gfdl)(?:-|v)?(\d)(?:\.(\d))?(\+|-only|-or-later)?", re.IGNORECASE)
_OPERATOR = re.compile(r"(?:^|\s)(and|or|with|\(|\))(?=\s|$)", re.IGNORECASE)
_OPERATORS = ("AND", "OR", "WITH")
_LATER = re.compile(r",?\s+or\s+(later|newer)\b", re.IGNORECASE)
_LONGEST = 4000


def expression(words: str) -> tuple[str, Mapping[str, str]]:
    """The SPDX expression of a packager's words, and what the names in it stand for that aren't SPDX's own.

    What has the form of no expression is one name of its own; no words at all are ``NOASSERTION``.
    """
    words = " ".join(words.split())
    if not words:
        return NOASSERTION, {}
    if (known := _identified(words)) is not None:
        return known, {}
    names: dict[str, str] = {}
    pieces = list(_pieces(words, names)) if len(words) <= _LONGEST else []
    if _is_expression(pieces):
        return " ".join(pieces).replace("( ", "(").replace(" )", ")"), names
    reference = _reference(words)
    return reference, {reference: words}


def _identified(name: str) -> str | None:
    """The name on SPDX's list; None: it isn't there."""
    if (known := _BY_FOLD.get(name.casefold())) is not None:
        return known
    gnu = _GNU.fullmatch(name)
    if gnu is None:
        return None
    later = "or-later" if gnu[4] in ("+", "-or-later") else "only"
    return _BY_FOLD.get(f"{gnu[1]}-{gnu[2]}.{gnu[3] or 0}-{later}".casefold())


def _pieces(words: str, names: dict[str, str]) -> Iterator[str]:
    """The operators, parentheses and identifiers of an expression; of these, those that aren't SPDX's go to ``names``.
    An exception that isn't SPDX's can't be said: it is left as "".
    """
    before = ""
    words = re.sub(r"([()])", r" \1 ", _LATER.sub("+", words))
    for piece in filter(None, map(str.strip, _OPERATOR.split(words))):
        word = piece.upper() if piece.upper() in (*_OPERATORS, "(", ")") else ""
        if not word and before == "WITH":
            word = _EXCEPTION_BY_FOLD.get(piece.casefold(), "")
        elif not word and (word := _identified(piece) or "") == "":
            word = _reference(piece)
            names[word] = piece
        yield word
        before = word


def _is_expression(pieces: list[str]) -> bool:
    """Identifiers and operators take turns, parentheses are closed, and exceptions are ones that SPDX knows."""
    depth, wants_name = 0, True
    for piece in pieces:
        opens, closes = piece == "(", piece == ")"
        depth += opens - closes
        if not piece or depth < 0 or wants_name == (closes or piece in _OPERATORS):
            return False
        wants_name = opens or piece in _OPERATORS
    return not wants_name and not depth


def _reference(name: str) -> str:
    """A name for a licence that SPDX has none for; two that look alike once they are written so differ in a digest."""
    plain = re.sub(r"[^a-zA-Z0-9.-]+", "-", name).strip("-")
    if plain == name and len(plain) <= 64:
        return f"LicenseRef-{plain}"
    return f"LicenseRef-{plain[:48]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
