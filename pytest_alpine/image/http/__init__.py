"""HTTP for registries and mirrors."""
