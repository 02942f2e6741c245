"""Below everything: configuration, safe loading, publishing, the Ray session."""
