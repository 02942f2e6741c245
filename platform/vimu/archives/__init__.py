"""Untrusted mocap files -> validated `Motion`, or a `Rejection`. One module a format."""
