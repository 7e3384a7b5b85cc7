"""Tests of which packages an image holds."""
