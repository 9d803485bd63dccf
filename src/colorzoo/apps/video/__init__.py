"""Colorization of videos and folders of frames with temporally stable colors."""
