"""Result files -> pictures, PNG and SVG."""
