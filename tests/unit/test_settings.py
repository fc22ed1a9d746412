import pytest

from latencykit.errors import UsageError
from latencykit.settings import Settings, parse_settings, read_settings


def write(folder, text):
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_the_settings_of_the_folder(tmp_path):
    write(
        tmp_path, '[tool.latencykit]\nsuites = ["orders", "bench/bench_mine.py"]\ncpu = 1\nlevel = "quick"\n'
    )
    assert read_settings(tmp_path) == Settings(
        suites=("orders", str(tmp_path / "bench/bench_mine.py")), cpu=1, level="quick"
    )


def test_reads_the_settings_of_a_folder_above(tmp_path):
    write(tmp_path, "[tool.latencykit]\ncpu = 3\n")
    inner = tmp_path / "package" / "inner"
    inner.mkdir(parents=True)
    write(inner, '[project]\nname = "other"\n')
    assert read_settings(inner).cpu == 3


def test_the_nearest_settings_win_whole(tmp_path):
    write(tmp_path, '[tool.latencykit]\ncpu = 3\nlevel = "quick"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    write(inner, "[tool.latencykit]\ncpu = 4\n")
    assert read_settings(inner) == Settings(cpu=4)


@pytest.mark.parametrize("text", ["", "tool = 3\n", "[tool.other]\nx = 1\n"])
def test_a_file_without_our_table_has_no_settings(tmp_path, text):
    assert parse_settings(text, tmp_path / "pyproject.toml") is None


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("cpus = 1", "cpus"),
        ("cpu = -1", "$.cpu"),
        ('cpu = "0"', "$.cpu"),
        ('level = "fast"', "$.level"),
        ('suites = "orders"', "$.suites"),
        ("suites = [1]", "$.suites"),
    ],
)
def test_a_wrong_setting_is_named_with_the_file(tmp_path, line, named):
    path = write(tmp_path, f"[tool.latencykit]\n{line}\n")
    with pytest.raises(UsageError) as raised:
        read_settings(tmp_path)
    assert named in str(raised.value)
    assert str(path) in str(raised.value)
    assert "suites, cpu, level" in str(raised.value)


def test_a_table_that_is_none_is_refused(tmp_path):
    with pytest.raises(UsageError, match="object"):
        parse_settings('[tool]\nlatencykit = "fast"\n', tmp_path / "pyproject.toml")


def test_broken_toml_is_named_with_its_line(tmp_path):
    path = write(tmp_path, "[tool.latencykit\n")
    with pytest.raises(UsageError) as raised:
        read_settings(tmp_path)
    assert str(path) in str(raised.value)
    assert "line 1" in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path / "sub")
