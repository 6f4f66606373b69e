"""The only place that knows keys: the application names them here and gets MACs, wrapped commands and answers."""
