"""A service with one provider, which is an imitation on loopback."""

from __future__ import annotations

import pytest
from tests.server.upstream.imitation import ISSUER, Browser, imitation, settings_of


@pytest.fixture
def scene_of(play, tmp_path, monkeypatch):
    """Run a scene with an open service, its provider and a browser.

    What is given by name is of the provider's settings; ``settings`` are the service's, and
    ``others`` further providers.
    """

    def run(scene, *, settings=None, others=None, **more):
        with imitation(tmp_path, monkeypatch) as provider:

            async def opened(service, clock):
                provider.clock = clock
                browser = Browser(service)
                browser.clock, browser.provider = clock, provider
                return await scene(browser, provider)

            given = {"audiences": ("orders",), "private_hosts": ("localhost",), **(settings or {})}
            providers = {"up": settings_of(provider, tmp_path, **more), **(others or {})}
            return play(opened, issuer=ISSUER, **{"providers": providers, **given})

    return run
