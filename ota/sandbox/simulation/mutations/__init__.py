"""The wrong rules of `ota.sandbox.simulation.mutants`, by the part of the product that they spoil."""
