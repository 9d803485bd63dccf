"""Many pictures: find them, plan outputs, skip what is done, color, report."""
