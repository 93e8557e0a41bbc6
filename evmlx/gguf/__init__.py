"""GGUF files -> checkpoint folders that both engines read."""
