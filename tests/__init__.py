"""The tests, laid out like the package; ``tests.daemons`` and ``tests.machine`` are theirs to share."""
