"""Settings: what is misspelt or invalid stops the start with one sentence that shows no secret."""

from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.settings import VARIABLES, Settings, load_settings
from launch.up import as_environment

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
TOKEN = "123456789:AAF-abcdefghijklmnopqrstuvwxyz012345"


def refusal(environment: dict[str, str], env_file: Path = Path("/nonexistent")) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, env_file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_example_holds_every_setting_with_its_default_and_description():
    assert set(dotenv_values(EXAMPLE)) == set(VARIABLES)
    assert load_settings({}, EXAMPLE) == Settings()
    lines = EXAMPLE.read_text().splitlines()
    for name, field in VARIABLES.items():
        at = next(n for n, line in enumerate(lines) if line.startswith(name + "="))
        assert lines[at - 1] == f"# {Settings.model_fields[field].description}"


def test_a_misspelt_setting_names_itself_where_it_stood_and_the_likely_one(tmp_path):
    said = refusal({"APPRENTICE_SERVNG_PORT": "1"})
    assert "the environment sets APPRENTICE_SERVNG_PORT" in said and "did you mean APPRENTICE_SERVING_PORT?" in said
    env_file = tmp_path / ".env"
    env_file.write_text("APPRENTICE_MODLE=x\n")
    said = refusal({}, env_file)
    assert str(env_file) in said and "did you mean APPRENTICE_MODEL?" in said
    env_file.write_text("ZZZ=x\n")
    assert ".env.example" in refusal({}, env_file)
    assert "TELEGRAM_BOT_TOKEN" in refusal({"TELEGRAM_BOT_TOKN": TOKEN})


def test_what_belongs_to_others_in_the_environment_is_left_alone():
    assert load_settings({"HOME": "/root", "TELEGRAMS": "x", "PORT": "1"}, Path("/nonexistent")) == Settings()


def test_the_environment_wins_over_the_file(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text("APPRENTICE_SERVING_PORT=1234\nAPPRENTICE_EPOCHS=2\n")
    settings = load_settings({"APPRENTICE_SERVING_PORT": "4321"}, env_file)
    assert (settings.serving_port, settings.epochs) == (4321, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APPRENTICE_SERVING_PORT", "70000"),
        ("APPRENTICE_SERVING_PORT", "eighty"),
        ("APPRENTICE_DEVICE", "tpu"),
        ("APPRENTICE_MIN_SIMILARITY", "2"),
        ("APPRENTICE_EPOCHS", "some"),
        ("APPRENTICE_LEARNING_RATE", "0"),
    ],
)
def test_an_invalid_value_names_the_setting_the_value_and_what_it_is_for(name, value):
    said = refusal({name: value})
    assert f"{name}={value} cannot be used" in said
    assert Settings.model_fields[VARIABLES[name]].description in said


def test_an_open_api_needs_a_key_and_the_console_stays_on_this_machine():
    assert "set APPRENTICE_API_KEY" in refusal({"APPRENTICE_SERVING_HOST": "0.0.0.0"})
    assert "set APPRENTICE_API_KEY" in refusal({"APPRENTICE_SERVING_HOST": "0.0.0.0", "APPRENTICE_API_KEY": ""})
    load_settings({"APPRENTICE_SERVING_HOST": "0.0.0.0", "APPRENTICE_API_KEY": "k"}, Path("/nonexistent"))
    assert "APPRENTICE_CONSOLE_HOST" in refusal({"APPRENTICE_CONSOLE_HOST": "0.0.0.0"})
    assert "APPRENTICE_TELEGRAM_WEBHOOK_SECRET" in refusal({"APPRENTICE_TELEGRAM_WEBHOOK_URL": "https://a.example/"})
    refused = refusal({"APPRENTICE_TELEGRAM_PROXY": "socks5://me:hidden@a.example:1080"})
    assert "APPRENTICE_TELEGRAM_PROXY" in refused and "hidden" not in refused


def test_vllm_needs_to_be_told_where_it_is():
    assert refusal({"APPRENTICE_ENGINE": "vllm"}).startswith("APPRENTICE_ENGINE=vllm needs APPRENTICE_VLLM_URLS")
    assert "names gpu:8000, which" in refusal({"APPRENTICE_VLLM_URLS": "http://one:8000,gpu:8000"})
    assert "APPRENTICE_ENGINE=llama cannot be used" in refusal({"APPRENTICE_ENGINE": "llama"})
    two = {"APPRENTICE_ENGINE": "vllm", "APPRENTICE_VLLM_URLS": "http://one:8000/, https://two"}
    assert load_settings(two, Path("/nonexistent")).vllm_servers == ("http://one:8000", "https://two")


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
    ],
)
def test_bot_and_console_reach_the_api_where_it_listens(host, base):
    assert Settings(serving_host=host, api_key="k").serving_base == base
    assert Settings(serving_host=host, api_key="k", serving_url="http://elsewhere/").serving_base == "http://elsewhere"


def test_no_secret_is_shown_in_a_sentence_or_a_repr():
    secrets = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "APPRENTICE_API_KEY": "key-hidden",
        "APPRENTICE_TELEGRAM_WEBHOOK_SECRET": "secret-hidden",
    }
    settings = load_settings(secrets, Path("/nonexistent"))
    for text in (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        refusal({**secrets, "APPRENTICE_QUEUE": "x"}),
    ):
        assert not any(value in text for value in secrets.values())


@given(port=st.integers(1, 65535), share=st.floats(0, 1), text=st.text(st.characters(exclude_categories=["C", "Z"])))
def test_settings_survive_the_way_through_an_environment(port, share, text):
    settings = Settings(serving_port=port, min_similarity=share, system_prompt=text, telegram_bot_token=TOKEN)
    again = load_settings(as_environment(settings), Path("/nonexistent"))
    assert again == settings.model_copy(update={"redis_url": settings.store_url})
