"""The commands of `core-hooks`, one module each."""
