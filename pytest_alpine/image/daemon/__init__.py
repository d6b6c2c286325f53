"""``docker-daemon:NAME``: the images that an engine holds."""
