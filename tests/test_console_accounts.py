"""The operators' accounts over HTTP: invited, logged in, allowed what their role allows, and gone when removed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from conftest import free_port
from starlette.routing import Mount, Route
from test_console import TOKEN, Page, console, opened
from typer.testing import CliRunner

import apprentice
from apprentice import app
from console.accounts import Accounts
from console.app import build, run
from console.sessions import TRIES
from core import keys
from core.errors import InvalidInput, SettingsError
from core.settings import Settings
from feedback.audit import AuditLog
from launch.up import as_environment
from workers.context import open_context

PASSWORD = "ships sail at dawn"
OPEN = ("/login", "/invitation/{code}", "/healthz", "/static")


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    return Settings(data_dir=tmp_path_factory.mktemp("accounts"), redis_url=valkey_url, console_port=free_port())


@pytest.fixture(scope="module")
def address(settings):
    with console(settings) as address:
        yield address


@pytest.fixture
def context(settings, store):
    return open_context(settings)


@pytest.fixture
def accounts(store):
    return Accounts(store)


@pytest.fixture
def ann(address, accounts) -> Iterator[Page]:
    """An admin's browser."""
    with joined(address, accounts.invite("admin"), "ann") as page:
        yield page


@contextmanager
def joined(address: str, code: str, name: str) -> Iterator[Page]:
    """The browser of somebody who opened their invitation."""
    with opened(address) as page:
        page.open(f"/invitation/{code}")
        told = page.send(f"/invitation/{code}", name=name, password=PASSWORD, again=PASSWORD)
        assert told.url.path == "/" and name in told.text, told.text
        page.open()
        yield page


def code_in(text: str) -> str:
    return re.search(r"/invitation/([\w-]+)", text)[1]


def log_in(page: Page, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
    page.open("/login")
    return page.send("/login", name=name, password=password, **fields)


def typed(settings: Settings, monkeypatch, *words: str) -> str:
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["console", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def activity(page: Page) -> list[tuple[str, ...]]:
    """Who did what, newest first, as the page shows it."""
    return re.findall(r"<strong>(\S+)</strong> ([\w ]+)", page.http.get("/activity").text)


# The story


def test_from_the_first_link_in_the_terminal_to_a_team(address, settings, store, monkeypatch):
    with opened(address) as stranger:
        assert "may do everything" in stranger.http.get("/operators").text

        link = typed(settings, monkeypatch, "invite", "admin")
        assert f"Open {address}/invitation/" in link
        with joined(address, code_in(link), "ann") as ann:
            assert stranger.http.get("/operators").headers["location"] == "/login?next=/operators"
            assert not store.hget(keys.CONSOLE_ACCOUNTS, "ann").count(PASSWORD)

            made = ann.send("/operators/invite", role="viewer").text
            with joined(address, code_in(made), "bob") as bob:
                assert "bob" in ann.http.get("/operators").text
                for path in ("/", "/playground", "/adapters", "/people", "/operators", "/activity"):
                    assert bob.open(path).is_success
                refused = bob.send("/operators/invite", role="admin")
                assert refused.status_code == 403 and "This needs the role admin" in refused.text
                assert "needs the role reviewer" in bob.refused("/ask", 403, text="May I?")

                assert "Remove bob?" in ann.http.get("/operators/bob/remove").text
                assert "bob" not in ann.send("/operators/bob/remove").text
                assert bob.http.get("/adapters").status_code == 303
                assert "not logged in" in bob.refused("/ask", 401, text="Still here?")

            assert activity(ann) == [
                ("ann", "remove "),
                ("bob", "join "),
                ("ann", "invite "),
                ("ann", "join "),
                ("operator", "invite "),
            ]
            assert ann.send("/logout").url.path == "/login"
            assert ann.http.get("/adapters").status_code == 303
            assert log_in(ann, "Ann ", next="/people").url.path == "/people"


def test_a_new_password_ends_the_other_sessions(address, ann):
    with opened(address) as elsewhere:
        assert log_in(elsewhere, "ann").url.path == "/"
        assert elsewhere.http.get("/account").is_success
        ann.open("/account")
        new = {"password": "and land at dusk", "again": "and land at dusk"}
        assert "present password is not right" in ann.send("/account", old="a guess in the dark", **new).text
        assert "two passwords differ" in ann.send("/account", old=PASSWORD, **new | {"again": "x"}).text
        assert ann.send("/account", old=PASSWORD, **new).is_success
        assert ann.http.get("/account").is_success
        assert elsewhere.http.get("/account").status_code == 303
        assert "is not right" in log_in(elsewhere, "ann").text
        assert log_in(elsewhere, "ann", "and land at dusk").url.path == "/"


def test_an_admin_bans_and_forgets_a_person_and_the_log_leads_to_nobody(ann, context, store, settings):
    author = context.forgetting.author_of("42")
    context.people.grant(author, "member")
    shown = ann.open("/people").text
    assert author[:12] in shown and "today 0 questions" in shown and "trusted" in shown
    assert author[:12] not in ann.http.get("/people?user=43").text and author in ann.http.get("/people?user=42").text

    assert "Unban" in ann.send(f"/people/{author}/ban").text and context.people.person(author).banned
    assert (entry := AuditLog(context.store).page(count=1)[0]).subject == author and entry.who == "ann"
    ann.send(f"/people/{author}/unban")
    assert not context.people.person(author).banned
    assert "is not banned" in ann.send(f"/people/{author}/unban").text

    before = [entry.id for entry in AuditLog(store).page()]
    assert "cannot be undone" in ann.http.get(f"/people/{author}/forget").text
    assert "Removed: turns 0" in ann.send(f"/people/{author}/forget").text
    entries = AuditLog(store).page()
    assert [e.what for e in entries[:4]] == ["forget", "unban", "ban", "join"]
    assert [entry.id for entry in entries][1:] == before, "who follows the log goes on where they were"
    assert author not in str(entries) and len({e.subject for e in entries[:3]}) == 1
    assert ann.send(f"/people/{author}/forget").status_code == 404


def test_the_owner_is_not_banned_and_people_come_in_pages(ann, context):
    owner = context.forgetting.author_of("1")
    context.people.grant(owner, "owner")
    assert "owner of the bot cannot be banned" in ann.send(f"/people/{owner}/ban").text
    for number in range(2, 62):
        context.people.grant(context.forgetting.author_of(str(number)), "member")
    first = ann.http.get("/people").text
    then = ann.http.get(re.search(r'href="(/people\?after=\w+)"', first)[1]).text
    authors = re.findall(r'title="([0-9a-f]{32})"', first + then)
    assert len(authors) == 61 == len(set(authors)) and "More people" not in then


def test_the_log_of_what_was_done_has_pages(ann, context):
    for n in range(60):
        context.registry._store.xadd(keys.AUDIT, {"who": "gate", "what": "promote", "subject": f"v{n}", "why": "<b>"})
    first = ann.http.get("/activity").text
    assert "v59" in first and "v9<" not in first and "&lt;b&gt;" in first
    older = ann.http.get(re.search(r'href="(/activity\?before=[\d-]+)"', first)[1]).text
    assert "v9<" in older and "join" in older and "Older entries" not in older
    assert ann.http.get("/activity?before=x").text == first


# Links, names and passwords


def test_a_link_works_once_and_for_a_day(address, ann, accounts, store):
    code = accounts.invite("viewer")
    (key,) = [key for key in store.scan_iter(keys.console_invite("*"))]
    assert code not in key and 86_000 < store.ttl(key) <= 86_400
    with opened(address) as page:
        for _ in range(2):
            assert "as <strong>viewer</strong>" in page.open(f"/invitation/{code}").text, "looking uses nothing up"
        refused = {
            "bob": ("short", "short"),
            "ann": (PASSWORD, PASSWORD),
            "x": (PASSWORD, PASSWORD),
            "gate": (PASSWORD, PASSWORD),
            "sailor": ("the sailor of dawn", "the sailor of dawn"),
            "eve": (PASSWORD, "another one of dusk"),
        }
        for name, (password, again) in refused.items():
            told = page.send(f"/invitation/{code}", name=name, password=password, again=again)
            assert told.status_code == 400 and 'role="alert">' in told.text, name
    with joined(address, code, "bob"), opened(address) as page:
        assert "was used already" in page.http.get(f"/invitation/{code}").text
        assert page.send(f"/invitation/{code}", name="eve", password=PASSWORD, again=PASSWORD).status_code == 404
    expired = accounts.invite("admin")
    store.delete(*store.scan_iter(keys.console_invite("*")))
    with opened(address) as page:
        assert page.http.get(f"/invitation/{expired}").status_code == 404


def test_the_first_account_is_an_admins_and_the_last_admin_stays(accounts):
    with pytest.raises(InvalidInput, match="invite an admin first"):
        accounts.invite("viewer")
    with pytest.raises(InvalidInput, match="no role king"):
        accounts.invite("king")
    accounts.join(accounts.invite("admin"), "ann", PASSWORD)
    accounts.join(accounts.invite("reviewer"), "bob", PASSWORD)
    with pytest.raises(InvalidInput, match="only admin"):
        accounts.remove("ann")
    accounts.join(accounts.invite("admin"), "eve", PASSWORD)
    accounts.remove("ann")
    assert [account.name for account in accounts.all()] == ["bob", "eve"]


def test_passwords_are_argon2id_and_no_secret_is_stored(ann, accounts, store):
    assert accounts.get("ann").password.startswith("$argon2id$")
    session = ann.http.cookies["apprentice_session"]
    assert not [key for key in store.scan_iter("*") if session in key]


# Sessions


def test_logging_in_gives_a_new_id_and_a_removed_accounts_cookie_opens_nothing(address, ann, accounts):
    accounts.join(accounts.invite("reviewer"), "bob", PASSWORD)
    with opened(address) as bob:
        before = bob.http.cookies["apprentice_session"]
        log_in(bob, "bob")
        stolen = bob.http.cookies["apprentice_session"]
        assert stolen != before and bob.http.get("/account").is_success
        accounts.remove("bob")
        accounts.join(accounts.invite("reviewer"), "bob", PASSWORD)
        told = httpx.get(f"{address}/account", cookies={"apprentice_session": stolen})
        assert told.status_code == 303, "another bob is not the one whose session it was"


def test_a_session_ends_when_it_is_idle_and_is_renewed_by_use(ann, store):
    (key,) = store.scan_iter(keys.console_session("*"))
    store.expire(key, 5)
    assert ann.http.get("/account").is_success and store.ttl(key) > 3600
    name, stamp, _ = store.get(key).split(":")
    store.set(key, f"{name}:{stamp}:1")
    assert ann.http.get("/account").status_code == 303, "however often it was used"


def test_a_password_may_be_tried_ten_times_in_a_quarter_of_an_hour(address, ann, store):
    with opened(address) as thief:
        for _ in range(TRIES["name"]):
            assert log_in(thief, "ann", "a guess in the dark").status_code == 401
        told = log_in(thief, "ann")
        assert told.status_code == 429 and re.search(r"try again in 1[45] min", told.text)
        assert 800 < int(told.headers["retry-after"]) <= 900
        assert log_in(thief, "nobody").status_code == 401
        store.delete(*store.scan_iter(keys.console_tries("name", "*")))
        assert log_in(thief, "ann").url.path == "/"
        for _ in range(TRIES["address"]):
            log_in(thief, "nobody")
            store.delete(*store.scan_iter(keys.console_tries("name", "*")))
        assert log_in(thief, "ann").status_code == 429
    assert ("ann", "fail to log in") in activity(ann)


def test_a_login_leads_to_the_page_that_was_asked_for(address, ann):
    with opened(address) as page:
        asked = page.http.get("/people?user=42", follow_redirects=True)
        leads_to = re.search('name="next" value="([^"]+)"', asked.text)[1]
        assert str(log_in(page, "ann", next=leads_to).url) == f"{address}/people?user=42"


@pytest.mark.parametrize("path", ["//evil.example", "https:", "/\\evil.example", "evil", ""])
def test_a_login_leads_nowhere_else(address, ann, path):
    assert log_in(ann, "ann", next=path).url.path == "/"


# Every route


def requests(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Method, path as it is declared, and a path to ask for, of everything that the console serves."""
    for route in build(settings).routes:
        if isinstance(route, Mount):
            yield "GET", route.path, f"{route.path}/page.css"
        else:
            assert isinstance(route, Route)
            for method in sorted(route.methods - {"HEAD"}):
                yield method, route.path, re.sub(r"{\w+(:\w+)?}", "0", route.path)


def test_every_route_refuses_a_stranger(address, settings, ann):
    seen = []
    with opened(address) as stranger:
        page = stranger.open("/login")
        assert TOKEN.search(page.text)
        for method, declared, path in requests(settings):
            form = method != "GET" and stranger.send(path).history[:1]
            told = form[0] if form else stranger.http.request(method, path, json={} if method != "GET" else None)
            seen.append(declared)
            if declared in OPEN:
                continue
            leads_to_login = told.status_code == 303 and told.headers["location"].startswith("/login")
            assert leads_to_login or told.status_code == 401, (method, path, told.status_code)
    assert {
        "/",
        "/playground",
        "/ask",
        "/adapters/{version}",
        "/people/{author}/forget",
        "/operators",
        "/activity",
    } <= set(seen)


def test_every_route_refuses_what_another_site_sends(address, settings, ann):
    for method, _, path in requests(settings):
        if method == "GET":
            foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
            assert ann.http.get(path, headers=foreign).status_code == 403, path
        else:
            for origin in ("https://evil.example", "null"):
                told = ann.http.post(path, json={}, headers={"origin": origin})
                assert told.status_code == 403 and "own pages" in told.json()["error"], path


def test_every_route_refuses_a_form_without_the_browsers_own_token(address, settings, ann):
    with opened(address) as other:
        for method, _, path in requests(settings):
            if method == "GET":
                continue
            for token in (None, "", "0" * 32, other.http.headers["x-csrf-token"]):
                fields = {} if token is None else {"csrf": token}
                ann.http.headers.pop("x-csrf-token", None)
                assert ann.http.post(path, data=fields or {"x": "y"}).status_code == 403, path


def test_a_viewer_can_change_nothing_but_their_own(address, settings, ann, accounts):
    own = {"/login", "/logout", "/account", "/invitation/{code}"}
    with joined(address, accounts.invite("viewer"), "bob") as bob:
        for method, declared, path in requests(settings):
            if method != "GET" and declared not in own:
                assert "needs the role" in bob.refused(path, 403), path


# Where it listens


def test_it_opens_to_others_only_where_there_is_an_admin(settings, accounts, store):
    assert Settings.model_fields["console_host"].default == "127.0.0.1"
    opens = settings.model_copy(update={"console_host": "0.0.0.0", "console_url": "https://console.example.org"})
    with pytest.raises(SettingsError, match="no admin yet.*apprentice console invite admin"):
        run(opens)
    with pytest.raises(ValueError, match="set APPRENTICE_CONSOLE_URL"):
        Settings(console_host="0.0.0.0")
    with pytest.raises(ValueError, match="is no address such as"):
        Settings(console_url="console.example.org")


def test_behind_a_proxy_with_tls_it_knows_its_name_and_keeps_its_cookie_to_https(
    settings, accounts, store, monkeypatch
):
    public = "https://console.example.org"
    behind = settings.model_copy(update={"console_url": public + "/", "console_port": free_port()})
    with console(behind) as address, opened(address) as page:
        page.http.headers.update({"host": "console.example.org", "origin": public})
        page.http.follow_redirects = True
        assert page.http.get("/adapters").url.path == "/login", "nobody has an account, and a proxy lets anybody in"
        link = typed(behind, monkeypatch, "invite", "admin")
        assert f"Open {public}/invitation/" in link
        page.http.cookies.clear()
        shown = page.open(f"/invitation/{code_in(link)}")
        assert "Secure" in shown.headers["set-cookie"]
        session = re.search("apprentice_session=([^;]+)", shown.headers["set-cookie"])[1]
        fields = {"name": "ann", "password": PASSWORD, "again": PASSWORD}
        cookies = {"cookie": f"apprentice_session={session}"}
        told = page.http.post(f"/invitation/{code_in(link)}", data=fields, headers=cookies, follow_redirects=False)
        assert told.status_code == 303 and "Secure" in told.headers["set-cookie"]
        plain = {"origin": "http://console.example.org"}
        assert page.http.post("/login", data=fields, headers=cookies | plain).status_code == 403


def test_the_terminal_says_what_is_wrong_in_a_sentence(settings, store, monkeypatch, capsys):
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["apprentice", "console", "invite", "viewer"])
    with pytest.raises(SystemExit):
        apprentice.main()
    assert "invite an admin first" in capsys.readouterr().err
