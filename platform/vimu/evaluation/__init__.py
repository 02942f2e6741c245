"""Predictions -> tables and the report."""
