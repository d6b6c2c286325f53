"""Sends whole cells to the workers of pytest-xdist."""
