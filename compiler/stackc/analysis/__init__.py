"""What reads a typed graph and makes nothing of it: `stackc plan` and `stackc diff`."""
