"""Test Alpine Linux container images with pytest: facts read from the layers, containers on every platform."""

from lazy_loader import attach_stub

# __init__.pyi lists the public names. A name's module is imported when the name is first used, so that a test suite
# that has the plugin installed, and does not use it, does not wait for it.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

__version__ = "0.1.0"
