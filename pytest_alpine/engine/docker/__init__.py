"""Docker, Podman, and others that speak Docker's API."""
