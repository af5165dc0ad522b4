"""A program is stopped in the middle of its work: by every verifier, with no call for a request."""

import re
import shlex
from pathlib import Path

import pytest
from tests.server.flows import add_client, signed_in
from tests.system.waiting import followed, refusal, until

from carnet import InvalidToken
from carnet.server.clients.clients import TOKEN_EXCHANGE

PAGE = (Path(__file__).parents[2] / "docs" / "acting-for-someone.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = "\n".join(text for language, text in BLOCKS if language == "python")
CONSOLE = [text for language, text in BLOCKS if language == "console"]

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture
def chain(start, tmp_path):
    """A server, and a chain of programs that act for alice, each with the secret of its own."""
    secrets = {}
    for number in range(5):
        secrets[f"agent{number}"] = add_client(
            tmp_path / "data",
            f"agent{number}",
            redirect_uris=(),
            grant_types=(TOKEN_EXCHANGE,),
            token_endpoint_auth_method="client_secret_basic",
            exchange_from=("orders", "billing"),
            exchange_to=("orders",),
        )
    return start(), secrets


def exchange(server, secrets, program, token):
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    return server.client.post("/token", data=form, auth=(program, secrets[program]))


def deepest(server, secrets, body):
    """Let each program act for the one before it; give all of their tokens."""
    tokens = [body["access_token"]]
    for program in secrets:
        answer = exchange(server, secrets, program, tokens[-1])
        assert answer.status_code == 200, answer.text
        tokens.append(answer.json()["access_token"])
    return tokens[1:]


def stop(server, program):
    token = server.sign_in_to_api().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return server.client.delete(f"/account/agents/{program}", headers=headers)


def test_the_person_stops_a_program_and_all_that_works_for_it_and_no_other(chain, verify):
    server, secrets = chain
    body = server.sign_in().json()
    tokens = deepest(server, secrets, body)
    verifiers = [verify(server.url, revocations="required") for _ in range(3)]
    for verifier in verifiers:
        claims = verifier.verify(tokens[-1])
        assert claims.actors == ("agent4", "agent3", "agent2", "agent1", "agent0")
        verifier.verify(tokens[0])
    until(lambda: all(map(followed, verifiers)))
    assert stop(server, "agent1").status_code == 204
    for verifier in verifiers:
        for token in tokens[1:]:
            error = refusal(verifier, token)
            assert (error.code, error.claim) == ("revoked", "sid")
        verifier.verify(tokens[0])
        verifier.verify(body["access_token"])
    # It presents once more what it has, and gets nothing.
    assert exchange(server, secrets, "agent1", tokens[0]).json()["error"] == "invalid_request"


def test_signing_out_ends_the_deepest_program(chain, verify):
    server, secrets = chain
    body = server.sign_in().json()
    tokens = deepest(server, secrets, body)
    verifier = verify(server.url)
    verifier.verify(tokens[-1])
    until(lambda: followed(verifier))
    server.sign_out(body["access_token"])
    for token in tokens:
        assert refusal(verifier, token).code == "revoked"


def test_other_roles_of_the_person_make_the_programs_tokens_stale(chain, verify, carnet):
    server, secrets = chain
    tokens = deepest(server, secrets, server.sign_in().json())
    verifier = verify(server.url)
    verifier.verify(tokens[-1])
    until(lambda: followed(verifier))
    carnet("user", "roles", "alice", "USER", data=server.data)
    assert refusal(verifier, tokens[-1]).claim == "sub_ver"
    assert exchange(server, secrets, "agent4", tokens[-2]).status_code == 400


def test_an_operator_sees_a_program_and_ends_it(chain, verify, carnet):
    server, secrets = chain
    tokens = deepest(server, secrets, server.sign_in().json())
    verifier = verify(server.url)
    session_id = verifier.verify(tokens[0]).session_id
    until(lambda: followed(verifier))
    listed = carnet("session", "list", "alice", data=server.data).stdout
    assert f"{session_id}  " in listed
    assert "acts as agent0 at orders" in listed
    carnet("session", "end", "alice", session_id, data=server.data)
    assert refusal(verifier, tokens[-1]).code == "revoked"


def commands(text):
    """Give what is typed in a block, without the answers."""
    joined = text.replace("\\\n", " ")
    return [shlex.split(line[2:]) for line in joined.splitlines() if line.startswith("$ ")]


def test_the_page_on_acting_for_someone_goes_as_it_is_written(carnet, start, tmp_path):
    data = tmp_path / "data"
    carnet("migrate", data=data)
    for words in commands(CONSOLE[0]):
        done = carnet(*words[1:], data=data)
        assert done.returncode == 0, done.stderr
    secret = re.search(r"client_secret  (\S+)", done.stdout)[1]
    add_client(data, "shop", first_party=True, scope="bills:read orders:read")
    server = start()
    page = {}
    exec(compile(PYTHON, "acting-for-someone.md", "exec"), page)

    person = signed_in(server, client_id="shop", scope="bills:read orders:read", resource="orders")
    token = page["token_for_billing"](server.url, secret, person["access_token"])
    own = server.sign_in_to_api().json()["access_token"]
    headers = {"Authorization": f"Bearer {own}"}
    with page["open_to_orders"](server.url) as verifier:
        assert page["describe"](verifier, token).endswith(" through orders-service")
        until(lambda: followed(verifier))
        listed = server.client.get("/account/agents", headers=headers).json()["agents"]
        assert [one["client_id"] for one in listed] == ["orders-service"]
        path = commands(CONSOLE[1])[1][-1].partition("8400")[2]
        assert server.client.delete(path, headers=headers).status_code == 204
        assert refusal(verifier, token).code == "revoked"
        mine = server.sign_in(resource="billing").json()["access_token"]
        with pytest.raises(InvalidToken) as refused:
            verifier.verify(mine)
        assert refused.value.claim == "act.sub"
