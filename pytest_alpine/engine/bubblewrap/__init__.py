"""Sandboxes of bubblewrap on this machine."""
