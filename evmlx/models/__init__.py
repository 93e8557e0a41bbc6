"""What the user calls a model -> a local folder; other precisions of it."""
