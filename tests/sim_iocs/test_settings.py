from pathlib import Path

import pytest
from wingbeat.sim_iocs.beamline import Beamline
from wingbeat.sim_iocs.clock import VirtualClock
from wingbeat.sim_iocs.errors import SettingsError
from wingbeat.sim_iocs.settings import BeamlineSettings, load_settings


def test_without_a_file_there_is_the_beamline_of_the_demo() -> None:
    settings = load_settings(None)
    assert settings.prefix == "SIM:"
    assert sorted(settings.motors) == ["THETA", "X", "Y", "Z"]
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
        ("pmac: {PMAC: {coordinate_systems: {CS1: {X: Q}}}}", "does not define: Q; add them under motors"),
        ("pmac: {PMAC: {coordinate_systems: {CS1: {X: X}, CS2: {X: X}}}}", "more than one axis: X"),
        ("pmac: {PMAC: {coordinate_systems: {CS1: {Q: X}}}}", "got Q"),
        ("cameras: {CAM: {trigger: BOX.TTLOUT1}}", "trigger boxes that it does not define: BOX"),
        ("panda: {PANDA: {inputs: {TTLIN1: BRICK.GPIO1}}}", "controllers that it does not define: BRICK"),
        ("beam: {ring: NSLS}", "ring that it does not define: NSLS"),
        ("beam: {shutters: [S9]}", "shutters in the beam that it does not define: S9"),
        ("scalers: {X: {}}", "more than one device: X"),
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


def test_what_goes_wrong_later_is_scheduled(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text("faults: {stall_camera_at: 7, schedule: [{after: 2.5, set: {beam_dump: 1}}]}\n")
    faults = load_settings(path).faults
    assert faults.present == {"stall_camera_at": 7}
    assert (faults.schedule[0].after, faults.schedule[0].set) == (2.5, {"beam_dump": 1})


async def test_a_fault_that_no_device_has_is_refused_by_name() -> None:
    settings = BeamlineSettings.model_validate({"faults": {"lose_trigers": [3]}})
    with pytest.raises(
        SettingsError, match=r"no device of this beamline has a fault 'lose_trigers'; there are .*beam_dump"
    ):
        Beamline(settings, VirtualClock())


async def test_the_documented_example_is_a_beamline(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/sim-settings.md").read_text()
    path = tmp_path / "example.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0])
    beamline = Beamline(load_settings(path), VirtualClock())
    served = {pv.name for pv in beamline.pvs}
    table = page.split("## Faults")[1].split("## From Python")[0]
    mine = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    # The servers' own are not a beamline's.
    servers = {"Disconnect", "SilentIOC", "SlowIOC", "CircuitBlocks"}
    assert {f"SIM:FAULTS:{name}" for name in mine - servers} <= served
