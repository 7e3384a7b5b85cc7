"""Tables, sizes and times as Docker writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from minibuild.cli.listing import listing
from minibuild.cli.template_functions import Record
from minibuild.cli.times import parse_time, since
from minibuild.cli.units import human_duration, human_size

ROWS = [Record({"Name": "a", "Size": "1B"}), Record({"Name": "a-long-name", "Size": "2B"})]
HEADINGS = {"Name": "NAME", "Size": "SIZE"}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", "NAME          SIZE\na             1B\na-long-name   2B\n"),
        ("table", "NAME          SIZE\na             1B\na-long-name   2B\n"),
        ("table {{.Size}}\\t{{.Name}}", "SIZE      NAME\n1B        a\n2B        a-long-name\n"),
        ("{{.Name}}:{{.Size}}", "a:1B\na-long-name:2B\n"),
        ("json", '{"Name":"a","Size":"1B"}\n{"Name":"a-long-name","Size":"2B"}\n'),
    ],
)
def test_rows_take_the_form_that_was_asked_for(form: str, text: str) -> None:
    assert listing(ROWS, form, HEADINGS, ("Name", "Size")) == text


def test_a_name_cannot_break_the_table() -> None:
    rows = [Record({"Name": "a\x1b[2J\nb", "Size": "1B"})]
    assert listing(rows, "", HEADINGS, ("Name", "Size")) == "NAME      SIZE\na\\nb      1B\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (1235, "1.24kB"), (117_400_000, "117MB"), (999_900, "1MB"), (5e9, "5GB")],
)
def test_sizes_have_three_digits(size: float, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "Less than a second"),
        (1, "1 second"),
        (47, "47 seconds"),
        (61, "About a minute"),
        (3 * 60, "3 minutes"),
        (3600, "About an hour"),
        (3 * 3600, "3 hours"),
        (47 * 3600, "47 hours"),
        (3 * 86400, "3 days"),
        (15 * 86400, "2 weeks"),
        (70 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_are_rough(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05.123456789Z", datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2024-01-02T05:04:05.5+02:00", datetime(2024, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
    ],
)
def test_times_of_images_are_read(text: str, moment: datetime | None) -> None:
    assert parse_time(text) == moment


def test_an_image_without_a_time_was_made_at_no_time() -> None:
    assert since(None, datetime.now(UTC)) == "N/A"
