"""The workspace as plain frozen data, its edits and its files: no Qt, no torch."""
