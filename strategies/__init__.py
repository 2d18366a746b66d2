"""One file per strategy; a file that is dropped in here is in the race."""
