"""The parts of the test bed: everything real that the tests talk to.

The parts know nothing of the package under test, so that they can serve as its ground truth.
"""
