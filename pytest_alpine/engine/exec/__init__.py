"""Commands in a container: shells that stay, and single processes."""
