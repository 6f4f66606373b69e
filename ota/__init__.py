"""Issue and load the transit cards of Guangdong over the air."""

__version__ = "0.1.0"
