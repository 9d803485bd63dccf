"""Find image files and decode their pixels, without the metadata that `colorzoo.image_io` keeps."""
