"""Workflows in Python code: what a workflow is, what it sees, and the Program port on it."""
