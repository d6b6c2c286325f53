"""The command ``pytest-alpine``: facts and checks of images in a shell. No container runs."""

from pytest_alpine.cli.program import main as main
