"""Seeing to one's own account and sessions, and to other people's, over real HTTP."""

from concurrent.futures import ThreadPoolExecutor

import pytest

PASSWORD = "a-long-enough-password"


def bearing(body):
    return {"Authorization": f"Bearer {body['access_token']}"}


def test_one_sees_ones_sessions_with_device_and_place(server):
    first, second = server.sign_in_to_api().json(), server.sign_in_to_api().json()
    answer = server.client.get("/sessions", headers=bearing(second))
    sessions = answer.json()["sessions"]
    assert {one["id"] for one in sessions} == {first["session_id"], second["session_id"]}
    assert [one["id"] for one in sessions if one["current"]] == [second["session_id"]]
    assert sessions[0]["address"] == "127.0.0.1"
    assert sessions[0]["user_agent"].startswith("python-httpx")


def test_one_ends_one_of_ones_sessions(server):
    first, second = server.sign_in_to_api().json(), server.sign_in_to_api().json()
    path = f"/sessions/{first['session_id']}"
    assert server.client.delete(path, headers=bearing(second)).status_code == 204
    assert server.client.delete(path, headers=bearing(second)).status_code == 404
    assert server.refresh(first["refresh_token"]).status_code == 400
    assert server.client.get("/sessions", headers=bearing(first)).status_code == 401
    assert server.refresh(second["refresh_token"]).status_code == 200


def test_one_ends_all_others_and_goes_on(server):
    others = [server.sign_in_to_api().json() for _ in range(3)]
    mine = server.sign_in_to_api().json()
    answer = server.client.delete("/sessions?keep=current", headers=bearing(mine))
    assert answer.json() == {"ended": 3}
    assert all(server.refresh(body["refresh_token"]).status_code == 400 for body in others)
    following = server.refresh(mine["refresh_token"]).json()
    assert len(server.client.get("/sessions", headers=bearing(following)).json()["sessions"]) == 1


def test_one_ends_everything(server):
    bodies = [server.sign_in_to_api().json() for _ in range(2)]
    assert server.client.delete("/sessions", headers=bearing(bodies[0])).json() == {"ended": 2}
    assert all(server.refresh(body["refresh_token"]).status_code == 400 for body in bodies)


@pytest.mark.parametrize("query", ["?keep=x", "?a=1", "?keep=current&keep=current"])
def test_a_misspelt_parameter_ends_nothing(server, query):
    body = server.sign_in_to_api().json()
    assert server.client.delete(f"/sessions{query}", headers=bearing(body)).status_code == 400
    assert server.refresh(body["refresh_token"]).status_code == 200


def test_nobody_ends_or_sees_the_sessions_of_others(server, add_user):
    add_user("bob", roles=())
    alice, bob = server.sign_in_to_api().json(), server.sign_in_to_api("bob").json()
    path = f"/sessions/{alice['session_id']}"
    assert server.client.delete(path, headers=bearing(bob)).status_code == 404
    seen = server.client.get("/sessions", headers=bearing(bob)).json()["sessions"]
    assert [one["id"] for one in seen] == [bob["session_id"]]
    account = server.client.get("/account", headers=bearing(alice)).json()
    path = f"/accounts/{account['id']}/sessions"
    for method in ("GET", "DELETE"):
        answer = server.client.request(method, path, headers=bearing(bob))
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert server.refresh(alice["refresh_token"]).status_code == 200


def test_an_administrator_sees_and_ends_the_sessions_of_others(server, add_user):
    add_user("root", roles=("carnet:admin",))
    alice, root = server.sign_in_to_api().json(), server.sign_in_to_api("root").json()
    account = server.client.get("/account", headers=bearing(alice)).json()
    assert (account["username"], account["roles"]) == ("alice", ["ADMIN"])
    path = f"/accounts/{account['id']}/sessions"
    [seen] = server.client.get(path, headers=bearing(root)).json()["sessions"]
    assert seen["id"] == alice["session_id"]
    one = f"{path}/{alice['session_id']}"
    assert server.client.delete(one, headers=bearing(root)).status_code == 204
    assert server.client.delete(one, headers=bearing(root)).status_code == 404
    server.sign_in()
    server.sign_in()
    assert server.client.delete(path, headers=bearing(root)).json() == {"ended": 2}


def change(server, body, current, new):
    return server.client.post(
        "/account/password", headers=bearing(body), json={"current": current, "new": new}
    )


def test_a_new_password_ends_all_other_sessions_and_only_the_new_one_is_good(server):
    other, mine = server.sign_in_to_api().json(), server.sign_in_to_api().json()
    new = "quite-another-password"
    assert change(server, mine, PASSWORD, new).status_code == 204
    assert server.refresh(other["refresh_token"]).status_code == 400
    assert server.refresh(mine["refresh_token"]).status_code == 200
    assert server.sign_in().status_code == 401
    assert server.sign_in(password=new).status_code == 201


@pytest.mark.parametrize(
    ("current", "new", "status", "said"),
    [
        ("wrong", "quite-another-password", 403, "current password"),
        (PASSWORD, "short", 400, "8 to 1024"),
        (PASSWORD, "password123", 400, "too common"),
    ],
)
def test_a_password_that_cant_be_changed_stays(server, current, new, status, said):
    mine = server.sign_in_to_api().json()
    answer = change(server, mine, current, new)
    assert answer.status_code == status
    assert said in answer.json()["error_description"]
    assert new not in answer.text
    assert server.sign_in().status_code == 201


def test_of_several_changes_at_once_one_is_made(server):
    mine = server.sign_in_to_api().json()
    wanted = [f"quite-another-password-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda new: change(server, mine, PASSWORD, new), wanted))
    statuses = sorted(answer.status_code for answer in answers)
    # Those that come too late have an access token that is stale, or a password that is wrong.
    assert statuses[0] == 204
    assert set(statuses[1:]) <= {401, 403, 409}
    for answer, new in zip(answers, wanted, strict=True):
        good = server.sign_in(password=new).status_code == 201
        assert good is (answer.status_code == 204)
        if answer.status_code == 409:
            assert "sign in again" in answer.json()["error_description"]


def test_guessing_the_current_password_is_slowed_down(server):
    mine = server.sign_in_to_api().json()
    answers = [change(server, mine, f"wrong {n}", "quite-another-password") for n in range(9)]
    assert [answer.status_code for answer in answers] == [403] * 8 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 15
    assert server.sign_in().status_code == 201


def test_white_space_around_a_username_is_no_failure(server):
    for typed in ("alice ", " alice", "Alice\u00a0"):
        assert server.sign_in(typed).status_code == 201
    assert server.sign_in(password=f" {PASSWORD}").status_code == 401


def test_guessing_passwords_is_slowed_down_across_a_restart(start, add_user):
    add_user()
    first = start()
    answers = [first.sign_in(password="wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers[:8]] == [401] * 8
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    assert first.sign_in().status_code == 429
    first.stop()
    assert start().sign_in().status_code == 429


def test_a_refresh_token_can_be_revoked_and_its_session_ends(server):
    body = server.sign_in_to_api().json()
    for _ in range(2):
        answer = server.client.post("/revocation", data={"token": body["refresh_token"]})
        assert answer.status_code == 200
    assert server.refresh(body["refresh_token"]).status_code == 400


def test_revoking_nonsense_is_answered_alike_and_nothing_is_an_error(server):
    assert server.client.post("/revocation", data={"token": "x"}).status_code == 200
    assert server.client.post("/revocation", data={}).status_code == 415
    assert server.client.post("/revocation", data={"a": "b"}).status_code == 400
