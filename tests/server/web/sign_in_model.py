"""What somebody has proved, and what may come of it: a small model that is easy to believe.

It knows nothing of the service but the promises that its documentation makes. Times are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE, HOUR, DAY = 60, 3600, 86_400
RECENT = 10 * MINUTE
SECOND_STEP = 10 * MINUTE
REMEMBERED = HOUR
LATELY = 3 * DAY
"""How long a notice's link is good, and for how long what was added is looked at with suspicion."""

# What a proof is called in a token (RFC 8176); two of them, or a passkey, are two factors.
NAMES = {
    "password": "pwd",
    "mail": "otp",
    "app": "otp",
    "recovery code": "",
    "passkey": "pop user mfa",
}


@dataclass(frozen=True)
class Proved:
    """What was proved in one sign-in, in its order, and when the first of it was."""

    proofs: tuple[str, ...]
    at: float

    @property
    def strong(self):
        return "passkey" in self.proofs or len(self.proofs) > 1

    @property
    def acr(self):
        return "aal2" if self.strong else "aal1"

    @property
    def amr(self):
        names = {name for proof in self.proofs for name in NAMES[proof].split()}
        return names | ({"mfa"} if self.strong else set())

    def and_also(self, proof):
        return Proved((*self.proofs, proof), self.at)


@dataclass
class Browser:
    """A browser: who is signed in with it, and what else it holds."""

    session: Proved | None = None
    # The first step of a sign-in, until when it counts, and for which version of the account.
    begun: tuple[Proved, float, int] | None = None
    remembered_until: float = 0


@dataclass
class Link:
    """A link that was mailed or handed over."""

    purpose: str
    url: str
    until: float
    # Or worth nothing any more for another reason.
    used: bool = False


@dataclass
class Account:
    """An account and the browsers of its owner, or of whoever else tries."""

    password: str | None
    version: int = 0
    administrator: bool = False
    disabled: bool = False
    # When each was added.
    factors: dict[str, float] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    browsers: list[Browser] = field(default_factory=lambda: [Browser(), Browser()])
    links: list[Link] = field(default_factory=list)

    @property
    def ways_in(self):
        return self.password is not None or "passkey" in self.factors

    def enough(self, proved, now, *, acr="aal1", max_age=None):
        """Tell whether a sign-in is what a client, a request and the role demand together."""
        if proved is None or (max_age is not None and now > proved.at + max_age):
            return False
        return proved.strong or not ("aal2" in acr or self.administrator)

    def may_change(self, proved, now):
        """Tell whether a sign-in is enough to change how one signs in."""
        if proved is None or now >= proved.at + RECENT:
            return False
        return proved.strong or all(added >= proved.at for added in self.factors.values())

    def needs_second(self, browser, proof, now):
        """Tell whether a first proof, with this browser, has to be followed by a second one."""
        if proof == "passkey":
            return False
        if self.administrator:
            return True
        known = proof == "password" and now < browser.remembered_until
        return bool(self.factors) and not known

    def changed(self):
        """Note that the account is another now: what was begun with it is worth nothing."""
        self.version += 1

    def signed_out(self, *, but=None):
        """End all sessions but one's, and forget the browsers."""
        self.changed()
        for browser in self.browsers:
            browser.remembered_until = 0
            if browser is not but:
                browser.session = None

    def password_set(self, password, *, but=None):
        self.password = password
        self.signed_out(but=but)
        for link in self.links:
            # Those of notices are for whom the password was taken from.
            link.used |= link.purpose != "not-me"

    def without(self, factor, *, but=None):
        del self.factors[factor]
        if not self.factors:
            self.codes.clear()
        self.signed_out(but=but)
