"""Pure functions from captures to numbers."""
