"""The words every other part is built from: values, errors, state machines, the clock. Standard library only."""
