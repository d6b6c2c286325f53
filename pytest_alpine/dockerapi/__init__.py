"""Connections to engines that speak Docker's API: sockets, ssh, contexts, TLS."""
