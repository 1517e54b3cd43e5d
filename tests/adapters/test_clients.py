"""What is wrong with the SDK's own settings is one sentence, before any call is made."""

from __future__ import annotations

import pickle

import pytest

from gt_workflow.adapters.clients import AccountStorage, Clients, region_of
from gt_workflow.errors import CredentialsError, UsageError


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")


def test_a_region_that_is_none_and_an_address_that_is_none(monkeypatch):
    with pytest.raises(UsageError, match="us east"):
        Clients(region="us east")("sts")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "foo")
    with pytest.raises(UsageError, match="Invalid endpoint: foo"):
        Clients(region="us-east-1")("sts")


def test_a_broken_configuration_file_and_an_unknown_profile(tmp_path):
    with pytest.raises(UsageError, match="no AWS profile 'nobody'"):
        region_of("nobody")
    (tmp_path / "config").write_text("[profile")
    with pytest.raises(UsageError, match="AWS configuration file"):
        region_of("")


def test_half_a_key(monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match="both of the key's halves"):
        Clients(region="us-east-1")("sts")


def test_a_storage_is_sent_to_another_process_without_its_connections():
    clients = Clients(
        region="us-east-1", endpoint="http://127.0.0.1:1", access_key="a", secret_key="b"
    )
    clients("s3")
    sent = pickle.dumps(AccountStorage(clients))
    storage = pickle.loads(sent)  # noqa: S301 - it was pickled a line above
    assert storage._clients == clients
    assert "b" * 8 not in repr(Clients(region="r", secret_key="b" * 8))
