"""The only room with threads: the model thread, the drawing thread, and the feed that joins them to the GUI."""
