"""L-CoDe: colorization with text (Weng et al., AAAI 2022)."""
