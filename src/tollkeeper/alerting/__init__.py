"""What people are told of, and where: pure. What does the telling is in `sidecar.notify`."""
