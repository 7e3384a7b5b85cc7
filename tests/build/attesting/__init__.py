"""Tests of what a build says of its results."""
