"""Line art: lines at full size, regions between the lines, and flat colors below the lines."""
