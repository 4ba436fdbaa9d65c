"""Where HTTP/1 messages end, read by rules that can be loosened one at a time.

A reader with STRICT rules takes nothing but what RFC 9112 lets a sender write. Each other set of rules is a
way in which servers and clients in the field read what they should refuse. Two readers that find other ends
in the same bytes are what smuggling needs.
"""
import dataclasses
import re
import zlib

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
TARGET = re.compile(rb"[!-~]+\Z")
NO_BODY = (204, 304)


class Unreadable(Exception):
    """The rules do not allow these bytes."""


class Incomplete(Exception):
    """More bytes are needed."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a reader makes of a message. The defaults are the strict ones."""
    name: str
    bare_lf: bool = False  # ends a line
    bare_cr: bool = False  # ends a line, too
    space: bool = False  # before a colon, around names
    fold: bool = False  # a line that begins with whitespace goes on with the one before
    underscore: bool = False  # in a name is a hyphen
    controls: bool = False  # NUL, vertical tab and the like are blanks, or are not looked at
    names: bool = False  # lines without a good name are skipped
    length: str = "one"  # of several lengths: one (else refused), first, last
    number: str = "digits"  # of lengths and sizes: digits, prefix (as strtol), python (as int())
    both: str = "refuse"  # a length and a coding: refuse, length, coding
    coding: str = "chunked"  # chunked alone; or any: whatever has the word in it; or first, last of several
    old: bool = False  # HTTP/1.0 knows no codings
    any_line: bool = False  # versions, methods, blanks in the first line: whatever
    blank: bool = False  # empty lines before a message
    chunk_end: bool = False  # bytes between a chunk's data and the next line are skipped


STRICT = Rules("strict")
LAX = Rules("lax", bare_lf=True, space=True, fold=True, underscore=True, controls=True, names=True, length="last",
            number="python", both="coding", coding="any", any_line=True, blank=True, chunk_end=True)
LOOSE = [
    LAX,
    Rules("bare LF", bare_lf=True),
    Rules("bare CR", bare_cr=True),
    Rules("spaces", space=True),
    Rules("folds", fold=True),
    Rules("underscores", underscore=True, both="coding"),
    Rules("underscores, last length", underscore=True, length="last", both="length"),
    Rules("controls", controls=True, coding="any", both="coding"),
    Rules("bad lines", names=True),
    Rules("first length", length="first"),
    Rules("last length", length="last"),
    Rules("numbers as strtol", number="prefix"),
    Rules("numbers as int()", number="python"),
    Rules("length before coding", both="length"),
    Rules("coding before length", both="coding"),
    Rules("any coding with chunked in it", coding="any"),
    Rules("first coding", coding="first"),
    Rules("last coding", coding="last"),
    Rules("no codings in HTTP/1.0", old=True, both="length"),
    Rules("any first line", any_line=True),
    Rules("empty lines", blank=True),
    Rules("chunk ends", chunk_end=True),
]


@dataclasses.dataclass
class Message:
    """One message, and the range of the bytes it was read from."""
    start: int
    end: int
    first: bytes
    fields: list  # (name in lower case, value)
    body: bytes
    trailers: list = ()

    @property
    def method(self):
        return self.first.split(b" ")[0].decode("latin-1")

    @property
    def target(self):
        return self.first.split(b" ")[1].decode("latin-1")

    @property
    def status(self):
        return int(self.first.split(b" ")[1])

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def seen(self):
        """What a smuggled byte would change."""
        return (self.method, self.target, self.body)


def take_line(data, at, rules):
    """The line at `at` without its end, and where the next one begins."""
    ends = [b"\r\n"] + [b"\n"] * rules.bare_lf + [b"\r"] * rules.bare_cr
    found = [(data.find(end, at), -len(end), len(end)) for end in ends]
    found = [f for f in found if f[0] >= 0]
    if not found:
        raise Incomplete
    where, _, size = min(found)
    if rules.bare_cr and data[where:where + 1] == b"\r" and where + 1 == len(data):
        raise Incomplete  # perhaps its line feed is on the way
    line = data[at:where]
    if b"\n" in line or (b"\r" in line and not rules.controls):
        raise Unreadable(f"a bare line end in {line!r}")
    return line, where + size


def field(line, rules):
    """(name, value), or None for a line that these rules skip."""
    if rules.controls:
        line = re.sub(rb"[\x00-\x08\x0b-\x1f\x7f]", b"", line)
    elif re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line):
        raise Unreadable(f"a control character in {line!r}")
    name, colon, value = line.partition(b":")
    if rules.space:
        name = name.strip(b" \t")
    if not colon or not TOKEN.match(name):
        if rules.names:
            return None
        raise Unreadable(f"no name in {line!r}")
    name = name.lower()
    if rules.underscore:
        name = name.replace(b"_", b"-")
    return name.decode(), value.strip(b" \t").decode("latin-1")


def take_fields(data, at, rules):
    fields = []
    while True:
        line, at = take_line(data, at, rules)
        if not line:
            return fields, at
        if line[:1] in b" \t":
            if not rules.fold:
                if rules.names:
                    continue
                raise Unreadable(f"a folded line {line!r}")
            if fields:
                fields[-1] = (fields[-1][0], (fields[-1][1] + " " + line.strip(b" \t").decode("latin-1")).strip())
                continue
        one = field(line, rules)
        if one:
            fields.append(one)


def number(text, base, rules):
    good = r"[0-9A-Fa-f]{1,16}\Z" if base == 16 else r"[0-9]{1,19}\Z"
    if re.match(good, text):
        return int(text, base)
    try:
        if rules.number == "prefix":
            found = re.match(r"\s*([+-]?(0[xX])?[0-9A-Fa-f]+)" if base == 16 else r"\s*([+-]?[0-9]+)", text)
            value = int(found.group(1), base) & (1 << 64) - 1 if found else 0
        elif rules.number == "python":
            value = int(text, base)
        else:
            raise Unreadable(f"not a number: {text!r}")
    except ValueError:
        raise Unreadable(f"not a number: {text!r}") from None
    return max(value, 0)


def framing(fields, minor, rules):
    """None, "chunked", or a length."""
    lengths = [value for name, value in fields if name == "content-length"]
    codings = [value for name, value in fields if name == "transfer-encoding"]
    if rules.old and minor == 0:
        codings = []
    if codings and lengths:
        if rules.both == "refuse":
            raise Unreadable("a length and a coding")
        lengths, codings = (lengths, []) if rules.both == "length" else ([], codings)
    if codings:
        return coded(codings, rules)
    if not lengths:
        return None
    if rules.length == "one":
        if len(lengths) > 1:
            raise Unreadable("several lengths")
        return number(lengths[0], 10, rules)
    parts = [part.strip() for value in lengths for part in value.split(",")]
    return number(parts[0 if rules.length == "first" else -1], 10, rules)


def coded(codings, rules):
    parts = [part.strip().lower() for value in codings for part in value.split(",")]
    if rules.coding == "any":
        return "chunked" if "chunked" in ",".join(parts) else None
    if rules.coding in ("first", "last"):
        return "chunked" if parts[0 if rules.coding == "first" else -1] == "chunked" else None
    if parts != ["chunked"]:
        raise Unreadable(f"codings {codings}")
    return "chunked"


def take_chunked(data, at, rules):
    body = b""
    while True:
        line, at = take_line(data, at, rules)
        size, semicolon, _ = line.partition(b";")
        if semicolon:
            size = size.rstrip(b" \t")
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line) and not rules.controls:
            raise Unreadable(f"a control character in {line!r}")
        size = number(size.decode("latin-1"), 16, rules)
        if size == 0:
            trailers, at = take_fields(data, at, rules)
            return body, trailers, at
        if len(data) < at + size:
            raise Incomplete
        body += data[at:at + size]
        rest, at = take_line(data, at + size, rules)
        if rest and not rules.chunk_end:
            raise Unreadable(f"data behind a chunk: {rest!r}")


def take_body(data, at, kind):
    if len(data) < at + kind:
        raise Incomplete
    return data[at:at + kind], at + kind


def take_first(data, at, rules, good):
    line, at = take_line(data, at, rules)
    while rules.blank and not line:
        line, at = take_line(data, at, rules)
    if rules.any_line:
        line = b" ".join(line.split()) if len(line.split()) > 1 else b"GET /" + line
    elif not good(line):
        raise Unreadable(f"the first line {line!r}")
    return line, at


def good_request(line):
    parts = line.split(b" ")
    return len(parts) == 3 and TOKEN.match(parts[0]) and TARGET.match(parts[1]) and parts[2] in (b"HTTP/1.1", b"HTTP/1.0")


def good_status(line):
    return re.match(rb"HTTP/1\.[01] [1-5][0-9][0-9] [\t -~\x80-\xff]*\Z", line)


def take_request(data, start, rules=STRICT):
    first, at = take_first(data, start, rules, good_request)
    fields, at = take_fields(data, at, rules)
    kind, trailers = framing(fields, 0 if first.endswith(b"/1.0") else 1, rules), []
    if kind == "chunked":
        body, trailers, at = take_chunked(data, at, rules)
    else:
        body, at = take_body(data, at, kind or 0)
    return Message(start, at, first, fields, body, trailers)


def take_response(data, start, method, ended, rules=STRICT):
    """ended: data is all there will ever be, so a body may end with it."""
    first, at = take_first(data, start, rules, good_status)
    fields, at = take_fields(data, at, rules)
    kind, trailers = framing(fields, 0 if first.startswith(b"HTTP/1.0") else 1, rules), []
    status = int(first.split(b" ")[1])
    if method == "HEAD" or status < 200 or status in NO_BODY:
        body = b""
    elif kind == "chunked":
        body, trailers, at = take_chunked(data, at, rules)
    elif kind is not None:
        body, at = take_body(data, at, kind)
    elif ended:
        body, at = data[at:], len(data)
    else:
        raise Incomplete
    return Message(start, at, first, fields, body, trailers)


def split_requests(data, rules=STRICT):
    """All whole requests in data, and what is left behind them."""
    found, at = [], 0
    try:
        while at < len(data):
            found.append(take_request(data, at, rules))
            at = found[-1].end
    except (Incomplete, Unreadable):
        pass
    return found, data[at:]


def split_responses(data, methods, rules=STRICT, ended=True):
    """All whole responses in data, interim ones too, and what is left. methods: of the requests, in order."""
    found, at, methods = [], 0, list(methods)
    try:
        while at < len(data):
            found.append(take_response(data, at, methods[0] if methods else "GET", ended, rules))
            at = found[-1].end
            if found[-1].status >= 200 and methods:
                methods.pop(0)
    except (Incomplete, Unreadable, ValueError, IndexError):
        pass
    return found, data[at:]


def digest(message):
    """What an upstream answers, so that the client can tell whose answer it got."""
    return f"{message.method} {message.target} {len(message.body)} {zlib.crc32(message.body)}".encode("latin-1")
