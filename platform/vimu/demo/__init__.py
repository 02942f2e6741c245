"""Synthetic stand-ins, in the real formats, for what a licence keeps from being shipped: SMPL, AMASS, DIP-IMU.

Numbers obtained on them say that the pipeline works and nothing about people: every table must call them synthetic.
"""

from vimu.demo.data import write_demo_data

__all__ = ["write_demo_data"]
