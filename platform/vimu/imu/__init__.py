"""Trajectories -> what a sensor there would have measured."""
