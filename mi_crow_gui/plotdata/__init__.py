"""What plots draw, computed from frames with numpy alone."""
