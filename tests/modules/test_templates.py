"""What `hub new` writes passes its own tests, as it stands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.cli import templates
from hub.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent


def run(folder):
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


@pytest.mark.parametrize("kind", ["plugin", "connector"])
def test_what_is_written_passes_its_own_tests(kind, tmp_path):
    folder = tmp_path / "acme"
    templates.write(kind, "acme", folder)

    done = run(folder)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.parametrize("kind", ["plugin", "connector"])
def test_no_placeholder_is_left(kind, tmp_path):
    for path in templates.write(kind, "my_shop", tmp_path / "x"):
        assert "__name__" not in f"{path} {path.read_text(encoding='utf-8')}"
        assert "__Name__" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Acme", "7up", "a-b", "class", "../x", ""])
def test_a_name_that_is_no_package_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match="cannot be the name of a package"):
        templates.write("plugin", name, tmp_path / "x")


def test_files_that_are_there_are_never_written_over(tmp_path):
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigError, match="is not empty"):
        templates.write("plugin", "acme", tmp_path)
