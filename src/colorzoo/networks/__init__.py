"""Networks and blocks that at least two papers share."""
