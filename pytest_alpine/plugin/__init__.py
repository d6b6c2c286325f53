"""The pytest plugin: hooks, fixtures, options."""
