"""The widgets of the window, one a file: they emit intents and offer setters."""
