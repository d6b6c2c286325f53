"""Connections to engines with Docker's API: sockets, ssh, contexts, TLS."""
