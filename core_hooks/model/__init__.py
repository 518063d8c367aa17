"""Opening a model, its module tree, its anatomy, forward and generation."""
