"""The tests of pytest-alpine; a package, so that they can import the test bed."""
