"""File formats, a module each: it lists the series of a path and reads their frames."""
