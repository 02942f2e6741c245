"""An S3-speaking server on loopback, for tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

BUCKET = "vimu-test"


@contextmanager
def s3_server() -> Iterator[str]:
    """Start moto's server with an empty bucket; gives the bucket's URI. The environment leads every client to it."""
    import boto3
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    old = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    S3FileSystem.clear_instance_cache()  # they keep the address of an earlier server
    try:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        server.stop()
        S3FileSystem.clear_instance_cache()
        os.environ.clear()
        os.environ |= old
