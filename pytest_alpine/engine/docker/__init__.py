"""Engines with Docker's API: Docker, Podman and others."""
