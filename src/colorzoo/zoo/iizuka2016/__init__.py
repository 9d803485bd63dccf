"""Let there be Color! (Iizuka et al., SIGGRAPH 2016)."""
