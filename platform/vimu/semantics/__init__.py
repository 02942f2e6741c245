"""LanHAR's first half: windows -> measured features -> judged interpretations. Source: DOI 10.1145/3770652."""
