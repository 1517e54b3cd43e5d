from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from portal_house import House, answer, box
from sqlalchemy import select

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.service.faults import Fault
from gt_workflow.service.portal.doors import Limits
from gt_workflow.service.portal.rates import Rates
from gt_workflow.service.portal.sessions import SESSION_LIFE, Sessions
from gt_workflow.service.portal.workers import INVITATION_LIFE, Workers
from gt_workflow.service.store import Store, invitations, sessions

PAGE = {"x-gt-page": "1"}


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/other.sqlite")
    yield store
    store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def workers(store, clock) -> Workers:
    numbers = count(1)
    made = Workers(store=store, clock=clock, new_token=lambda: f"secret-{next(numbers)}")
    made.add("Ada")
    return made


# Invitations and sessions


def test_an_invitation_becomes_a_session_once(workers):
    kept = Sessions(workers)
    invitation = workers.invite_once("Ada")
    session = kept.begin(invitation)
    assert session.worker.name == "Ada"
    assert kept.who(session.token) == session.worker
    with pytest.raises(Fault, match=r"was used already.*gt_workflow invite Ada") as caught:
        kept.begin(invitation)
    assert caught.value.status == 410


def test_whoever_opens_their_own_link_again_stays_signed_in(workers):
    kept = Sessions(workers)
    invitation = workers.invite_once("Ada")
    ada = kept.begin(invitation).worker
    assert kept.begin(invitation, present=ada) is None
    workers.add("Bob")
    bob = kept.begin(workers.invite_once("Bob")).worker
    with pytest.raises(Fault, match="used already"):
        kept.begin(invitation, present=bob)


def test_an_invitation_and_a_session_expire(workers, clock):
    kept = Sessions(workers)
    late, early = workers.invite_once("Ada"), workers.invite_once("Ada")
    session = kept.begin(early)
    clock.sleep(INVITATION_LIFE.total_seconds())
    with pytest.raises(Fault, match="has expired"):
        kept.begin(late)
    clock.sleep((SESSION_LIFE - INVITATION_LIFE).total_seconds() - 1)
    assert kept.who(session.token) is not None
    clock.sleep(1)
    assert kept.who(session.token) is None


def test_a_scripts_token_becomes_a_session_too(workers):
    token = workers.invite("Ada")
    assert Sessions(workers).begin(token).worker.name == "Ada"


@pytest.mark.parametrize("made_up", ["", "secret-9", "x" * 10_000, "\ud800"])
def test_what_is_no_invitation_begins_nothing(workers, made_up):
    workers.invite_once("Ada")
    with pytest.raises(Fault, match="not valid") as caught:
        Sessions(workers).begin(made_up)
    assert caught.value.status == 401


def test_the_database_knows_neither_invitation_nor_session(workers, store):
    invitation = workers.invite_once("Ada")
    session = Sessions(workers).begin(invitation)
    with store.read() as connection:
        told = repr(
            [*connection.execute(select(invitations)), *connection.execute(select(sessions))]
        )
    assert invitation not in told
    assert session.token not in told


def test_revoking_ends_tokens_invitations_and_sessions(workers):
    kept = Sessions(workers)
    session = kept.begin(workers.invite_once("Ada"))
    token, invitation = workers.invite("Ada"), workers.invite_once("Ada")
    assert workers.revoke("Ada") == 4  # the spent invitation too
    assert workers.authenticate(token) is None
    assert kept.who(session.token) is None
    with pytest.raises(Fault, match="not valid"):
        kept.begin(invitation)


def test_a_role_is_given_and_taken(workers):
    token = workers.invite("Ada")
    assert workers.authenticate(token).role == "worker"
    workers.appoint("Ada", "admin")
    assert workers.authenticate(token).role == "admin"
    assert [one.role for one in workers.list()] == ["admin"]
    workers.appoint("Ada", "worker")
    assert workers.authenticate(token).role == "worker"


# Over HTTP


def test_a_page_signs_in_labels_and_signs_out(house):
    invitation = house.invite()
    begun = house.call("POST", "/_/api/session", body={"invite": invitation}, headers=PAGE)
    assert begun.status == 200
    assert begun.json()["worker"]["name"] == "Ada"
    kept = begun.headers["set-cookie"]
    assert {"HttpOnly", "Path=/_/", "SameSite=strict"} <= set(kept.split("; "))
    assert "Secure" not in kept
    cookie = {**PAGE, "cookie": kept.partition(";")[0]}
    house.job()
    task = house.call("POST", "/_/api/tasks/accept", headers=cookie).json()["task"]
    sent = house.call(
        "POST", f"/_/api/tasks/{task['id']}/submit", headers=cookie, body=answer(box())
    )
    assert sent.status == 200
    ended = house.call("POST", "/_/api/session/end", headers=cookie)
    assert "Max-Age=0" in ended.headers["set-cookie"]
    assert house.call("GET", "/_/api/me", headers=cookie).status == 401


def test_a_reload_keeps_the_worker_signed_in_and_the_link_says_how_to_get_a_new_one(house):
    invitation = house.invite()
    first = house.call("POST", "/_/api/session", body={"invite": invitation})
    cookie = first.headers["set-cookie"].partition(";")[0]
    again = house.call(
        "POST", "/_/api/session", body={"invite": invitation}, headers={"cookie": cookie}
    )
    assert (again.status, "set-cookie" in again.headers) == (200, False)
    elsewhere = house.call("POST", "/_/api/session", body={"invite": invitation})
    assert elsewhere.status == 410
    assert "python -m gt_workflow invite Ada" in elsewhere.message


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://labels.test"}],
)
def test_behind_https_the_cookie_is_secure(house, headers):
    begun = house.call("POST", "/_/api/session", body={"invite": house.invite()}, headers=headers)
    assert "Secure" in begun.headers["set-cookie"].split("; ")


def test_a_cookie_without_the_pages_header_changes_nothing(house):
    cookie = house.sign_in()
    house.job()
    del cookie["x-gt-page"]
    for method, path in (("GET", "me"), ("POST", "tasks/accept"), ("POST", "session/end")):
        reply = house.call(method, f"/_/api/{path}", headers=cookie)
        assert (reply.status, "own page" in reply.message) == (403, True)
    assert house.call("GET", "/_/api/me", headers={**cookie, **PAGE}).status == 200


def test_cookies_of_two_services_on_one_machine_do_not_meet(house):
    other = house.portal(secret=b"another secret of this length")
    cookie = house.sign_in()
    assert house.call("GET", "/_/api/me", headers=cookie).status == 200
    assert house.call("GET", "/_/api/me", headers=cookie, app=other).status == 401
    name = house.sign_in(app=other)["cookie"].partition("=")[0]
    assert name != cookie["cookie"].partition("=")[0]


def test_two_cookies_of_our_name_are_none(house):
    cookie = house.sign_in()["cookie"]
    headers = {**PAGE, "cookie": f"{cookie}; {cookie}"}
    assert house.call("GET", "/_/api/me", headers=headers).status == 401


def test_revoking_shuts_a_browser_out_within_a_second(house):
    cookie = house.sign_in()
    assert house.call("GET", "/_/api/me", headers=cookie).status == 200
    house.workers.revoke("Ada")
    house.clock.sleep(1)
    assert house.call("GET", "/_/api/me", headers=cookie).status == 401


# Limits


def test_a_bucket_empties_and_fills():
    clock = ManualClock()
    rates = Rates(clock, rate=2.0, burst=3)
    assert [rates.take("a") for _ in range(4)] == [0, 0, 0, 1]
    assert rates.take("b") == 0
    clock.sleep(0.5)
    assert [rates.take("a") for _ in range(2)] == [0, 1]
    clock.sleep(-60)
    assert rates.take("a") == 1


def test_many_addresses_take_no_more_than_their_share_of_memory():
    rates = Rates(ManualClock(), rate=1.0, burst=1)
    for number in range(25_000):
        rates.take(str(number))
    assert len(rates._buckets) <= 10_000


def test_a_person_in_a_hurry_is_told_to_wait(house):
    app = house.portal(limits=Limits(person=(1.0, 2)))
    cookie = house.sign_in(app=app)
    replies = [house.call("GET", "/_/api/me", headers=cookie, app=app) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].headers["retry-after"] == "1"
    house.clock.sleep(1)
    assert house.call("GET", "/_/api/me", headers=cookie, app=app).status == 200


def test_an_address_that_guesses_is_told_to_wait_and_nobody_else(house):
    app = house.portal(limits=Limits(failures=(0.1, 2)))
    guesses = [
        house.call("POST", "/_/api/session", body={"invite": f"guess-{n}"}, app=app)
        for n in range(3)
    ]
    assert [guess.status for guess in guesses] == [401, 401, 429]
    assert guesses[2].headers["retry-after"] == "10"
    # A good invitation has to wait too from there, and is not spent by it.
    invitation = house.invite()
    said = house.call("POST", "/_/api/session", body={"invite": invitation}, app=app)
    assert said.status == 429
    assert house.call("GET", "/_/api/me", token=house.worker("Bob"), app=app).status == 200
    assert house.call("GET", "/_/api/me", token="guess", app=app).status == 429
    house.clock.sleep(timedelta(seconds=10).total_seconds())
    assert house.call("POST", "/_/api/session", body={"invite": invitation}, app=app).status == 200
