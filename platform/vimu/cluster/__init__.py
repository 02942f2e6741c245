"""Jobs on a Ray cluster: submitting them, and a cluster of two nodes on one machine to try it on."""
