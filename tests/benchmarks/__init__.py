"""How fast it is, beside a peer that does the same bytes. In a checkout, on a machine that does nothing else::

    python -m tests.benchmarks                    all of it, a quarter of an hour and 8 GB below TMPDIR
    python -m tests.benchmarks copy --files 3000  one of copy, ignore, plan and start
    python -m tests.benchmarks push pull          those with a registry are push, pull, warm and cached; they take root
    python -m tests.benchmarks run peers          those of RUN are run, peers, rootless and scan; they take root too

Prints a command, its peer and the ratio of their medians, taken in one run with the two in turn. No part of the tests:
what must not get slower by the size of a thing is held by them in processor time (``test_dockerfile_speed.py``,
``test_ignore.py``).
"""
