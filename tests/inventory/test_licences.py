"""Packagers' words for licences become expressions that any reader of SPDX takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.inventory.licences import expression


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("GPLv2+ and LGPLv2+ with exceptions", "LicenseRef-GPLv2-and-LGPLv2-with-exceptions-d773115c"),
        ("GPLv2+ and MIT", "GPL-2.0-or-later AND MIT"),
        ("GPL-2.0 or later", "GPL-2.0-or-later"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("(MIT OR Apache-2.0) AND Zlib", "(MIT OR Apache-2.0) AND Zlib"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("public-domain", "LicenseRef-public-domain"),
        ("Expat OR Beerware", "MIT OR LicenseRef-Beerware"),
        ("GNU General Public License (GPL)", "LicenseRef-GNU-General-Public-License-GPL-ee8c2a76"),
        ("MIT OR", "LicenseRef-MIT-OR-6e0fcfbd"),
        ("(MIT", "LicenseRef-MIT-81cb5ffc"),
        (" \n ", "NOASSERTION"),
    ],
)
def test_words_become_an_expression(words: str, expected: str) -> None:
    assert expression(words)[0] == expected


def test_what_spdx_has_no_name_for_is_told_in_the_packagers_words() -> None:
    assert expression("Expat AND (Beerware OR SMAIL GPL)")[1] == {
        "LicenseRef-Beerware": "Beerware",
        "LicenseRef-SMAIL-GPL-b9d31e93": "SMAIL GPL",
    }


@given(st.text(alphabet="aMIT()  andorwithGPL-2+.\n", max_size=60))
def test_every_name_in_an_expression_is_known_or_explained(words: str) -> None:
    found, names = expression(words)
    used = {word for word in found.replace("(", " ").replace(")", " ").split() if word.startswith("LicenseRef-")}
    assert used == set(names)
