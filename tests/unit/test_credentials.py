"""Which texts hold a secret that no message may repeat; `tests/security` shows that none does."""

import pytest

from vimu.runtime.credentials import has_credentials


@pytest.mark.parametrize(
    "uri",
    [
        "s3://KEY:SECRET@bucket", "https://host/a.npz?X-Amz-Algorithm=A&X-Amz-Signature=0a1b", "gs://b/a?x-goog-signature=0a",
        "https://account.blob.core.windows.net/c?sv=2024&sig=0a%2B", "az://c/a?sas_token=x", "https://h/a#access_token=x",
        "https://h/a?api-key=x",
    ],
)  # fmt: skip
def test_a_password_and_a_signed_address_are_credentials(uri):
    assert has_credentials(uri)


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/runs", "s3://bucket/a@b", "hdfs://host:8020/a", "https://h/a?versionId=7&monkey=1", "C:/runs",
        "runs/what?key=1", "walking: 3", "s3://bucket/token=1/part", "left_wrist",
    ],
)  # fmt: skip
def test_other_addresses_folders_and_words_are_not(text):
    assert not has_credentials(text)
