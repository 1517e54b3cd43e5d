"""One host per root folder, found by all others, whatever a killed one left behind."""

from __future__ import annotations

import json

import pytest

from gt_workflow import config, wiring
from gt_workflow.errors import UsageError
from gt_workflow.wiring import embedded


@pytest.fixture
def settings(tmp_path):
    return config.load(flags={"store.root": str(tmp_path / "root")})


def test_whoever_comes_second_finds_the_host(settings):
    with wiring.backend(settings, port=0) as first, wiring.backend(settings) as second:
        assert (first.hosting, second.hosting) == (True, False)
        assert second.address == first.address
        assert list(second.ground_truth.list()) == []
        with pytest.raises(UsageError, match="already served"), wiring.backend(settings, port=0):
            pass


def test_the_note_of_a_killed_host_is_not_believed(settings, tmp_path):
    with wiring.backend(settings, port=0) as another:
        stale = json.dumps({"address": another.address, "host": "killed"}).encode()
        assert not embedded._answers(another.address, "killed")
        other = config.load(flags={"store.root": str(tmp_path / "other")})
        (tmp_path / "other" / ".gt").mkdir(parents=True)
        (tmp_path / "other" / ".gt" / "address").write_bytes(stale)
        with wiring.backend(other) as own:
            assert own.hosting
            assert own.address != another.address


def test_a_secret_that_was_cut_short_is_made_anew(settings, tmp_path):
    secret = tmp_path / "root" / ".gt" / "secret"
    secret.parent.mkdir(parents=True)
    secret.touch()
    with wiring.backend(settings, port=0) as running:
        assert running.page("anna").startswith(running.address)
    made = secret.read_bytes()
    assert len(made) == 32
    assert secret.stat().st_mode & 0o077 == 0
    with wiring.backend(settings, port=0):
        assert secret.read_bytes() == made


def test_off_loopback_credentials_are_asked_for(settings, monkeypatch):
    monkeypatch.delenv("GT_ACCESS_KEY_ID", raising=False)
    with (
        pytest.raises(UsageError, match="GT_SECRET_ACCESS_KEY"),
        wiring.backend(settings, host="0.0.0.0", port=0),  # noqa: S104 - it is refused
    ):
        pass
