"""What stands in a directory: who an entry is, and what it says."""

import uuid

import pytest

pytest.importorskip("ldap", reason="there is no python-ldap: see requirements-ldap.lock")

from carnet.errors import ConfigurationError
from carnet.server.directory_settings import DirectorySettings
from carnet.server.provider_settings import RoleRules
from carnet.server.settings import Settings
from carnet.server.upstream.directories import Directories
from carnet.server.upstream.directory_entries import (
    Entry,
    claims_of,
    filled_in,
    is_disabled,
    subject_of,
)

ID = uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")


def entry(**attributes):
    return Entry("cn=Ada,dc=x", {name.lower(): values for name, values in attributes.items()})


def settings(**more):
    return DirectorySettings(**{"urls": ("ldaps://dc1.example.com",), "base": "dc=x", **more})


@pytest.mark.parametrize(
    ("attributes", "subject"),
    [
        ({"entryUUID": [str(ID).encode()]}, str(ID)),
        ({"entryUUID": [str(ID).upper().encode()]}, str(ID)),
        # As Active Directory writes it, its first parts the other way round.
        ({"objectGUID": [ID.bytes_le]}, str(ID)),
        # What a user may be able to write never wins over what the server writes.
        ({"entryUUID": [str(ID).encode()], "objectGUID": [b"x" * 16]}, str(ID)),
        ({"entryUUID": [b"x"], "objectGUID": [ID.bytes_le]}, None),
        ({"objectGUID": [b"short"]}, None),
        ({"entryUUID": [b"\xff"]}, None),
        ({"uid": [b"ada"]}, None),
    ],
)
def test_an_entry_is_its_uuid_and_never_its_name(attributes, subject):
    assert subject_of(entry(**attributes)) == subject


@pytest.mark.parametrize(
    ("value", "disabled"),
    [(b"512", False), (b"514", True), (b"66050", True), (b"-1", True), (b"x", True), (b"", True)],
)
def test_what_active_directory_says_of_an_account_that_is_disabled(value, disabled):
    assert is_disabled(entry(userAccountControl=[value])) is disabled
    assert not is_disabled(entry())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ada", "(uid=ada)"),
        ("*", r"(uid=\2a)"),
        (")(uid=*", r"(uid=\29\28uid=\2a)"),
        ("a\\b\0", r"(uid=a\5cb\00)"),
        # What was filled in is not filled in again.
        ("{dn}", "(uid={dn})"),
    ],
)
def test_values_in_a_filter_are_values(typed, expected):
    assert filled_in("(uid={username})", username=typed) == expected


def test_groups_are_those_of_the_rules_however_their_dns_are_written():
    rules = RoleRules(values={"CN=Admins, OU=Groups, DC=x": "boss"})
    said = claims_of(
        entry(),
        ["cn=admins,ou=groups,dc=X", r"cn=Other\2c Group,dc=x", "cn=admins,ou=elsewhere,dc=x"],
        settings(roles=rules),
        "ada",
    )
    assert said["groups"] == [
        "CN=Admins, OU=Groups, DC=x",
        r"cn=Other\2c Group,dc=x",
        "cn=admins,ou=elsewhere,dc=x",
    ]
    assert said["group_names"] == ["admins", "Other, Group", "admins"]


def test_an_entry_says_what_the_settings_ask_for_in_their_own_writing():
    said = claims_of(
        entry(
            mail=[b"a@example.com", b"b@example.com"],
            displayName=[b"Ada"],
            department=[b"x", b"\xff", b"y"],
            secret=[b"s"],
            sAMAccountName=[b"ALovelace"],
        ),
        [],
        settings(claims={"dept": "Department"}),
        "typed",
    )
    assert said["Department"] == ["x", "y"]
    assert (said["name"], said["email"]) == ("Ada", "a@example.com")
    assert said["preferred_username"] == "ALovelace"
    assert "secret" not in said
    assert claims_of(entry(), [], settings(), "typed")["preferred_username"] == "typed"


@pytest.mark.parametrize(
    ("more", "member"),
    [
        ({"user_filter": "uid={username}"}, "user_filter"),
        ({"user_filter": "(uid=ada)"}, "user_filter"),
        ({"group_filter": "member={dn}"}, "group_filter"),
        ({"bind_dn": "cn=x"}, "bind_password_file"),
        ({"bind_password_file": "/x"}, "bind_password_file"),
        ({"urls": ("ldap://dc1.example.com",), "start_tls": False}, "start_tls"),
        ({"claims": {"sub": "uid"}}, "claims.sub"),
        ({"roles": RoleRules(values={"x": "two words"})}, "roles"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused_when_the_service_starts(more, member):
    given = Settings(directories={"company": settings(**more)})
    with pytest.raises(ConfigurationError, match=f"directories: company.{member}"):
        Directories(given, lambda: 0)


def test_on_this_machine_nothing_has_to_be_encrypted():
    urls = ("ldap://127.0.0.1:1389", "ldap://localhost")
    Directories(
        Settings(directories={"x": settings(urls=urls, start_tls=False)}), lambda: 0
    ).close()


def test_a_password_that_others_can_read_is_not_used(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o644)
    more = {"bind_dn": "cn=x", "bind_password_file": str(file)}
    found = Directories(Settings(directories={"x": settings(**more)}), lambda: 0)
    with pytest.raises(ConfigurationError, match="others can read"):
        found.check_secrets()
    file.chmod(0o600)
    found.check_secrets()
    found.close()
