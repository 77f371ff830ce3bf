"""Sandboxes: where tools run. What each one promises is tried before anything runs in it (`selftest.py`)."""
