"""The gateway's own answers: a problem document for programs, a page for people, each with the request's id."""
import html.parser
import json
import subprocess

import pytest

from conftest import proxy
from http2 import Http2
from processes import wait_until

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


class Page(html.parser.HTMLParser):
    """The texts of a page by tag; anything that a browser would load fails."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.open = {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "link", "img", "iframe"), tag
        assert not {"src", "href", "onload"} & {name for name, _ in attributes}, (tag, attributes)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


@pytest.fixture(scope="module")
def nowhere(make_once):
    """A gateway with one service, whose only instance does not listen, and no route for /nope."""
    backend = make_once.backend()
    config = proxy(backend, route=[{"path": "/app"}], hold={"time": 0}, retry={"attempts": 0},
                   health={"path": "/-/ready", "interval": "200ms", "rise": 1, "fall": 100})
    holdfast = make_once.holdfast(config)
    holdfast.wait_ready("app", 1)
    backend.stop_listening()
    backend.drop_connections()
    return holdfast


def ask(client, holdfast, target, *accept, **request):
    return client(holdfast).request(target=target, headers=[("accept", value) for value in accept],
                                    **request).response()


@pytest.mark.parametrize("accept", [(), ("*/*",), ("application/json",), ("text/html;q=0.5", "application/*")])
def test_programs_get_a_problem_document(nowhere, client, accept):
    response = ask(client, nowhere, "/nope", *accept)
    assert response.status == 404
    assert response.get("content-type") == "application/problem+json"
    assert response.get("cache-control") == "no-store"
    problem = json.loads(response.body)
    assert (problem["status"], problem["title"], problem["type"]) == (404, "Not Found", "about:blank")
    assert problem["requestId"] == response.get("x-request-id")
    assert "route" in problem["detail"]


def test_browsers_get_a_page(nowhere, client):
    response = ask(client, nowhere, "/nope", BROWSER)
    assert response.status == 404
    assert response.get("content-type") == "text/html; charset=utf-8"
    page = Page(response.body.decode())
    assert page.texts["h1"] == page.texts["title"] == "There is nothing here"
    assert page.texts["code"] == response.get("x-request-id")
    assert "404 Not Found" in page.texts["footer"]
    assert "prefers-color-scheme:dark" in page.texts["style"]


def test_plain_text_is_there_for_who_asks(nowhere, client):
    response = ask(client, nowhere, "/nope", "text/plain")
    assert response.get("content-type") == "text/plain; charset=utf-8"
    assert response.body.startswith(b"There is nothing here.\n")
    assert response.get("x-request-id") in response.body.decode()


def test_the_clients_own_id_is_in_it(nowhere, client):
    response = client(nowhere).request(target="/nope", headers=[("x-request-id", "abc.1"), ("accept", BROWSER)]).response()
    assert Page(response.body.decode()).texts["code"] == "abc.1"


def test_head_has_the_lengths_of_get(nowhere, client):
    for accept in ("*/*", BROWSER):
        get = client(nowhere).request(target="/nope", headers=[("x-request-id", "same"), ("accept", accept)]).response()
        with client(nowhere).request("HEAD", "/nope", headers=[("x-request-id", "same"), ("accept", accept)]) as one:
            head = one.response(to_head=True)
            assert head.get("content-length") == get.get("content-length") == str(len(get.body))
            one.request(target="/nope")
            assert one.response().status == 404


def test_no_connection_says_when_to_try_again(nowhere, client):
    for accept in ("*/*", BROWSER):
        response = ask(client, nowhere, "/app", accept)
        assert response.status == 502
        assert response.get("retry-after") == "1"
    assert nowhere.service("app")["answered"] == 2


def test_no_instance_says_when_to_try_again(make, client):
    backend = make.backend()
    backend.probe_status = 500
    holdfast = make.holdfast(proxy(backend, hold={"time": 0}), start=False).start(ready=False)
    response = ask(client, wait_serving(holdfast, client), "/", BROWSER)
    assert (response.status, response.get("retry-after")) == (503, "1")
    assert Page(response.body.decode()).texts["h1"] == "We will be back in a moment"


def wait_serving(holdfast, client):
    """Waits until the gateway has a plan with the service in it, ready or not."""
    def serving():
        try:
            return client(holdfast).request().response().status == 503
        except OSError:
            return False
    wait_until(serving, 30, lambda: f"a gateway that answers 503\n{holdfast.text()}")
    return holdfast


def test_what_is_not_understood_is_answered_too(nowhere, client):
    response = client(nowhere).send("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\naccept: text/html\r\n\r\n").response()
    assert response.status == 400
    assert json.loads(response.body)["status"] == 400


def test_curl_shows_a_problem(nowhere):
    done = subprocess.run(["curl", "-s", "-i", f"http://127.0.0.1:{nowhere.port}/nope"], capture_output=True,
                          text=True, timeout=20, check=True)
    assert "content-type: application/problem+json" in done.stdout


def test_answers_over_http_2(nowhere):
    with Http2(nowhere.port) as one:
        problem, page = one.get("/nope"), one.get("/nope", headers=[("accept", BROWSER)])
    assert json.loads(problem.body)["requestId"] == problem.get("x-request-id")
    assert problem.get("content-type") == "application/problem+json"
    assert (page.status, page.get("content-type")) == (404, "text/html; charset=utf-8")
    assert Page(page.body.decode()).texts["code"] == page.get("x-request-id")
