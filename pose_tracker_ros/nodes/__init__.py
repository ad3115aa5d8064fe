"""ROS 2 nodes: they convert messages, declare parameters and call the core; nothing else imports ROS."""
