"""Hostile input: one function a parser, fed by a fuzzer (``python -m tests.fuzz``) and by ordinary tests."""
