"""Clips and recordings -> training windows of equal length, with subjects kept apart."""
