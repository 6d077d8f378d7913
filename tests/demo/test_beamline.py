import os

from wingbeat.demo.beamline import _confine_epics


def test_what_a_facility_sets_is_taken_away_and_nothing_else(monkeypatch):
    monkeypatch.setenv("EPICS_PVA_NAME_SERVERS", "gateway.facility:5075")
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "10.0.0.255")
    monkeypatch.setenv("EPICS_HOST_ARCH", "linux-x86_64")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    _confine_epics({"EPICS_CA_ADDR_LIST": "127.0.0.1"})
    assert os.environ["EPICS_CA_ADDR_LIST"] == "127.0.0.1"
    assert "EPICS_PVA_NAME_SERVERS" not in os.environ
    assert os.environ["EPICS_HOST_ARCH"] == "linux-x86_64"
