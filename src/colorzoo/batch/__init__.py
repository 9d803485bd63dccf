"""Many images: find them, plan outputs, skip what is done, color, report."""
