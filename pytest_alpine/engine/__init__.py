"""Containers, running: what an engine can do, and the engines that do it."""
