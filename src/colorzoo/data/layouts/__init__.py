"""The official layouts of published data sets: from a root folder to `Pictures`."""
