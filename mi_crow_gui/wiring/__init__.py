"""What joins panels, document and service: one file a conversation; no widgets of its own."""
