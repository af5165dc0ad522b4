"""Where settings come from, and what is said about wrong ones."""

import pytest

from carnet import ConfigurationError
from carnet.server.settings import load_settings


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
        ({"port": 70000}, "the setting port is wrong: expected `int` <= 65535"),
        ({"audiences": []}, "the setting audiences is wrong"),
        ({"audiences": [""]}, "the setting audiences is wrong"),
        ({"access_token_lifetime": 0}, "the setting access_token_lifetime is wrong"),
        ({"no_such": 1}, "no_such"),
        ({"issuer": "auth.example.com"}, "the setting issuer is a URL such as"),
        ({"issuer": "https://auth.example.com/"}, "without query, fragment or a slash"),
        ({"issuer": "ftp://auth.example.com"}, "the setting issuer is a URL such as"),
        ({"host": "0.0.0.0"}, "needs the setting issuer"),
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
