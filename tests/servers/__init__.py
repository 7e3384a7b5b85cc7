"""Servers of our own that misbehave on purpose; the real ones are in ``tests.daemons``."""
