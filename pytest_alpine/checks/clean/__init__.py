"""The hygiene of images as named rules, each in a module of its own, registered in ``registry.py``."""
