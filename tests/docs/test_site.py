"""The documentation's site builds without a warning."""

import sys

import pytest
from tests import processes


def test_the_site_builds(root, tmp_path):
    pytest.importorskip("sphinx", reason="Sphinx is not installed: THE SITE WAS NOT BUILT")
    build = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "trees"]
    run = processes.run(
        [sys.executable, *build, root / "docs", tmp_path / "site"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    landing = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert landing.count("card docutils container") == 6
    assert 'href="#' not in landing.partition("cards docutils")[2].partition("toctree")[0]
    for name in ("logo-light.svg", "logo-dark.svg", "site.css"):
        assert f"_static/{name}" in landing
        assert (tmp_path / "site" / "_static" / name).is_file()
