"""The books: double entry in whole fen, written once and never changed."""
