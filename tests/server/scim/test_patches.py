"""Changing a user piece by piece, as directories really do it: pure data."""

import pytest

from carnet.server.scim.patches import patched
from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.schemas import ENTERPRISE, GROUP, USER

WORK = {"type": "work", "value": "w@example.com", "primary": True}
HOME = {"type": "home", "value": "h@example.com"}
ADA = {"userName": "ada", "active": True, "title": "Countess", "emails": [WORK, HOME]}


def changed(*operations, content=ADA, schema=USER):
    return patched(content, {"Operations": list(operations)}, schema)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "Replace", "path": "active", "value": "False"}, {"active": False}),
        ({"op": "replace", "value": {"active": False}}, {"active": False}),
        ({"op": "add", "path": "active", "value": "TRUE"}, {}),
        ({"op": "Add", "path": "name.givenName", "value": "A"}, {"name": {"givenName": "A"}}),
        ({"op": "Add", "value": {"name.givenName": "A"}}, {"name": {"givenName": "A"}}),
        (
            {"op": "replace", "path": "name", "value": {"givenName": "A"}},
            {"name": {"givenName": "A"}},
        ),
        ({"op": "remove", "path": "title"}, {"title": ...}),
        ({"op": "replace", "path": "title", "value": None}, {"title": ...}),
        ({"op": "replace", "path": "nickName", "value": ""}, {"nickName": ""}),
        (
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "n@example.com"},
            {"emails": [{**WORK, "value": "n@example.com"}, HOME]},
        ),
        # Entra adds to what is not there.
        (
            {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "1"},
            {"phoneNumbers": [{"type": "work", "value": "1"}]},
        ),
        (
            {"op": "Replace", "path": 'addresses[type eq "work"].locality', "value": "Oslo"},
            {"addresses": [{"type": "work", "locality": "Oslo"}]},
        ),
        ({"op": "remove", "path": 'emails[type eq "work"]'}, {"emails": [HOME]}),
        ({"op": "remove", "path": 'emails[type eq "other"]'}, {}),
        (
            {"op": "remove", "path": 'emails[type eq "home"].type'},
            {"emails": [WORK, {"value": HOME["value"]}]},
        ),
        ({"op": "remove", "path": "emails"}, {"emails": ...}),
        ({"op": "add", "path": "emails", "value": [HOME]}, {}),
        # One is the first, and it is the one that was said last.
        (
            {"op": "add", "path": "emails", "value": {"value": "n", "primary": "true"}},
            {"emails": [{**WORK, "primary": False}, HOME, {"value": "n", "primary": True}]},
        ),
        ({"op": "replace", "path": "emails", "value": [HOME, HOME]}, {"emails": [HOME]}),
        (
            {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "X"},
            {ENTERPRISE: {"department": "X"}},
        ),
        (
            {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "m"},
            {ENTERPRISE: {"manager": {"value": "m"}}},
        ),
        (
            {"op": "add", "value": {ENTERPRISE: {"division": "X"}}},
            {ENTERPRISE: {"division": "X"}},
        ),
        ({"op": "add", "value": {f"{ENTERPRISE}:division": "X"}}, {ENTERPRISE: {"division": "X"}}),
        # Without a path it is a resource, of which what nobody knows is ignored.
        ({"op": "replace", "value": {"id": "x", "unknown": 1, "groups": [], "meta": {}}}, {}),
    ],
)
def test_a_change_does_what_is_meant(operation, expected):
    wanted = {**ADA, **expected}
    assert changed(operation) == {name: one for name, one in wanted.items() if one is not ...}


def test_a_resource_that_is_changed_stays_as_it_was_for_others():
    before = {**ADA, "name": {"givenName": "A"}}
    changed(
        {"op": "replace", "path": "name.givenName", "value": "B"},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "x"},
        content=before,
    )
    assert before == {**ADA, "name": {"givenName": "A"}}


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "move", "path": "title"}, "invalidSyntax"),
        ({"path": "title"}, "invalidSyntax"),
        (7, "invalidSyntax"),
        ({"op": "add", "path": 7}, "invalidPath"),
        ({"op": "add", "path": "unknown", "value": "x"}, "invalidPath"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "value": "x"}, "invalidValue"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "add", "path": "groups", "value": [{"value": "x"}]}, "mutability"),
        ({"op": "add", "path": "groups.value", "value": "x"}, "mutability"),
        ({"op": "remove", "path": "userName"}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": ""}, "invalidValue"),
        ({"op": "remove", "path": "active"}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": "maybe"}, "invalidValue"),
        ({"op": "replace", "path": 'emails[value co "zzz"].value', "value": "y"}, "noTarget"),
        ({"op": "replace", "path": "emails", "value": [{"value": 7}]}, "invalidValue"),
    ],
)
def test_a_change_that_can_not_be_made_is_refused(operation, code):
    with pytest.raises(ScimRefused) as refused:
        changed({"op": "replace", "path": "title", "value": "x"}, operation)
    assert refused.value.code == code


@pytest.mark.parametrize("operations", [None, [], {}, [{"op": "remove", "path": "title"}] * 101])
def test_there_are_some_changes_and_not_too_many(operations):
    with pytest.raises(ScimRefused) as refused:
        patched(ADA, {"Operations": operations}, USER)
    assert refused.value.code == "invalidSyntax"


def test_a_group_holds_no_more_members_than_is_promised():
    members = [{"value": str(number)} for number in range(5000)]
    content = {"displayName": "All", "members": members}
    more = {"op": "add", "path": "members", "value": [{"value": "x"}]}
    with pytest.raises(ScimRefused):
        changed(more, content=content, schema=GROUP)
    gone = {"op": "remove", "path": 'members[value eq "7"]'}
    assert len(changed(gone, more, content=content, schema=GROUP)["members"]) == 5000
