"""Colorize videos and folders of frames with temporally stable colors."""
