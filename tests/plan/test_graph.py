"""A plan as a graph: what needs what, and where it is drawn."""

from __future__ import annotations

from minibuild.oci import Image, Platform
from minibuild.plan import Plan, plan, read
from minibuild.plan.graph import Arrow, arrows, columns
from minibuild.plan.steps import Options
from minibuild.source import Source, Span


def planned(text: str) -> Plan:
    def nothing_known(_name: str, platform: Platform, _span: Span) -> Image:
        return Image.scratch(platform)

    return plan(read(Source("Dockerfile", text)), nothing_known, Options())


DIAMOND = planned(
    """\
FROM scratch AS base
FROM base AS left
FROM base AS right
FROM scratch AS unneeded
FROM left
COPY --from=right /a /a
RUN --mount=from=right,target=/r --mount=type=cache,from=base,target=/c x
"""
)


def test_an_arrow_says_what_a_stage_is_needed_for() -> None:
    assert arrows(DIAMOND) == (
        Arrow(0, 1, "from"),
        Arrow(0, 2, "from"),
        Arrow(1, 4, "from"),
        Arrow(2, 4, "copy", 2),
        Arrow(2, 4, "mount", 3),
        Arrow(0, 4, "mount", 3),
    )


def test_a_stage_stands_right_of_all_that_it_needs() -> None:
    assert columns(DIAMOND, arrows(DIAMOND)) == ((0,), (1, 2), (4,))


def test_stages_of_a_column_stand_in_the_order_of_what_they_need() -> None:
    crossed = planned(
        """\
FROM scratch AS a
FROM scratch AS b
FROM b AS of-b
FROM a AS of-a
FROM scratch
COPY --from=of-a / /
COPY --from=of-b / /
"""
    )
    assert columns(crossed, arrows(crossed)) == ((0, 1), (3, 2), (4,))


def test_one_stage_is_one_column() -> None:
    single = planned("FROM scratch\n")
    assert (arrows(single), columns(single, ())) == ((), ((0,),))
