"""What `make bench` measures: always as ratios against a baseline of the same run."""
