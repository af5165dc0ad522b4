"""Where settings come from, and what is said about wrong ones."""

import pytest

from carnet import ConfigurationError
from carnet.server.settings_sources import load_settings


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path):
    file = tmp_path / "carnet.toml"
    file.write_text('port = 1001\nhost = "localhost"\nrefresh_grace = 5\naudiences = ["a", "b"]\n')
    environ = {"CARNET_PORT": "1002", "CARNET_REFRESH_GRACE": "6"}
    settings = load_settings(file, environ, {"port": 1003, "host": None})
    assert (settings.port, settings.refresh_grace, settings.host) == (1003, 6, "localhost")
    assert settings.audiences == ("a", "b")


def test_a_list_in_a_variable_is_separated_by_commas():
    assert load_settings(None, {"CARNET_AUDIENCES": "a, b,"}, {}).audiences == ("a", "b")


def test_the_issuer_is_by_default_the_address_of_the_service():
    assert load_settings(None, {}, {}).own_url == "http://127.0.0.1:8400"
    assert load_settings(None, {}, {"host": "::1"}).own_url == "http://[::1]:8400"
    assert load_settings(None, {"CARNET_ISSUER": "https://a.example"}, {}).own_url == (
        "https://a.example"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": 70000}, "the setting port is invalid (--port): expected `int` <= 65535"),
        ({"audiences": []}, "the setting audiences is invalid"),
        ({"audiences": [""]}, "the setting audiences is invalid"),
        ({"access_token_lifetime": 0}, "the setting access_token_lifetime is invalid"),
        ({"no_such": 1}, "no_such"),
        ({"issuer": "auth.example.com"}, "the setting issuer must be a URL such as"),
        ({"issuer": "https://auth.example.com/"}, "without query, fragment or a slash"),
        ({"issuer": "ftp://auth.example.com"}, "the setting issuer must be a URL such as"),
        ({"host": "0.0.0.0"}, "needs the setting issuer"),
        ({"connections": 999}, "revocation_streams can't be larger than connections"),
        ({"session_lifetime": 1}, "session_idle_lifetime can't be longer"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(given, said):
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, {}, given)
    assert said in str(refused.value)


def test_a_file_that_is_missing_or_not_toml_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"can't read the settings in .*absent.toml"):
        load_settings(tmp_path / "absent.toml", {}, {})
    broken = tmp_path / "broken.toml"
    broken.write_text("port = ")
    with pytest.raises(ConfigurationError, match=r"broken.toml is not a TOML file"):
        load_settings(broken, {}, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[scopes.x]\nclaims = 1\n", "the setting scopes is invalid (carnet.toml, line 1)"),
        ('host = "::1"\n\n port = "x"\n', "the setting port is invalid (carnet.toml, line 3)"),
        ("isuer = 'https://a.example'", "there is no setting isuer (carnet.toml, line 1); did you"),
        ("a = 1\nzzzz = 2\n", "there is no setting a (carnet.toml, line 1)"),
    ],
)
def test_what_a_file_gets_wrong_is_told_with_its_line(tmp_path, text, said):
    file = tmp_path / "carnet.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file, {}, {})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("file", "environ", "place"),
    [
        ('port = 1\ntrusted_proxies = ["proxy"]', {}, "(carnet.toml, line 2)"),
        ("", {"CARNET_TRUSTED_PROXIES": "10.0.0.1, proxy"}, "(CARNET_TRUSTED_PROXIES)"),
        ("", {"CARNET_ISSUER": "auth.example.com"}, "(CARNET_ISSUER)"),
        ("", {"CARNET_SESSION_IDLE_LIFETIME": "9000000"}, "(CARNET_SESSION_IDLE_LIFETIME)"),
    ],
)
def test_what_does_not_go_together_is_told_with_its_place(tmp_path, file, environ, place):
    config = tmp_path / "carnet.toml"
    config.write_text(file)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(config, environ, {})
    assert str(refused.value).endswith(place)


def test_what_a_variable_gets_wrong_is_told_with_its_name():
    with pytest.raises(ConfigurationError, match=r"port is invalid \(CARNET_PORT\)"):
        load_settings(None, {"CARNET_PORT": "eighty"}, {})


def test_a_misspelt_variable_is_named_and_what_is_not_ours_is_not():
    said = []
    environ = {
        "CARNET_ISUER": "https://a.example",
        "CARNET_": "x",
        "CARNET_SOMETHING_ELSE": "x",
        "PATH": "/bin",
        "XCARNET_PORT": "1",
    }
    assert load_settings(None, environ, {}, said.append).issuer == ""
    assert [text.split()[2] for text in said] == [
        "CARNET_",
        "CARNET_ISUER",
        "CARNET_SOMETHING_ELSE",
    ]
    assert "did you mean CARNET_ISSUER?" in said[1]


def test_what_kubernetes_says_of_a_service_named_carnet_is_ignored_with_a_hint():
    said = []
    environ = {
        "CARNET_PORT": "tcp://10.96.0.7:8400",
        "CARNET_SERVICE_HOST": "10.96.0.7",
        "CARNET_SERVICE_PORT": "8400",
        "CARNET_SERVICE_PORT_HTTP": "8400",
        "CARNET_PORT_8400_TCP": "tcp://10.96.0.7:8400",
        "CARNET_PORT_8400_TCP_PROTO": "tcp",
        "CARNET_PORT_8400_TCP_PORT": "8400",
        "CARNET_PORT_8400_TCP_ADDR": "10.96.0.7",
    }
    assert load_settings(None, environ, {}, said.append).port == 8400
    assert len(said) == 1
    assert "give the port with --port" in said[0]


def test_the_database_can_stand_in_a_file_that_a_variable_names(tmp_path):
    file = tmp_path / "database"
    file.write_text("postgresql://carnet:secret@db/carnet\n")
    environ = {"CARNET_DATABASE_FILE": str(file)}
    assert load_settings(None, environ, {}).database == "postgresql://carnet:secret@db/carnet"
    with pytest.raises(ConfigurationError, match="keep one of them"):
        load_settings(None, {**environ, "CARNET_DATABASE": "postgresql://db/x"}, {})
    with pytest.raises(ConfigurationError, match="CARNET_DATABASE_FILE names: No such file"):
        load_settings(None, {"CARNET_DATABASE_FILE": str(tmp_path / "absent")}, {})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not text"):
        load_settings(None, environ, {})


def test_a_wrong_database_url_is_told_without_its_password(tmp_path):
    file = tmp_path / "database"
    file.write_text("mysql://carnet:secret@db/carnet\n")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, {"CARNET_DATABASE_FILE": str(file)}, {})
    assert "the setting database is invalid (CARNET_DATABASE_FILE)" in str(refused.value)
    assert "secret" not in str(refused.value)
