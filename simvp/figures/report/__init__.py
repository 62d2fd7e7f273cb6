"""One self-contained HTML page about a run: contents, charts, and the page itself."""
