"""City hosts: cities that answer for their own cards, and cities that ask this platform about theirs."""
