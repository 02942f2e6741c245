"""Clip review: look at the clips of a run in a browser, and decide about them. See docs/review.md."""
