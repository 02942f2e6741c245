"""Nets and the forest baseline."""
