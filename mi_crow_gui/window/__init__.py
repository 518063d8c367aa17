"""The main window, its actions, dialogs and look: no logic."""
