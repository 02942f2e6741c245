"""A `Motion` and sensor placements -> `Trajectory`: where each virtual sensor is, and how it is turned."""
