"""What a RUN's output shows of secrets: three stars."""

from __future__ import annotations

import pytest

from minibuild.build.mounting import Mounted
from minibuild.events import Stream

CASES = {
    "a value as it is": (["correct-horse"], "-H 'x: correct-horse' correct-horse", "-H 'x: ***' ***"),
    "each line of several": (["-----KEY\nabc def\n-----END\n"], "[abc def] -----END", "[***] ***"),
    "the longer one first": (["horse", "correct-horse"], "correct-horse horse", "*** ***"),
    "nothing in place of two letters": (["ab", "\n", "  \t "], "ab   \t cd", "ab   \t cd"),
    "what is not a secret": (["other"], "line", "line"),
}


@pytest.mark.parametrize(("secrets", "line", "shown"), CASES.values(), ids=CASES)
def test_the_output_hides(secrets: list[str], line: str, shown: str) -> None:
    seen: list[tuple[str, Stream]] = []
    given = {str(number): secret.encode() for number, secret in enumerate(secrets)}
    Mounted(secrets=given).masking(lambda text, stream: seen.append((text, stream)))(line, "stderr")
    assert seen == [(shown, "stderr")]
