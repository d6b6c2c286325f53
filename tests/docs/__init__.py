"""The documentation: every example runs, and every name and path in it exists."""
