"""Dealing whole cells to pytest-xdist's workers."""
