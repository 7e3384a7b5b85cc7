"""``differences.md`` and the cases say the same about where minibuild and Docker's BuildKit part."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from tests.differential.cases import CASES, CORPUS
from tests.differential.comparison import ALLOWANCES

PAGE = Path(__file__).with_name("differences.md")
ROWS = re.findall(r"^\| (?!what |--)(.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)


def test_the_page_lists_the_reasons_that_cases_give_with_just_those_cases() -> None:
    given = defaultdict(set)
    for case in (*CASES, *CORPUS):
        for reason in case.reasons:
            given[reason].add(case.name)
    told = {what: set(re.findall(r"`([\w-]+)`", cases)) for what, _, cases in ROWS if cases != "every case"}
    assert told == given


def test_the_page_lists_what_is_allowed_for_in_every_case() -> None:
    allowances = {str(function.__doc__).splitlines()[0].removesuffix(".") for function in ALLOWANCES}
    assert {what for what, _, cases in ROWS if cases == "every case"} == allowances
