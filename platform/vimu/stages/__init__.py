"""One module a stage: the Ray plan that runs the rooms above it, and what it publishes."""
