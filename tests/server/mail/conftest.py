"""A service that sends its mails to a real mail server."""

import pytest
from tests.server.mail.inbox import Inbox


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def mailing(play, inbox):
    """Run a scene with a service that sends mail; whether the server listens is the scene's."""

    def run(scene, **settings):
        return play(scene, **{**inbox.settings, **settings})

    return run
