"""Settings: what an operator may write, what it becomes, and what is refused."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from common.exchanges.registry import EXCHANGES
from common.model.secret import Secret
from common.model.streams import parse_pattern
from config.settings import BadSettings, Settings, load, load_effective, load_or_exit
from config.table import TABLE

WRONG = {
    "REDIS_URL": "http://localhost",
    "REDIS_HOST": "rediss://localhost",
    "REDIS_PORT": "70000",
    "REDIS_PASSWORD": "two\nlines",
    "REDIS_PREFIX": "with space",
    "COMPAT_REDIS": "yes",
    "COMPAT_REDIS_URL": "localhost:6379",
    "RABBIT_URL": "redis://localhost",
    "RABBIT_HOST": "https://localhost",
    "RABBIT_PORT": "5672x",
    "RABBIT_USER": "with space",
    "RABBIT_PASSWORD": "two\nlines",
    "TOPOLOGY": "half",
    "PUBLISH_BUFFER": "0",
    "PUBLISH_LINGER_MS": "-1",
    "LAST_VALUES_TTL_S": "-1",
    "STREAMS": "binance:spot:ticker",
    "EXCHANGES": "binance,mtgox",
    "EXCHANGE_GATEWAY": "localhost:9000",
    "MARKET_CLOCK": "30",
    "HISTORY_BARS": "-1",
    "LOOK_BACK_S": "a while",
    "ACCOUNT_RECONCILE_S": "9",
    "BACKFILL_BARS": "0",
    "CREDENTIALS_KEY": "c2hvcnQ=",
    "PRICEROLE": "candles",
    "WORKER_NAME": "n" * 101,
    "EGRESS": "eins zwei",
    "LEASE_TTL_S": "2.9",
    "DRAIN_S": "soon",
    "HEALTH_HOST": "this machine",
    "HEALTH_PORT": "0",
    "LOG_LEVEL": "LOUD",
    "LOG_FORMAT": "xml",
    "PAPER_WS": "ftp://localhost",
    "EXCHANGE_SERVICE_API_URL": "http://user:hunter22@localhost",
    "WATCHDOG_APP": "http://",
    "COINBASE_API_KEY": "two\nlines",
    "COINBASE_API_SECRET": "two\nlines",
}


def test_a_drain_that_supervisord_would_cut_off_is_refused() -> None:
    assert settings(DRAIN_S="30").drain_s == 30
    assert "0 to 30" in refused(DRAIN_S="31")["DRAIN_S"]


def settings(dotenv: Path | None = None, **environ: str) -> Settings:
    return load(environ, dotenv)


def refused(dotenv: Path | None = None, **environ: str) -> dict[str, str]:
    """What is reported, by name."""
    with pytest.raises(BadSettings) as caught:
        load(environ, dotenv)
    return {problem.name: str(problem) for problem in caught.value.problems}


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_nothing_set_starts_against_local_engines() -> None:
    empty = settings()
    assert empty.redis_url.reveal() == "redis://localhost:6379/0"
    assert empty.rabbit_url.reveal() == "amqp://guest:guest@localhost:5672/"
    assert empty.price_role == "all"
    assert empty.streams == (parse_pattern("*:*:ticker:*"),)
    assert empty.exchanges == tuple(EXCHANGES)
    assert (empty.health_host, empty.health_port) == ("0.0.0.0", 3000)
    assert (empty.lease_ttl_s, empty.drain_s) == (15, 20)
    assert (empty.publish_buffer, empty.publish_linger_ms) == (20_000, 0)
    assert (empty.history_bars, empty.look_back_s, empty.backfill_bars) == (0, 300, 10_000)
    assert (empty.compat_redis, empty.compat_redis_url) == (False, None)
    assert empty.market_clock.speed == 1
    assert empty.exchange_gateway is None
    assert empty.coinbase_api_key is None


def test_older_backends_are_served_only_if_asked_for_and_where_asked_for() -> None:
    asked = settings(COMPAT_REDIS="1", COMPAT_REDIS_URL="redis://elsewhere/3")
    assert asked.compat_redis
    assert asked.compat_redis_url is not None
    assert asked.compat_redis_url.reveal() == "redis://elsewhere/3"
    assert not settings(COMPAT_REDIS="0").compat_redis


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        settings().health_port = 1  # type: ignore[misc]


# --- what is wrong --------------------------------------------------------------------------


def test_every_setting_has_a_wrong_value_here() -> None:
    assert set(WRONG) == {setting.name for setting in TABLE}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_reported_by_name(name: str) -> None:
    problems = refused(**{name: WRONG[name]})
    assert name in problems
    assert set(problems) <= {name, "COINBASE_API_KEY", "COINBASE_API_SECRET"}
    allowed = next(setting.allowed for setting in TABLE if setting.name == name)
    assert allowed in problems[name]


def test_all_wrong_values_are_reported_at_once() -> None:
    assert set(refused(**WRONG)) == set(WRONG)


def test_no_report_shows_a_secret() -> None:
    secrets = {
        "REDIS_URL": "redis://:s3cretpass@[::1",
        "RABBIT_URL": "http://u:s3cretpass@host",
        "REDIS_HOST": "redis://:s3cretpass@host",
        "RABBIT_HOST": "amqp://u:s3cret#pass@host:x",
        "REDIS_PASSWORD": "s3cret\x00pass",
        "EXCHANGE_SERVICE_API_URL": "https://u:s3cretpass@host",
    }
    problems = refused(**secrets)
    assert set(problems) == set(secrets)
    assert "s3cret" not in "".join(problems.values())


KEYS = tuple(base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2, 3))


@pytest.mark.parametrize("between", [",", ", ", "\n", ",\n"])
def test_credentials_have_a_key_and_while_rotating_two(between: str, tmp_path: Path) -> None:
    assert settings().credentials_key is None
    assert settings(CREDENTIALS_KEY=KEYS[0]).credentials_key == (Secret(KEYS[0]),)
    both = (Secret(KEYS[0]), Secret(KEYS[1]))
    assert settings(CREDENTIALS_KEY=between.join(KEYS[:2])).credentials_key == both
    (tmp_path / "keys").write_text(between.join(KEYS[:2]) + "\n")
    from_file = settings(CREDENTIALS_KEY_FILE=str(tmp_path / "keys"))
    assert from_file.credentials_key == both
    assert set(KEYS[:2]) <= set(from_file.secrets), "logs are kept free of them"
    assert "***,***" in load_effective({"CREDENTIALS_KEY": ",".join(KEYS[:2])}, None).shown.values()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("canary", "its key is not base64"),
        ("Y2FuYXJ5", "its key has 6 bytes"),
        (f"{KEYS[0]},Y2FuYXJ5", "its second key has 6 bytes"),
        (",".join(KEYS), "it holds 3 keys"),
        (",", "it holds 0 keys"),
        (f"{KEYS[0]},{KEYS[0]}", "both keys are the same"),
    ],
)
def test_a_key_that_is_none_is_refused_by_name_and_not_quoted(text: str, wrong: str) -> None:
    problem = refused(CREDENTIALS_KEY=text)["CREDENTIALS_KEY"]
    assert wrong in problem
    for word in ("canary", "Y2FuYXJ5", *KEYS):
        assert word not in problem


def test_every_unknown_exchange_and_bad_pattern_is_named() -> None:
    streams = "binance:spot:ticker:*,mtgox:spot:ticker:*,binance:sport:ticker:*,*:*:candle:*:7m"
    problems = refused(STREAMS=streams, EXCHANGES="binance,mtgox,cryptsy")
    assert "'mtgox'" in problems["STREAMS"]
    assert "'sport'" in problems["STREAMS"]
    assert "'7m'" in problems["STREAMS"]
    assert "mtgox, cryptsy" in problems["EXCHANGES"]


def test_half_a_coinbase_key_is_refused() -> None:
    assert "COINBASE_API_SECRET" in refused(COINBASE_API_KEY="key")
    assert "COINBASE_API_KEY" in refused(COINBASE_API_SECRET="secret")


def test_wrong_settings_end_a_process_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load_or_exit({"HEALTH_PORT": "x", "DRAIN_S": "y"}, None)
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert any("HEALTH_PORT" in line for line in lines)
    assert any("DRAIN_S" in line for line in lines)


# --- engines --------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["p@ss/w#rd?", "100%", "a+b c", "ünï:cøde", "$HOME${X}"])
def test_passwords_are_escaped_into_urls(password: str) -> None:
    loaded = settings(REDIS_PASSWORD=password, RABBIT_PASSWORD=password, RABBIT_USER="a@b")
    for url in (loaded.redis_url, loaded.rabbit_url):
        parts = urlsplit(url.reveal())
        assert unquote(parts.password or "") == password
        assert parts.hostname == "localhost"
        assert url.password == password
    assert unquote(urlsplit(loaded.rabbit_url.reveal()).username or "") == "a@b"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("localhost", "localhost:6379"),
        ("http://localhost", "localhost:6379"),
        ("http://localhost/", "localhost:6379"),
        ("http://localhost:7000", "localhost:7000"),
        ("redis.example:7000", "redis.example:7000"),
        ("10.0.0.7", "10.0.0.7:6379"),
        ("::1", "[::1]:6379"),
        ("[::1]:7000", "[::1]:7000"),
    ],
)
def test_hosts_as_people_write_them(written: str, address: str) -> None:
    assert settings(REDIS_HOST=written).redis_url.reveal() == f"redis://{address}/0"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("localhost:7506", "ws://localhost:7506"),
        ("ws://paper", "ws://paper"),
        ("wss://paper:443/", "wss://paper:443"),
        ("http://localhost:7506", "ws://localhost:7506"),
        ("https://paper.example.com/", "wss://paper.example.com"),
    ],
)
def test_the_paper_service_as_people_write_it(written: str, address: str) -> None:
    assert settings().paper_ws is None
    assert settings(PAPER_WS=written).paper_ws == address


@pytest.mark.parametrize(
    "written",
    ["ws://ws://paper", "paper/rooms", "https://user:hunter22@paper", "://", "paper:99999"],
)
def test_another_address_of_the_paper_service_is_refused(written: str) -> None:
    problem = refused(PAPER_WS=written)["PAPER_WS"]
    assert "hunter22" not in problem


def test_a_port_in_the_host_may_not_contradict_the_port() -> None:
    assert "REDIS_PORT" in refused(REDIS_HOST="localhost:7000", REDIS_PORT="7001")
    agreeing = settings(REDIS_HOST="localhost:7000", REDIS_PORT="7000")
    assert agreeing.redis_url.reveal() == "redis://localhost:7000/0"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("REDIS_URL", "rediss://:secret12@redis.example:6380/3"),
        ("REDIS_URL", "redis://user:secret12@redis.example"),
        ("RABBIT_URL", "amqps://user:secret12@rabbit.example/trading"),
        ("RABBIT_URL", "amqp://user:secret12@rabbit.example:5673/%2Fdeep%2Fvhost"),
    ],
)
def test_urls_win_over_the_parts_and_keep_scheme_and_vhost(name: str, url: str) -> None:
    engine = name.removesuffix("_URL")
    loaded = load({name: url, f"{engine}_HOST": "elsewhere", f"{engine}_PORT": "1"}, None)
    assert getattr(loaded, name.lower()).reveal() == url


# --- sources --------------------------------------------------------------------------------


def test_the_environment_wins_over_dotenv(dotenv: Path) -> None:
    dotenv.write_text("HEALTH_PORT=4000\nPRICEROLE=candle\n")
    loaded = settings(dotenv, HEALTH_PORT="5000")
    assert (loaded.health_port, loaded.price_role) == (5000, "candle")


def test_an_empty_variable_means_the_default_whatever_dotenv_says(dotenv: Path) -> None:
    dotenv.write_text("PRICEROLE=candle\nREDIS_PASSWORD=secret12\n")
    loaded = settings(dotenv, PRICEROLE="", REDIS_PASSWORD="")
    assert loaded.price_role == "all"
    assert loaded.redis_url.password is None


def test_dotenv_values_are_taken_as_they_stand(dotenv: Path) -> None:
    dotenv.write_text("RABBIT_PASSWORD='a${HOME}b'\n")
    assert settings(dotenv).rabbit_url.password == "a${HOME}b"


def test_a_missing_dotenv_is_fine(tmp_path: Path) -> None:
    assert settings(tmp_path / "none").health_port == 3000


def test_a_dotenv_that_cannot_be_read_is_refused(dotenv: Path) -> None:
    dotenv.mkdir()
    assert "cannot be read" in refused(dotenv)[".env"]


def test_lines_of_dotenv_that_say_nothing_are_refused(dotenv: Path) -> None:
    dotenv.write_text("# fine\nHEALTH_PORT=4000\nREDIS_HOST\nHEALTH_PORT=4001\n")
    problems = refused(dotenv)
    assert ".env line 3" in problems
    assert "set twice" in problems["HEALTH_PORT"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("REDIS_PASWORD", "REDIS_PASSWORD"),
        ("redis_host", "REDIS_HOST"),
        ("RABBITHOST", "RABBIT_HOST"),
        ("PRICE_ROLE", "PRICEROLE"),
        ("LEASE_TTL", "LEASE_TTL_S"),
        ("HEALTH_PORT_FILE", "HEALTH_PORT"),
    ],
)
def test_a_misspelt_name_in_dotenv_is_refused(dotenv: Path, written: str, meant: str) -> None:
    dotenv.write_text(f"{written}=s3cretpass\n")
    problem = refused(dotenv)[written]
    assert f"did you mean {meant}?" in problem
    assert "s3cretpass" not in problem


def test_a_foreign_name_in_dotenv_is_none_of_our_business(dotenv: Path) -> None:
    dotenv.write_text("COMPOSE_PROJECT_NAME=fleet\nDEBUG=1\n")
    assert settings(dotenv).health_port == 3000


def test_secrets_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file\n")
    loaded = settings(RABBIT_PASSWORD_FILE=str(file))
    assert loaded.rabbit_url.password == "from a file"
    file.write_text("rediss://:secret12@redis.example/1\r\n")
    assert settings(REDIS_URL_FILE=str(file)).redis_url.password == "secret12"


def test_every_secret_may_be_a_file_and_nothing_else(tmp_path: Path) -> None:
    for setting in TABLE:
        expected = (setting.name, f"{setting.name}_FILE") if setting.secret else (setting.name,)
        assert setting.names == expected


def test_a_file_in_the_environment_wins_over_a_value_in_dotenv(
    tmp_path: Path, dotenv: Path
) -> None:
    (tmp_path / "password").write_text("right one")
    dotenv.write_text("REDIS_PASSWORD=wrong one\n")
    loaded = settings(dotenv, REDIS_PASSWORD_FILE=str(tmp_path / "password"))
    assert loaded.redis_url.password == "right one"


def test_files_that_hold_no_secret_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "empty" in refused(REDIS_PASSWORD_FILE=str(tmp_path / "empty"))["REDIS_PASSWORD_FILE"]
    assert "large" in refused(REDIS_PASSWORD_FILE=str(tmp_path / "large"))["REDIS_PASSWORD_FILE"]
    assert "UTF-8" in refused(REDIS_PASSWORD_FILE=str(tmp_path / "binary"))["REDIS_PASSWORD_FILE"]
    gone = refused(RABBIT_URL_FILE=str(tmp_path / "gone"))["RABBIT_URL_FILE"]
    assert "No such file" in gone


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("one")
    problems = refused(REDIS_PASSWORD="two", REDIS_PASSWORD_FILE=str(tmp_path / "password"))
    assert "set twice" in problems["REDIS_PASSWORD"]


# --- secrets stay secret --------------------------------------------------------------------

SECRET = "hunter2hunter2"


def test_no_way_of_printing_settings_shows_a_secret() -> None:
    environ = {
        "REDIS_URL": f"rediss://:{SECRET}@redis.example/0?password={SECRET}",
        "COMPAT_REDIS_URL": f"redis://:{SECRET}@redis.example/1",
        "RABBIT_PASSWORD": SECRET,
        "COINBASE_API_KEY": SECRET,
        "COINBASE_API_SECRET": SECRET,
    }
    effective = load_effective(environ, None)
    loaded = effective.settings
    prints = [repr(loaded), str(loaded), f"{loaded}", *effective.shown.values()]
    for value in (loaded.redis_url, loaded.rabbit_url, loaded.coinbase_api_key):
        prints += [str(value), repr(value), f"{value}", json.dumps(str(value))]
    assert SECRET not in "\n".join(prints)
    assert str(loaded.redis_url) == "rediss://:***@redis.example/0?password=***"
    assert str(loaded.rabbit_url) == "amqp://guest:***@localhost:5672/"
    assert loaded.secrets.count(SECRET) == 5


def test_secrets_are_neither_encoded_nor_pickled() -> None:
    loaded = settings(COINBASE_API_KEY=SECRET, COINBASE_API_SECRET=SECRET)
    with pytest.raises(TypeError):
        msgspec.json.encode(loaded)
    with pytest.raises(TypeError):
        pickle.dumps(loaded.coinbase_api_key)


def test_what_counts_is_shown_with_its_source(dotenv: Path) -> None:
    dotenv.write_text("RABBIT_URL=amqp://localhost/\nREDIS_HOST=redis.example\n")
    effective = load_effective({"PRICEROLE": "ticker"}, dotenv)
    assert effective.sources["PRICEROLE"] == "environment"
    assert effective.sources["REDIS_HOST"] == ".env"
    assert effective.sources["REDIS_URL"] == "from REDIS_HOST"
    assert effective.sources["RABBIT_HOST"] == "not used: RABBIT_URL wins"
    assert effective.sources["HEALTH_PORT"] == "default"
    assert effective.shown["REDIS_URL"] == "redis://redis.example:6379/0"
    assert effective.shown["EXCHANGES"] == ",".join(EXCHANGES)
