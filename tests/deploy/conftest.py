"""The image, built once."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.deploy import image as images
from tests.postgres import postgres, postgres_store, postgres_url  # noqa: F401 - fixtures


@contextmanager
def passable_folder():
    """Make a folder that other users may pass through, which they may not with pytest's own."""
    with tempfile.TemporaryDirectory(prefix="carnet-deploy-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def image(root):
    """The image that deploy/Dockerfile describes."""
    images.check_machine()
    with passable_folder() as folder:
        yield images.build(root / "deploy" / "Dockerfile", root, folder)


@pytest.fixture
def folder():
    with passable_folder() as folder:
        yield folder


@pytest.fixture
def volume(image, folder):
    """A volume as Docker makes it: with the owner and the mode of its place in the image."""
    (place,) = image.volumes
    made = image.path(place).stat()
    shutil.chown(folder, made.st_uid, made.st_gid)
    folder.chmod(made.st_mode & 0o7777)
    return images.Mount(folder, place)
