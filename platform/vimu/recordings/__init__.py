"""Untrusted files of real sensors -> validated `ImuRecording`, or a `Rejection`. One module a format."""
