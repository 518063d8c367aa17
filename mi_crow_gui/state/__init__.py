"""The store that holds the workspace and alone changes it; settings; autosave."""
