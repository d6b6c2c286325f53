"""Checks that read a whole image: each a file of its own, with an assertion and its twin that returns findings."""
