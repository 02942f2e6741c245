"""`vimu doctor`: is all that a run needs there, whole, and of tested versions? Nothing is started or written."""
