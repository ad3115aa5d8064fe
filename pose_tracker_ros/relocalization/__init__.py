"""Where a camera is in a mapped room: keyframes, what is found again of them in an image, and the pose that follows."""
