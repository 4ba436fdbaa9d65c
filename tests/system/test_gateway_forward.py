"""What the gateway does to a message on its way, where it sends it, and what it writes down."""
import re

from conftest import proxy
from http2 import Http2
from processes import free_port, wait_until
from tls import Authority, TlsClient, context


def one_request(make, gateway, client, **request):
    backend = make.backend()
    holdfast = gateway(backend)
    response = client(holdfast).request(**request).response()
    assert response.status == 200
    return backend.requests[0], response, holdfast


def test_hop_by_hop_headers_end_here(make, gateway, client):
    seen, _, _ = one_request(make, gateway, client, headers=[
        ("connection", "x-private, keep-alive"), ("x-private", "1"), ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"), ("te", "gzip"), ("upgrade", "foo"), ("x-public", "2")])
    for name in ("x-private", "keep-alive", "proxy-connection", "upgrade"):
        assert seen.all(name) == [], name
    assert "gzip" not in (seen.get("te") or "")
    assert seen.get("x-public") == "2"


def test_hop_by_hop_headers_of_responses_end_here(make, gateway, client):
    def script(connection):
        connection.request()
        connection.answer(headers=[("connection", "x-private"), ("x-private", "1"),
                                   ("keep-alive", "timeout=5"), ("x-public", "2")])

    response = client(gateway(make.backend(script))).request().response()
    assert response.all("x-private") == [] and response.all("keep-alive") == []
    assert response.get("x-public") == "2"


def test_headers_that_matter_cannot_be_stripped_by_connection(make, gateway, client):
    seen, _, _ = one_request(make, gateway, client, headers=[
        ("connection", "host, x-forwarded-for, content-length")], method="POST", body=b"hello")
    assert seen.get("host") == "test"
    assert seen.body == b"hello"
    assert seen.get("x-forwarded-for") == "127.0.0.1"


def test_forwarded_headers(make, gateway, client):
    seen, _, _ = one_request(make, gateway, client, host="shop.example")
    assert seen.get("x-forwarded-for") == "127.0.0.1"
    assert seen.get("x-forwarded-proto") == "http"
    assert seen.get("x-forwarded-host") == "shop.example"
    assert seen.get("host") == "shop.example"


def test_forwarded_headers_of_strangers_are_not_believed(make, gateway, client):
    seen, _, _ = one_request(make, gateway, client, headers=[
        ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil")])
    assert seen.get("x-forwarded-for") == "127.0.0.1"
    assert seen.get("x-forwarded-proto") == "http"
    assert seen.get("x-forwarded-host") == "test"


def test_trusted_proxies_are_believed(make, client):
    backend = make.backend()
    config = proxy(backend)
    config["gateway"] = {"trusted_proxies": ["127.0.0.0/8"]}
    holdfast = make.holdfast(config)
    client(holdfast).request(headers=[("x-forwarded-for", "6.6.6.6"),
                                      ("x-forwarded-proto", "https")]).response()
    assert backend.requests[0].get("x-forwarded-for") == "6.6.6.6, 127.0.0.1"
    assert backend.requests[0].get("x-forwarded-proto") == "https"


def test_request_id_is_made_and_handed_on(make, gateway, client):
    seen, response, _ = one_request(make, gateway, client)
    assert re.fullmatch(r"[0-9a-zA-Z_-]{16,64}", seen.get("x-request-id"))
    if response.get("x-request-id") is not None:
        assert response.get("x-request-id") == seen.get("x-request-id")


def test_request_ids_differ(make, gateway, client):
    backend = make.backend()
    one = client(gateway(backend))
    for _ in range(100):
        one.request().response()
    assert len({request.get("x-request-id") for request in backend.requests}) == 100


def test_headers_are_passed_on_as_they_are(make, gateway, client):
    seen, _, _ = one_request(make, gateway, client, headers=[
        ("cookie", "a=1; b=2"), ("x-twice", "1"), ("X-Twice", "2"), ("x-empty", ""),
        ("authorization", "Bearer x"), ("accept-encoding", "gzip, br")], target="/p?q=%20&r=%2F")
    assert seen.get("cookie") == "a=1; b=2"
    assert seen.all("x-twice") == ["1", "2"]
    assert seen.get("x-empty") == ""
    assert seen.get("authorization") == "Bearer x"
    assert seen.get("accept-encoding") == "gzip, br"
    assert seen.target == "/p?q=%20&r=%2F"


def test_absolute_form_becomes_origin_form(make, gateway, client):
    backend = make.backend()
    client(gateway(backend)).send("GET http://test/a?b HTTP/1.1\r\nhost: test\r\n\r\n").response()
    assert backend.requests[0].target == "/a?b"


def routed(make, *routes):
    """holdfast with one backend for each list of routes; each answers with its number."""
    def script_of(number):
        def script(connection):
            while True:
                connection.request()
                connection.answer(b"%d" % number)
        return script

    services = {}
    for number, route in enumerate(routes):
        backend = make.backend(script_of(number))
        services[f"s{number}"] = {**proxy(backend)["services"]["app"], "route": route}
    return make.holdfast({"services": services})


def test_routes_by_host_and_longest_prefix(make, client):
    holdfast = routed(make, [{"path": "/"}], [{"path": "/a"}], [{"path": "/a/b"}],
                      [{"host": "shop.example", "path": "/"}],
                      [{"host": "shop.example", "path": "/a"}])
    one = client(holdfast)
    cases = [("test", "/", b"0"), ("test", "/x", b"0"), ("test", "/a", b"1"), ("test", "/a/", b"1"),
             ("test", "/a?q", b"1"), ("test", "/ab", b"0"), ("test", "/a/b", b"2"),
             ("test", "/a/b/c", b"2"), ("test", "/a/bc", b"1"), ("shop.example", "/x", b"3"),
             ("SHOP.example", "/a", b"4"), ("shop.example:8080", "/a/b", b"4"),
             ("other.example", "/a/b", b"2")]
    for host, target, want in cases:
        assert one.request(host=host, target=target).response().body == want, (host, target)


def test_no_route_is_a_404(make, client):
    holdfast = routed(make, [{"host": "shop.example", "path": "/a"}])
    one = client(holdfast)
    for host, target in (("shop.example", "/"), ("shop.example", "/b"), ("test", "/a")):
        response = one.request(host=host, target=target).response()
        assert response.status == 404, (host, target)
        assert b"route" in response.body
    assert one.request(host="shop.example", target="/a").response().body == b"0"


def test_access_log_has_a_line_for_each_request(make, gateway, client):
    def script(connection):
        while True:
            request = connection.request()
            connection.answer(b"12345", status=500 if request.target == "/bad" else 200)

    holdfast = gateway(make.backend(script))
    one = client(holdfast)
    one.request(target="/good?q=1", host="shop.example").response()
    one.request("POST", "/bad", body=b"x").response()
    one.send('GET /quote" HTTP/1.1\r\nhost: test\r\n\r\n').response()
    lines = wait_until(lambda: len(holdfast.access_log()) >= 3 and holdfast.access_log(), 10,
                       lambda: f"three lines of access log: {list(holdfast.state.rglob('*'))}")
    good = next(entry for entry in lines if entry["url"] == "/good?q=1")
    assert (good["method"], good["host"], good["status"]) == ("GET", "shop.example", 200)
    assert (good["service"], good["retries"], good["bytes"]) == ("app", 0, 5)
    assert good["responseTime"] >= 0 and good["reqId"] and good["time"] and good["instance"]
    bad = next(entry for entry in lines if entry["url"] == "/bad")
    assert (bad["method"], bad["status"]) == ("POST", 500)
    refused = next(entry for entry in lines if entry["url"] == "")
    assert (refused["status"], refused["outcome"], refused["client"]) == (400, "invalid", "127.0.0.1")


def configured(make, backend, gateway=None, **service):
    holdfast = make.holdfast({**proxy(backend, **service), "gateway": gateway or {}})
    holdfast.wait_ready("app", 1)
    return holdfast


def test_forwarded_of_rfc_7239(make, client):
    backend = make.backend()
    holdfast = configured(make, backend, {"forwarded": "rfc7239"})
    given = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "6.6.6.6")]
    client(holdfast).request(host="shop.example:8080", headers=given).response()
    client(holdfast).request(host="shop.example").response()
    first, second = backend.requests
    assert first.get("forwarded") == 'for=127.0.0.1;proto=http;host="shop.example:8080"'
    assert first.all("x-forwarded-for") == [] and first.all("x-forwarded-proto") == []
    assert second.get("forwarded") == "for=127.0.0.1;proto=http;host=shop.example"


def test_forwarded_of_trusted_proxies_is_added_to(make, client):
    backend = make.backend()
    holdfast = configured(make, backend, {"forwarded": "both", "trusted_proxies": ["127.0.0.1"]})
    client(holdfast).request(headers=[("forwarded", "for=6.6.6.6;proto=https"), ("forwarded", 'for="[::6]"'),
                                      ("x-forwarded-for", "6.6.6.6")]).response()
    seen = backend.requests[0]
    assert seen.get("forwarded") == 'for=6.6.6.6;proto=https, for="[::6]", for=127.0.0.1;proto=http;host=test'
    assert seen.get("x-forwarded-for") == "6.6.6.6, 127.0.0.1"


def test_forwarded_of_strangers_is_dropped(make, gateway, client):
    seen, _, _ = one_request(make, gateway, client, headers=[("forwarded", "for=6.6.6.6"),
                                                             ("x-forwarded-prefix", "/evil")])
    assert seen.all("forwarded") == [] and seen.all("x-forwarded-prefix") == []


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_a_trace_passes_as_it_is(make, gateway, client):
    seen, _, _ = one_request(make, gateway, client, headers=[
        ("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "a=1")])
    assert seen.get("traceparent") == f"00-{TRACE}-{SPAN}-01"
    assert seen.get("tracestate") == "a=1"


def test_a_trace_that_is_not_valid_ends_here(make, gateway, client):
    backend = make.backend()
    one = client(gateway(backend))
    for fields in ([("traceparent", f"00-{TRACE}-{SPAN}-1")], [("traceparent", "00-" + "0" * 32 + f"-{SPAN}-01")],
                   [("traceparent", f"00-{TRACE}-{SPAN}-01"), ("traceparent", f"00-{TRACE}-{SPAN}-01")], []):
        one.request(headers=fields + [("tracestate", "a=1")]).response()
    for seen in backend.requests:
        assert seen.all("traceparent") == [] and seen.all("tracestate") == []


def test_the_gateway_as_a_step_of_traces(make, client):
    backend = make.backend()
    holdfast = configured(make, backend, {"trace": {"start": True, "sample": "0%"}})
    one = client(holdfast)
    one.request(headers=[("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "a=1")]).response()
    one.request(headers=[("traceparent", "nonsense"), ("tracestate", "a=1")]).response()
    one.request().response()
    going_on, replaced, begun = [re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])", seen.get("traceparent"))
                                 for seen in backend.requests]
    assert going_on[1] == TRACE and going_on[2] != SPAN and going_on[3] == "01"
    assert replaced[1] != TRACE and replaced[3] == "00" and begun[1] != replaced[1]
    assert [seen.all("tracestate") for seen in backend.requests] == [["a=1"], [], []]
    lines = wait_until(lambda: len(holdfast.access_log()) >= 3 and holdfast.access_log(), 10, "three lines")
    assert [(line["traceId"], line["spanId"]) for line in lines] == [(m[1], m[2]) for m in (going_on, replaced, begun)]


def test_a_route_puts_another_path_in_place_of_its_prefix(make, client):
    backend = make.backend()
    holdfast = configured(make, backend, route=[
        {"path": "/shop", "rewrite": "/"}, {"path": "/api", "rewrite": "/v2"},
        {"host": "old.example", "path": "/", "rewrite": "/old"}, {"path": "/"}])
    cases = [("test", "/shop", "/", "/shop"), ("test", "/shop?a=b", "/?a=b", "/shop"),
             ("test", "/shop/", "/", "/shop"), ("test", "/shop/a%20b/?q=/shop", "/a%20b/?q=/shop", "/shop"),
             ("test", "//shop/./a", "/a", "/shop"), ("test", "/api/x", "/v2/x", "/api"), ("test", "/api", "/v2", "/api"),
             ("old.example", "/", "/old/", None), ("old.example", "/a", "/old/a", None),
             ("test", "//as/./it/is", "//as/./it/is", None), ("test", "/shopping", "/shopping", None)]
    one = client(holdfast)
    for host, target, want, prefix in cases:
        backend.clear()
        one.request(host=host, target=target).response()
        assert backend.requests[0].target == want, target
        assert backend.requests[0].get("x-forwarded-prefix") == prefix, target
    lines = wait_until(lambda: len(holdfast.access_log()) >= len(cases) and holdfast.access_log(), 10, "the log")
    urls = [line["url"] for line in lines]  # as the client has asked, but in normal form
    assert urls == ["/shop", "/shop?a=b", "/shop/", "/shop/a%20b/?q=/shop", "/shop/a", "/api/x", "/api",
                    "/", "/a", "//as/./it/is", "/shopping"]


def test_prefixes_add_up_from_trusted_proxies(make, client):
    backend = make.backend()
    holdfast = configured(make, backend, {"trusted_proxies": ["127.0.0.1"]},
                          route=[{"path": "/a", "rewrite": "/"}, {"path": "/b"}])
    for target, want in (("/a/x", "/outer/a"), ("/b/x", "/outer")):
        backend.clear()
        client(holdfast).request(target=target, headers=[("x-forwarded-prefix", "/outer")]).response()
        assert backend.requests[0].get("x-forwarded-prefix") == want


def test_redirects(make, client):
    backend = make.backend()
    holdfast = configured(make, backend, route=[
        {"path": "/"}, {"path": "/old", "redirect": "https://new.example/start", "status": 301},
        {"path": "/moved", "redirect": "/here{rest}"},
        {"host": "plain.example", "path": "/", "redirect": "https://{host}{path}", "status": 307}])
    cases = [("test", "/old/a?b", 301, "https://new.example/start"), ("test", "/moved/a?b", 308, "/here/a?b"),
             ("test", "/moved", 308, "/here"),
             ("plain.example:8080", "/a/../b?c=%20", 307, "https://plain.example/b?c=%20")]
    one = client(holdfast)
    for host, target, status, location in cases:
        response = one.request(host=host, target=target).response()
        assert (response.status, response.get("location")) == (status, location)
        assert response.get("x-request-id") and response.body
    assert one.request(target="/").response().status == 200
    assert len(backend.requests) == 1
    response = one.request("HEAD", "/old").response(to_head=True)
    assert (response.status, response.get("location")) == (301, "https://new.example/start")
    lines = wait_until(lambda: len(holdfast.access_log()) >= 6 and holdfast.access_log(), 10, "the log")
    assert (lines[0]["status"], lines[0]["service"], lines[0]["outcome"]) == (301, "app", "ok")


def test_a_redirect_that_is_too_long_is_refused(make, client):
    holdfast = configured(make, make.backend(), route=[{"path": "/", "redirect": "https://{host}/some/where/else{path}"}])
    one = client(holdfast)
    assert one.request(target="/" + "a" * 8100).response().status == 308
    response = one.request(target="/" + "a" * 8170).response()
    assert response.status == 414 and b"redirected" in response.body
    assert one.send("GET / HTTP/1.0\r\n\r\n").response().status == 400  # there is no host to send it to


def test_a_redirected_upload_is_not_awaited(make, client):
    holdfast = configured(make, make.backend(), route=[{"path": "/", "redirect": "/x"}])
    one = client(holdfast).send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n")
    response = one.response()
    assert (response.status, response.get("connection")) == (308, "close")


def test_a_redirect_to_tls_is_for_those_without(make, client):
    """One route for both listeners: who has come by TLS, or has come so to a trusted proxy, is served."""
    backend = make.backend()
    authority = Authority(make.folder)
    secure = free_port()
    config = proxy(backend, route=[{"path": "/", "redirect": f"https://{{host}}:{secure}{{path}}"}])
    holdfast = make.holdfast(config, start=False)
    config["gateway"] = {"trusted_proxies": ["127.0.0.1"], "listen": [
        f"127.0.0.1:{holdfast.port}",
        {"address": f"127.0.0.1:{secure}", "tls": authority.issue("shop", "shop.example").files()}]}
    holdfast.write(config)
    holdfast.start()
    holdfast.wait_ready("app", 1)
    host = f"shop.example:{secure}"
    response = client(holdfast).request(target="/a?b", host=host).response()
    assert (response.status, response.get("location")) == (308, f"https://{host}/a?b")
    with TlsClient(secure, context(authority)) as one:
        assert one.request(target="/a?b", host=host).response().status == 200
        assert one.request(target="/a", host="shop.example").response().status == 308  # another port
    given = [("x-forwarded-proto", "https")]
    assert client(holdfast).request(target="/c", host=host, headers=given).response().status == 200
    assert backend.targets() == ["/a?b", "/c"]


def test_routes_over_http_2(make):
    backend = make.backend()
    holdfast = configured(make, backend, {"forwarded": "both"}, route=[
        {"path": "/shop", "rewrite": "/"}, {"path": "/old", "redirect": "https://{host}/new{rest}"}])
    with Http2(holdfast.port) as one:
        assert one.get("/shop/a?b").status == 200
        response = one.get("/old/a?b", authority="shop.example:81")
    assert (response.status, response.get("location")) == (308, "https://shop.example/new/a?b")
    seen = backend.requests[0]
    assert (seen.target, seen.get("x-forwarded-prefix")) == ("/a?b", "/shop")
    assert seen.get("forwarded") == "for=127.0.0.1;proto=http;host=test"
