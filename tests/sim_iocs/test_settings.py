from pathlib import Path

import pytest
from wingbeat.sim_iocs.errors import SettingsError
from wingbeat.sim_iocs.settings import load_settings


def test_without_a_file_there_is_the_beamline_of_the_demo() -> None:
    settings = load_settings(None)
    assert settings.prefix == "SIM:"
    assert sorted(settings.motors) == ["X", "Y"]
    assert settings.cameras["CAM"].trigger == "TTLOUT1"


def test_faults_can_be_there_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text("faults: {lose_triggers: [3, 9], drop_frames: [20]}\n")
    assert load_settings(path).faults.lose_triggers == [3, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("motor: {X: {}}", "motor"),
        ("motors: {X: {resolution: 0}, Y: {}}", "greater than 0"),
        ("pmac: {PMAC: {axes: {X: Z}}}", "does not define: Z; add them under motors"),
        ("a: [", "settings file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml"):
        load_settings(tmp_path / "absent.yaml")
