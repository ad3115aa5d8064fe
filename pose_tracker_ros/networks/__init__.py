"""Neural networks and their losses, nothing else."""
