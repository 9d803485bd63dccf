"""Hooks of the build of the documentation site."""
