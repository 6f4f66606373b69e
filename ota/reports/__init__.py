"""Reports over everything that the features have written: they read, they change nothing."""
