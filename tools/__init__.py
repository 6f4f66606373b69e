"""The small programs that build, test and measure this project."""
