"""Commands in a container: shells that stay, and processes started one by one."""
