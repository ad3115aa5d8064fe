"""From a mask, or a mask and depth, to the first pose of an object."""
