from datetime import datetime
from pathlib import Path

import pytest
from wingbeat.async_devices import PathInfo, RunPathProvider, StaticPathProvider
from wingbeat.async_devices.errors import NoPathProviderError
from wingbeat.async_devices.paths import DefaultPaths


def test_a_file_is_never_named_twice_even_by_another_process(tmp_path):
    first, second = StaticPathProvider(tmp_path), StaticPathProvider(tmp_path)
    names = []
    for provider in (first, first, second):
        info = provider("cam")
        (tmp_path / f"{info.filename}.h5").touch()
        names.append(info.filename)
    assert names == ["cam-0001", "cam-0002", "cam-0003"]
    assert first("panda").filename == "panda-0001"


def test_a_run_has_a_directory_of_its_own_below_the_day(tmp_path):
    provider = RunPathProvider(tmp_path)
    day = tmp_path / datetime.now().astimezone().date().isoformat()
    assert provider("cam").directory == day / "00001"
    assert provider("cam").filename == "cam-0002"
    provider.begin("a7f3")
    assert provider("cam") == PathInfo.local(day / "a7f3", "cam-0001")
    assert RunPathProvider(tmp_path).begin("a7f3") == day / "a7f3-2"
    assert RunPathProvider(tmp_path)("cam").directory == day / "00002"


def test_the_uri_of_a_directory_is_quoted_and_has_a_host():
    info = PathInfo.local(Path("/data/of µ/x"), "a")
    assert info.uri_directory == "file://localhost/data/of%20%C2%B5/x/"


def test_without_a_provider_the_error_says_how_to_give_one():
    with pytest.raises(NoPathProviderError, match=r"path_provider=.*DEFAULT_PATHS.set"):
        DefaultPaths().get()
