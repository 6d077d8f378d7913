"""The rig: read, drawn, and compared with what is wired."""

import pytest
import yaml
from wingbeat.flyscan.errors import RigError
from wingbeat.flyscan.rig import Rig

from tests.flyscan.fakes import rig_settings

DEVICES = {name: object() for name in ("panda", "pmac", "x", "y", "cam")}


def content() -> dict:
    return rig_settings().model_dump(mode="json")


def test_a_rig_is_read_from_yaml(tmp_path):
    path = tmp_path / "beamline.yaml"
    path.write_text(yaml.safe_dump(content()))
    rig = Rig.load(path, **DEVICES)
    assert rig.settings == rig_settings()
    assert rig.trigger_box is DEVICES["panda"]
    assert rig.motor("y") is DEVICES["y"]


def test_devices_that_the_file_does_not_name_and_names_without_a_device_are_both_told():
    given = {**DEVICES, "eiger": object()}
    del given["cam"]
    with pytest.raises(RigError, match="named but not given: cam; given but not named: eiger"):
        Rig.load(content(), **given)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c["trigger_box"].update(blocks=["SEQ1"]), "COUNTER1"),
        (lambda c: c["axes"]["x"].update(input="POSB"), "of its own"),
        (lambda c: c["axes"]["x"].update(encoder=None), "belong together"),
        (lambda c: c["axes"]["x"].update(cs_axis="Q"), "axes.x.cs_axis"),
        (lambda c: c["axes"]["x"].update(speed=3), "axes.x.speed"),
        (lambda c: c["axes"]["x"].update(max_velocity=0), "axes.x.max_velocity"),
        (lambda c: c.pop("trajectory"), "trajectory"),
    ],
)
def test_a_wrong_rig_says_what_is_wrong(change, word):
    wrong = content()
    change(wrong)
    with pytest.raises(RigError, match=word):
        Rig.load(wrong, **DEVICES)


def test_a_file_that_is_not_there_or_not_yaml_is_a_rig_error(tmp_path):
    with pytest.raises(RigError, match=r"nowhere\.yaml"):
        Rig.load(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("axes: [")
    with pytest.raises(RigError, match=r"broken\.yaml"):
        Rig.load(broken)


def test_routing_is_compared_input_by_input():
    rig = Rig.load(content(), **DEVICES)
    expected = rig.expected_routing()
    assert expected == {
        "SEQ1.POSA": "INENC1.VAL",
        "SEQ1.POSB": "INENC2.VAL",
        "PCAP.GATE": "SEQ1.OUTA",
        "PCAP.TRIG": "SEQ1.OUTA",
        "COUNTER1.TRIG": "SEQ1.OUTA",
        "TTLOUT1.VAL": "SEQ1.OUTA",
    }
    assert rig.check_routing({**expected, "PCAP.ENABLE": "ONE"}) == []
    seen = {**expected, "SEQ1.POSB": "INENC1.VAL"}
    del seen["TTLOUT1.VAL"]
    assert [str(difference) for difference in rig.check_routing(seen)] == [
        "SEQ1.POSB should be INENC2.VAL, but is INENC1.VAL",
        "TTLOUT1.VAL should be SEQ1.OUTA, but is not there",
    ]


def test_the_wiring_is_drawn():
    text = str(Rig.load(content(), **DEVICES))
    assert "x: pmac/CS1.X ─► x ─► INENC1 ─► SEQ1.POSA  (0.0001 per count, +0)" in text
    assert "SEQ1.OUTA ─► TTLOUT1 ─► cam" in text
