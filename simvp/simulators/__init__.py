"""Small simulations that make data to learn from: arrays in, arrays out, no files."""
