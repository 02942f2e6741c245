"""What synthesis writes: clips, each with its label, the rule that gave it, and where it comes from."""
