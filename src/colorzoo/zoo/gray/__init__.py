"""No color at all: what every method is measured against."""
