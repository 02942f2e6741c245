"""A trained recogniser as a thing to use: exported once, then loaded with nothing but numpy and onnxruntime."""
