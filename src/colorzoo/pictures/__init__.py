"""Picture files in and out: formats, profiles, metadata, frames and provenance."""
