"""One module a subcommand: config in, summary out."""
