"""Pure functions from captures to numbers, and the experiments that make them."""
