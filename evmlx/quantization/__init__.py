"""How far a quantized model measures what the model does."""
