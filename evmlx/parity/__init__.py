"""Whether engines, machines and runs measured the same."""
