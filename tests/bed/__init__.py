"""The parts of the test bed: all real engines, registries and images that the tests use.

The parts do not import the package under test, so that tests can compare it with them.
"""
