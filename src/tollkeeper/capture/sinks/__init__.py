"""Where finished calls go, one file each."""
