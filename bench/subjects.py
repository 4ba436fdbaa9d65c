"""The proxies that `bench/gateway` measures: for each, its configuration and its command.

All are asked for the same work: keep-alive to clients and to the origin, x-forwarded-for, -proto, -host and
x-request-id added, and (log on) one buffered JSON line a request with the fields of FIELDS. What is set
besides is what makes nginx and HAProxy faster here; holdfast runs at its shipped defaults but for the number of
workers and what the case asks for. With TLS all have the same certificate and offer HTTP/2 and HTTP/1.1.
"""

import os
import shutil
import subprocess

import measure

FIELDS = ["time", "reqId", "method", "host", "url", "status", "bytes", "responseTime", "service", "version",
          "instance", "node", "retries", "outcome"]

HEADERS = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"]


class Missing(Exception):
    """The subject cannot be run here; the text says what to do."""


def _found(name, package):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed: it is in Debian's package {package}")
    return path


def _json_line(values):
    """A log format's line; values that are numbers for everybody stand without quotes."""
    bare = {"status", "bytes", "responseTime", "retries"}
    return "{" + ", ".join(f'"{f}": ' + (values[f] if f in bare else f'"{values[f]}"') for f in FIELDS) + "}"


def _most_clients(case):
    """The limit that a subject is given; with many idle connections, what the limit on files has room for."""
    return measure.idle_connections() + 64 if case.load == "idle" else 4096


def _write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class Subject:
    """peer: ratios are to the better one of these. floor: does less than is asked for, see fits()."""

    peer = floor = False

    def fits(self, case):
        """Can it do what the case asks for?"""
        return True


class Nginx(Subject):
    """Master and workers. The upstream pool holds every connection, and nothing closes one."""

    name, peer = "nginx", True

    def __init__(self, options):
        self.path = _found("nginx", "nginx-light")
        text = subprocess.run([self.path, "-v"], capture_output=True, text=True, check=True).stderr
        self.version = text.strip().rsplit("/", 1)[-1].split()[0]
        self.certificate = options.certificate

    def prepare(self, folder, ports, case):
        values = dict(time="$msec", reqId="$request_id", method="$request_method", host="$host", url="$request_uri",
                      status="$status", bytes="$body_bytes_sent", responseTime="$request_time", service="origin",
                      version="1", instance="$upstream_addr", node="a", retries="0", outcome="$upstream_status")
        line = _json_line(values)
        access = f"access_log {folder}/access.log line buffer=64k flush=1s" if case.log else "access_log off"
        user = "user root;" if os.geteuid() == 0 else ""
        tls = f"ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {self.certificate}/cert.pem; ssl_certificate_key {self.certificate}/key.pem;"
        _write(f"{folder}/nginx.conf", f"""\
{user}
daemon off;
worker_processes {case.workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections {16384 if case.load == "idle" else 4096}; use epoll; multi_accept on; }}
http {{
    log_format line escape=json '{line}';
    {access};
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_time 10h;
    keepalive_timeout 1h;
    reset_timedout_connection on;
    upstream origin {{
        server 127.0.0.1:{ports.origin} max_fails=0;
        keepalive 4096;
        keepalive_requests 1000000000;
        keepalive_time 10h;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{ports.listen} backlog=4096{" ssl http2" if case.tls else ""};
        {tls if case.tls else ""}
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Request-Id $request_id;
            proxy_buffer_size 16k;
            proxy_buffers 8 32k;
            proxy_busy_buffers_size 64k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
""")
        return [self.path, "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]


class Haproxy(Subject):
    """One process, a thread for each worker. Its log goes to a ring that is a mapped file: no system call a line."""

    name, peer = "haproxy", True

    def __init__(self, options):
        self.path = _found("haproxy", "haproxy")
        text = subprocess.run([self.path, "-v"], capture_output=True, text=True, check=True).stdout
        self.version = text.split()[2].split("-")[0]
        self.certificate = options.certificate

    def prepare(self, folder, ports, case):
        values = dict(time="%Ts.%ms", reqId="%ID", method="%HM", host="%[var(txn.host)]", url="%HU", status="%ST",
                      bytes="%B", responseTime="%Ta", service="%b", version="1", instance="%si:%sp", node="a",
                      retries="%rc", outcome="%tsc")
        line = "%{+E}o" + _json_line(values).replace("\\", "\\\\").replace('"', '\\"').replace(" ", "\\ ")
        ring = f"ring access\n    format raw\n    maxlen 1200\n    size 16777216\n    backing-file {folder}/access.log\n"
        tls = f" ssl crt {self.certificate}/both.pem alpn h2,http/1.1" if case.tls else ""
        _write(f"{folder}/haproxy.cfg", f"""\
global
    nbthread {case.workers}
    maxconn {_most_clients(case)}
    tune.pool-low-fd-ratio 90
    tune.pool-high-fd-ratio 95
    tune.pipesize 262144
{ring if case.log else ""}
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
    {"" if case.load == "idle" else "option splice-response"}
frontend web
    bind 127.0.0.1:{ports.listen} backlog 4096{tls}
    {"log ring@access local0" if case.log else "no log"}
    log-format {line}
    unique-id-format %[uuid()]
    unique-id-header x-request-id
    option forwardfor
    http-request set-var(txn.host) req.hdr(host)
    http-request set-header x-forwarded-proto {"https" if case.tls else "http"}
    http-request set-header x-forwarded-host %[var(txn.host)]
    default_backend origin
backend origin
    server one 127.0.0.1:{ports.origin} pool-max-conn -1 pool-purge-delay 1h
""")
        return [self.path, "-db", "-f", f"{folder}/haproxy.cfg"]


class Holdfast(Subject):
    """Keeper, gateway and controller, with everything at its default but the number of workers."""

    name = "holdfast"

    def __init__(self, options):
        self.path = os.path.abspath(options.holdfast)
        if not os.access(self.path, os.X_OK):
            raise Missing(f"{options.holdfast} is not there: build it, or name another by --holdfast PATH")
        answer = subprocess.run([self.path, "version"], capture_output=True, text=True, check=False)
        if answer.returncode != 0 or not answer.stdout.strip():
            raise Missing(f"{options.holdfast} version failed: {answer.stderr.strip()}")
        self.version = answer.stdout.split()[1 if len(answer.stdout.split()) > 1 else 0]
        self.certificate = options.certificate

    def prepare(self, folder, ports, case):
        tls = f", tls: {{ certificate: {self.certificate}/cert.pem, key: {self.certificate}/key.pem }}"
        idle = f"limits: {{ connections: {_most_clients(case)} }}\n  timeout: {{ idle: 1h }}"
        _write(f"{folder}/holdfast.yaml", f"""\
state: ./state
admin: {{ listen: "127.0.0.1:{ports.admin}" }}
gateway:
  listen: [{{ address: "127.0.0.1:{ports.listen}"{tls if case.tls else ""} }}]
  workers: {case.workers}
  access_log: {"./access.log" if case.log else "off"}
  {idle if case.load == "idle" else ""}
services:
  origin:
    route: [{{ path: / }}]
    instances: ["127.0.0.1:{ports.origin}"]
    health: {{ path: /-/ready, interval: 1s }}
""")
        return [self.path, "run", "-c", f"{folder}/holdfast.yaml"]


class Forwarder(Subject):
    """The floor: copies bytes, knows no HTTP, adds no header, logs nothing."""

    name, floor, version = "forwarder", True, "(a plain TCP forwarder)"

    def __init__(self, options):
        self.path = os.path.join(os.path.dirname(os.path.abspath(options.loadgen)), "forwarder")
        if not os.access(self.path, os.X_OK):
            raise Missing(f"{self.path} is not there: it is built beside the load generator")

    def fits(self, case):
        return case.load == "keep" and not case.tls and case.workers == 1

    def prepare(self, folder, ports, case):
        return [self.path, str(ports.listen), str(ports.origin)]


ALL = {subject.name: subject for subject in (Holdfast, Nginx, Haproxy, Forwarder)}
