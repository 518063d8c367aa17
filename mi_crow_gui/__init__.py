"""The desktop inspector: the Qt application over `core_hooks`."""

__version__ = "0.1.0"
