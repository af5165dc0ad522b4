"""For administrators: the providers, what their claims come to, and rules to try on a sample.

The rules are those of ``carnet.toml``, which alone changes them: a page that changed who becomes an
administrator would make whoever gets hold of one session an administrator for good.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.errors import ConfigurationError
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.upstream.provider import Provider
from carnet.server.upstream.trial import Outcome, read_rules, read_sample, try_claims, write_rules
from carnet.server.web.browser_session import BrowserSession

__all__ = ["list_providers", "show_provider", "try_rules"]


async def list_providers(request: Request) -> Response:
    """List the providers, with what has to be registered at each."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    return render(
        request,
        "admin_providers.html",
        session=session,
        providers=list(service.upstream.providers.values()),
    )


async def show_provider(request: Request) -> Response:
    """Show a provider and its rules, to be tried on a sample."""
    session = await require_administrator(request)
    provider = _named(request)
    return _page(request, session, provider, write_rules(provider), "")


async def try_rules(request: Request) -> Response:
    """Try rules on a sample; nothing is changed by it."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    provider, rules, sample = _named(request), form["rules"], form["sample"]
    try:
        tried = read_rules(provider, rules)
    except ConfigurationError as error:
        return _page(request, session, provider, rules, sample, rules_error=in_words(error))
    try:
        claims = read_sample(sample)
    except ConfigurationError as error:
        return _page(request, session, provider, rules, sample, sample_error=in_words(error))
    outcome = try_claims(tried, claims, service.settings.admin_role)
    # Whatever else was typed, this is what was understood.
    to_save = "" if tried.settings == provider.settings else write_rules(tried)
    return _page(request, session, provider, rules, sample, outcome=outcome, to_save=to_save)


def _named(request: Request) -> Provider:
    service: Service = request.app.state.service
    provider = service.upstream.providers.get(request.path_params["name"])
    if provider is None:
        raise HTTPException(404)
    return provider


def _page(
    request: Request,
    session: BrowserSession,
    provider: Provider,
    rules: str,
    sample: str,
    *,
    rules_error: str = "",
    sample_error: str = "",
    outcome: Outcome | None = None,
    to_save: str = "",
) -> Response:
    service: Service = request.app.state.service
    return render(
        request,
        "admin_provider.html",
        422 if rules_error or sample_error else 200,
        session=session,
        own_url=service.settings.own_url,
        provider=provider,
        rules=rules,
        sample=sample,
        rules_error=rules_error,
        sample_error=sample_error,
        outcome=outcome,
        to_save=to_save,
    )
