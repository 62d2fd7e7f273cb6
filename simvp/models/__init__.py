"""Network families."""
