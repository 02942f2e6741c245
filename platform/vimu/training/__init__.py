"""Training loops: pre-training on virtual windows, fine-tuning on real ones."""
