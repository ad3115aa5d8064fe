"""The sub-commands of the `pose-tracker` command, one module each."""
