"""Tests of file trees ⇄ tar."""
