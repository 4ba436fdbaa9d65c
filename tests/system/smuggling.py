"""The table of test_smuggling.py: messages of which two readers might find different ends.

Each request says what the gateway has to make of it: refuse it with that status, or pass on those messages
and no other. Each response says what the user has to see of it.
"""
import dataclasses

POISON = b"GET /poison HTTP/1.1\r\nhost: test\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
LAST = b"0\r\n\r\n"


@dataclasses.dataclass(frozen=True)
class Request:
    raw: bytes
    seen: tuple = ()  # (method, target, body) of what the upstreams get
    refused: int = 0  # the last answer
    closes: bool = False  # the connection ends behind the last answer
    cut: bool = False  # the message never ends: no answer, and nothing whole at the upstreams
    begun: bool = False  # what is refused has its head at the upstream already


def head(*lines, method=b"POST", target=b"/", host=b"host: test", version=b"HTTP/1.1"):
    first = b"%s %s %s\r\n" % (method, target, version)
    lines = ((host,) if host else ()) + lines
    return first + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def refused(raw, status=400):
    return Request(raw, refused=status, closes=True)


def broken(raw, status=400):
    """What is wrong comes behind the head."""
    return Request(raw, refused=status, closes=True, begun=True)


def cut(raw):
    return Request(raw, cut=True, closes=True)


def passed(raw, *seen, closes=False):
    return Request(raw, seen=seen, closes=closes)


def post(body, target="/"):
    return ("POST", target, body)


def get(target="/", body=b""):
    return ("GET", target, body)


def lengths(*values, body=b"hello"):
    """A body under these lengths, and behind it what a reader of another mind takes for a request."""
    return head(*(b"content-length: " + value for value in values)) + body + POISON


def coded(*values, both=b"content-length: 5", body=LAST):
    """These codings beside a length; the poison is within the one body and behind the other."""
    lines = tuple(b"transfer-encoding: " + value for value in values)
    return head(*((both,) if both else ()), *lines) + body + POISON


def spelled(line, body=LAST):
    """A line that somebody might read as transfer-encoding, beside a length that covers the poison."""
    whole = body + POISON
    return head(line, b"content-length: %d" % len(whole)) + whole, post(whole)


def masked(line, length=b"content-length: 5", body=b"hello"):
    """A line that somebody might read as another length, before or behind the real one."""
    return head(line, length) + body, post(body)


def chunks(body, *lines):
    return head(b"transfer-encoding: chunked", *lines) + body


LENGTHS = {
    "length twice, first short": refused(lengths(b"0", b"5")),
    "length twice, last short": refused(lengths(b"5", b"0")),
    "length twice, the same": refused(lengths(b"5", b"5")),
    "length three times": refused(lengths(b"5", b"5", b"5")),
    "length twice in two cases": refused(head(b"Content-Length: 5", b"CONTENT-LENGTH: 0") + b"hello"),
    "length list": refused(lengths(b"5,5")),
    "length list, first short": refused(lengths(b"0, 5")),
    "length list, last short": refused(lengths(b"5, 0")),
    "length list with a hole": refused(lengths(b"5,")),
    "length list that begins with a hole": refused(lengths(b",5")),
    "length with plus": refused(lengths(b"+5")),
    "length with minus": refused(lengths(b"-5")),
    "length minus zero": refused(lengths(b"-0")),
    "length in hexadecimal": refused(lengths(b"0x5")),
    "length of hexadecimal digits": refused(lengths(b"5f")),
    "length in octal of Python": refused(lengths(b"0o5")),
    "length with an underscore": refused(lengths(b"0_5")),
    "length with an exponent": refused(lengths(b"5e0")),
    "length with a point": refused(lengths(b"5.")),
    "length in quotes": refused(lengths(b'"5"')),
    "length with a semicolon": refused(lengths(b"5;0")),
    "length and a word": refused(lengths(b"5 bytes")),
    "length with a space inside": refused(lengths(b"5 0")),
    "length with a tab inside": refused(lengths(b"5\t0")),
    "length with a NUL": refused(lengths(b"5\0")),
    "length behind a NUL": refused(lengths(b"\x005")),
    "length with a vertical tab": refused(lengths(b"\x0b5")),
    "length with a form feed": refused(lengths(b"\x0c5")),
    "length with a no-break space": refused(lengths(b"\xa05")),
    "length with a bare CR": refused(lengths(b"5\r0")),
    "length with a bare LF behind it": refused(lengths(b"5\nx: 1")),
    "length in wide digits": refused(lengths("\uff15".encode())),
    "length in Arabic digits": refused(lengths("\u0665".encode())),
    "length over 63 bits": refused(lengths(b"9223372036854775808")),
    "length of 64 bits and 5": refused(lengths(b"18446744073709551621")),
    "length of 32 bits and 5 is a length": cut(lengths(b"4294967301")),
    "length of zeros and 5": passed(head(b"content-length: %s5" % (b"0" * 12)) + b"hello", post(b"hello")),
    "length empty": refused(lengths(b"", body=b"")),
    "length of blanks": refused(lengths(b" \t ", body=b"")),
    "length within tabs": passed(head(b"content-length:\t5\t") + b"hello", post(b"hello")),
    "length without a blank": passed(head(b"content-length:5") + b"hello", post(b"hello")),
    "length zero": passed(head(b"content-length: 0"), post(b"")),
    "length zero, bytes behind it are a request": passed(
        head(b"content-length: 0") + head(method=b"GET", target=b"/two", host=b"host: test"), post(b""), get("/two")),
    "length with a space before the colon": refused(head(b"content-length : 5") + b"hello"),
    "length with a tab before the colon": refused(head(b"content-length\t: 5") + b"hello"),
    "length folded": refused(head(b"content-length:\r\n 5") + b"hello"),
    "length folded on": refused(head(b"content-length: 5\r\n 0") + b"hello"),
    "length name with a NUL": refused(head(b"content-length\0: 5") + b"hello"),
    "length name with a hyphen that is none": refused(head("content\u2010length: 5".encode()) + b"hello"),
    "length with an underscore in its name": passed(*masked(b"content_length: 0")),
    "length with an underscore in its name, alone": passed(head(b"content_length: 44"), post(b"")),
    "length with a capital underscore name": passed(*masked(b"CONTENT_LENGTH: 0")),
    "length with a point in its name": passed(*masked(b"content.length: 0")),
    "length with a prefix": passed(*masked(b"x-content-length: 0")),
    "length with another end": passed(*masked(b"content-lengths: 0")),
    "length of HTTP_ kind": passed(*masked(b"http_content_length: 0")),
    "length named by connection": passed(head(b"connection: content-length", b"content-length: 5") + b"hello",
                                         post(b"hello")),
    "length named by connection with close": passed(
        head(b"connection: close, content-length", b"content-length: 5") + b"hello", post(b"hello"), closes=True),
    "length of GET": passed(head(b"content-length: 5", method=b"GET") + b"hello", get("/", b"hello")),
    "length of GET covers a request": passed(
        head(b"content-length: %d" % len(POISON), method=b"GET") + POISON, get("/", POISON)),
    "length of DELETE": passed(head(b"content-length: 5", method=b"DELETE") + b"hello", ("DELETE", "/", b"hello")),
    "length of OPTIONS": passed(head(b"content-length: 5", method=b"OPTIONS") + b"hello",
                                ("OPTIONS", "/", b"hello")),
    "length of OPTIONS *": broken(head(b"content-length: 5", method=b"OPTIONS", target=b"*") + b"hello", 404),
    "length of an unknown method": passed(head(b"content-length: 5", method=b"FROB") + b"hello",
                                          ("FROB", "/", b"hello")),
    "no length with POST": passed(head(), post(b"")),
    "no length, bytes behind it are no request": Request(head() + b"hello\r\n\r\n", seen=(post(b""),), refused=400,
                                                         closes=True),
    "body shorter than its length": cut(head(b"content-length: 99") + b"hello"),
}

CODINGS = {
    "coding and length": refused(coded(b"chunked")),
    "length and coding": refused(head(b"transfer-encoding: chunked", b"content-length: 5") + LAST + POISON),
    "coding and length zero": refused(coded(b"chunked", both=b"content-length: 0")),
    "coding and a bad length": refused(coded(b"chunked", both=b"content-length: x")),
    "coding that is not known, and length": refused(coded(b"xchunked")),
    "coding identity and length": refused(coded(b"identity")),
    "coding empty and length": refused(coded(b"")),
    "coding identity": refused(coded(b"identity", both=None)),
    "coding chunked, identity": refused(coded(b"chunked, identity", both=None)),
    "coding identity, chunked": refused(coded(b"identity, chunked", both=None), 501),
    "coding gzip, chunked": refused(coded(b"gzip, chunked", both=None), 501),
    "coding gzip": refused(coded(b"gzip", both=None)),
    "coding chunked, gzip": refused(coded(b"chunked, gzip", both=None)),
    "coding chunked twice in a list": refused(coded(b"chunked, chunked", both=None)),
    "coding chunked twice": refused(coded(b"chunked", b"chunked", both=None)),
    "coding chunked, then identity": refused(coded(b"chunked", b"identity", both=None)),
    "coding identity, then chunked": refused(coded(b"identity", b"chunked", both=None)),
    "coding chunked, then empty": refused(coded(b"chunked", b"", both=None)),
    "coding with a comma behind it": refused(coded(b"chunked,", both=None)),
    "coding with a comma before it": refused(coded(b",chunked", both=None)),
    "coding with a comma and a blank before it": refused(coded(b", chunked", both=None)),
    "coding with a semicolon": refused(coded(b"chunked;", both=None)),
    "coding with a parameter": refused(coded(b"chunked;q=1", both=None)),
    "coding in quotes": refused(coded(b'"chunked"', both=None)),
    "coding in single quotes": refused(coded(b"'chunked'", both=None)),
    "coding in brackets": refused(coded(b"[chunked]", both=None)),
    "coding with a backslash": refused(coded(b"\\chunked", both=None)),
    "coding with a prefix": refused(coded(b"xchunked", both=None)),
    "coding with another end": refused(coded(b"chunkedx", both=None)),
    "coding cut short": refused(coded(b"chunke", both=None)),
    "coding with a space inside": refused(coded(b"chun ked", both=None)),
    "coding and a word": refused(coded(b"chunked foo", both=None)),
    "coding with a vertical tab": refused(coded(b"\x0bchunked", both=None)),
    "coding with a vertical tab behind it": refused(coded(b"chunked\x0b", both=None)),
    "coding with a form feed": refused(coded(b"\x0cchunked", both=None)),
    "coding with a NUL": refused(coded(b"chunked\0", both=None)),
    "coding with a bare CR": refused(coded(b"\rchunked", both=None)),
    "coding with a bare CR behind it": refused(coded(b"chunked\r", both=None)),
    "coding with a bare LF": refused(coded(b"\nchunked", both=None)),
    "coding with a no-break space": refused(coded(b"\xa0chunked", both=None)),
    "coding with 0x85": refused(coded(b"\x85chunked", both=None)),
    "coding with an umlaut": refused(coded(b"chunk\xe9d", both=None)),
    "coding with a Kelvin sign": refused(coded("chun\u212aed".encode(), both=None)),
    "coding folded": refused(coded(b"\r\n chunked", both=None)),
    "coding folded with a tab": refused(coded(b"\r\n\tchunked", both=None)),
    "coding folded on": refused(coded(b"chunked\r\n , identity", both=None)),
    "coding with a space before the colon": refused(head(b"transfer-encoding : chunked") + LAST),
    "coding with a tab before the colon": refused(head(b"transfer-encoding\t: chunked") + LAST),
    "coding with a space before its name": refused(head(b"x: 1\r\n transfer-encoding: chunked") + LAST),
    "coding as the first line with a space": refused(
        b"POST / HTTP/1.1\r\n transfer-encoding: chunked\r\nhost: test\r\n\r\n" + LAST),
    "coding without a colon": refused(head(b"transfer-encoding chunked") + LAST),
    "coding with two colons": refused(head(b"transfer-encoding:: chunked") + LAST),
    "coding behind a bare LF": refused(head(b"x: 1\ntransfer-encoding: chunked") + LAST),
    "coding behind a bare CR": refused(head(b"x: 1\rtransfer-encoding: chunked") + LAST),
    "coding behind a NUL": refused(head(b"x: 1\0transfer-encoding: chunked") + LAST),
    "coding with a quoted name": refused(head(b'"transfer-encoding": chunked') + LAST),
    "coding name with a NUL": refused(head(b"transfer\0encoding: chunked") + LAST),
    "coding name with a space": refused(head(b"transfer encoding: chunked") + LAST),
    "coding name with a soft hyphen": refused(head(b"transfer\xadencoding: chunked") + LAST),
    "coding name behind a form feed": refused(head(b"\x0ctransfer-encoding: chunked") + LAST),
    "coding name with a BOM": refused(head(b"\xef\xbb\xbftransfer-encoding: chunked") + LAST),
    "coding with an underscore in its name": passed(*spelled(b"transfer_encoding: chunked")),
    "coding with a capital underscore name": passed(*spelled(b"TRANSFER_ENCODING: chunked")),
    "coding of HTTP_ kind": passed(*spelled(b"http_transfer_encoding: chunked")),
    "coding with a prefix in its name": passed(*spelled(b"x-transfer-encoding: chunked")),
    "coding with a point in its name": passed(*spelled(b"transfer.encoding: chunked")),
    "coding with another end of its name": passed(*spelled(b"transfer-encodings: chunked")),
    "coding without its hyphen": passed(*spelled(b"transferencoding: chunked")),
    "coding as content-encoding": passed(*spelled(b"content-encoding: chunked")),
    "coding as te": passed(*spelled(b"te: chunked")),
    "coding within another value": passed(*spelled(b"x: transfer-encoding: chunked")),
    "coding with an underscore, chunked body": passed(
        head(b"transfer_encoding: identity", b"transfer-encoding: chunked") + b"5\r\nhello\r\n" + LAST, post(b"hello")),
    "coding in capitals": passed(head(b"TRANSFER-ENCODING: CHUNKED") + b"5\r\nhello\r\n" + LAST, post(b"hello")),
    "coding in mixed case": passed(head(b"tRANSFER-eNCODING: cHuNkEd") + b"5\r\nhello\r\n" + LAST, post(b"hello")),
    "coding within blanks": passed(head(b"transfer-encoding: \t chunked \t ") + b"5\r\nhello\r\n" + LAST,
                                   post(b"hello")),
    "coding without a blank": passed(head(b"transfer-encoding:chunked") + b"5\r\nhello\r\n" + LAST, post(b"hello")),
    "coding named by connection": passed(
        head(b"connection: transfer-encoding", b"transfer-encoding: chunked") + b"5\r\nhello\r\n" + LAST,
        post(b"hello")),
    "coding of GET": passed(head(b"transfer-encoding: chunked", method=b"GET") + b"5\r\nhello\r\n" + LAST,
                            get("/", b"hello")),
    "coding of GET with a request behind it": passed(
        head(b"transfer-encoding: chunked", method=b"GET") + LAST + head(method=b"GET", target=b"/two"),
        get("/"), get("/two")),
    "coding in HTTP/1.0": refused(head(b"transfer-encoding: chunked", version=b"HTTP/1.0") + LAST),
    "coding in HTTP/1.0 with a length": refused(
        head(b"transfer-encoding: chunked", b"content-length: 5", version=b"HTTP/1.0") + LAST),
    "coding in HTTP/1.0 with keep-alive": refused(
        head(b"transfer-encoding: chunked", b"connection: keep-alive", version=b"HTTP/1.0") + LAST),
    "coding that is not known in HTTP/1.0": refused(
        head(b"transfer-encoding: x", b"content-length: 5", version=b"HTTP/1.0") + b"hello"),
}

HELLO = b"hello\r\n" + LAST

CHUNKS = {
    "size with 0x": broken(chunks(b"0x5\r\n" + HELLO)),
    "size with 0X": broken(chunks(b"0X5\r\n" + HELLO)),
    "size with plus": broken(chunks(b"+5\r\n" + HELLO)),
    "size with minus": broken(chunks(b"-5\r\n" + HELLO)),
    "size minus zero": broken(chunks(b"-0\r\n\r\n")),
    "size with an underscore": broken(chunks(b"0_5\r\n" + HELLO)),
    "size in quotes": broken(chunks(b'"5"\r\n' + HELLO)),
    "size with a point": broken(chunks(b"5.0\r\n" + HELLO)),
    "size behind a space": broken(chunks(b" 5\r\n" + HELLO)),
    "size behind a tab": broken(chunks(b"\t5\r\n" + HELLO)),
    "size before a space": broken(chunks(b"5 \r\n" + HELLO)),
    "size before a tab": broken(chunks(b"5\t\r\n" + HELLO)),
    "size with a space inside": broken(chunks(b"0 5\r\n" + HELLO)),
    "size behind a NUL": broken(chunks(b"\x005\r\n" + HELLO)),
    "size before a NUL": broken(chunks(b"5\0\r\n" + HELLO)),
    "size before a vertical tab": broken(chunks(b"5\x0b\r\n" + HELLO)),
    "size behind an empty line": broken(chunks(b"\r\n5\r\n" + HELLO)),
    "size empty with an extension": broken(chunks(b";x\r\n" + HELLO)),
    "size empty at the end": broken(chunks(b"5\r\nhello\r\n\r\n\r\n")),
    "size of 32 bits and 5": cut(chunks(b"100000005\r\n" + HELLO)),
    "size of 64 bits and 5": broken(chunks(b"10000000000000005\r\n" + HELLO)),
    "size of 63 bits": broken(chunks(b"8000000000000005\r\n" + HELLO)),
    "size of all ones": broken(chunks(b"ffffffffffffffff\r\n" + HELLO)),
    "size of 17 digits": broken(chunks(b"00000000000000005\r\n" + HELLO)),
    "size of 16 digits": passed(chunks(b"0000000000000005\r\n" + HELLO), post(b"hello")),
    "size zero of several digits": passed(chunks(b"000\r\n\r\n"), post(b"")),
    "size in capitals": passed(chunks(b"A\r\n0123456789\r\n" + LAST), post(b"0123456789")),
    "size with a letter that is none": broken(chunks(b"5g\r\n" + HELLO)),
    "size with an umlaut": broken(chunks(b"5\xe9\r\n" + HELLO)),
    "size in wide digits": broken(chunks("\uff15".encode() + b"\r\n" + HELLO)),
    "size before a bare LF": broken(chunks(b"5\n" + HELLO)),
    "size before a bare CR": broken(chunks(b"5\rhello\r\n" + LAST)),
    "size before two CR": broken(chunks(b"5\r\r\n" + HELLO)),
    "size before CR and something": broken(chunks(b"5\rX\n" + HELLO)),
    "last size before a bare LF": broken(chunks(b"5\r\nhello\r\n0\n\r\n")),
    "last size before a bare LF, and a bare LF": broken(chunks(b"5\r\nhello\r\n0\n\n")),
    "last size with an extension and a bare LF": broken(chunks(b"0;\n\r\n" + POISON)),
    "data one byte longer": broken(chunks(b"4\r\nhello\r\n" + LAST)),
    "data one byte shorter": broken(chunks(b"6\r\nhello\r\n" + LAST)),
    "data two bytes shorter": broken(chunks(b"7\r\nhello\r\n" + LAST)),
    "data before a bare LF": broken(chunks(b"5\r\nhello\n" + LAST)),
    "data before a bare CR": broken(chunks(b"5\r\nhello\r" + LAST)),
    "data before LF and CR": broken(chunks(b"5\r\nhello\n\r" + LAST)),
    "data before nothing": broken(chunks(b"5\r\nhello" + LAST)),
    "data before something and LF": broken(chunks(b"5\r\nhelloX\n" + LAST)),
    "data before CR and something": broken(chunks(b"5\r\nhello\rX" + LAST)),
    "data before XX": broken(chunks(b"5\r\nhelloXX" + LAST)),
    "data before two ends of a line": broken(chunks(b"5\r\nhello\r\n\r\n" + LAST)),
    "data is a request": passed(chunks(b"%x\r\n" % len(POISON) + POISON + b"\r\n" + LAST), post(POISON)),
    "data is a last chunk": passed(chunks(b"5\r\n" + LAST + b"\r\n" + LAST), post(LAST)),
    "extension": passed(chunks(b"5;a=b\r\n" + HELLO), post(b"hello")),
    "extension without a name": passed(chunks(b"5;\r\n" + HELLO), post(b"hello")),
    "extension with blanks before it": passed(chunks(b"5 \t ;a\r\n" + HELLO), post(b"hello")),
    "extension that looks like a size": passed(chunks(b"5;ff\r\n" + HELLO), post(b"hello")),
    "extension in quotes": passed(chunks(b'5;a="b;c"\r\n' + HELLO), post(b"hello")),
    "extension in quotes with a line end": broken(chunks(b'5;a="\r\n' + LAST + b'"\r\nhello\r\n' + LAST)),
    "extension with a bare LF": broken(chunks(b"5;a\n" + HELLO)),
    "extension with a bare LF and a size": broken(chunks(b"2;\nxx\r\n4c\r\n" + LAST + POISON)),
    "extension with a bare CR": broken(chunks(b"5;a\rb\r\n" + HELLO)),
    "extension with a NUL": broken(chunks(b"5;\0\r\n" + HELLO)),
    "extension with a DEL": broken(chunks(b"5;\x7f\r\n" + HELLO)),
    "extension of a kilobyte": passed(chunks(b"5;" + b"a" * 1024 + b"\r\n" + HELLO), post(b"hello")),
    "extension of 5 kilobytes": broken(chunks(b"5;" + b"a" * 5120 + b"\r\n" + HELLO)),
    "extensions of 5 kilobytes together": broken(chunks((b"1;" + b"a" * 64 + b"\r\nx\r\n") * 80 + LAST)),
    "extension of the last chunk": passed(chunks(b"5\r\nhello\r\n0;a=b\r\n\r\n"), post(b"hello")),
    "extension without a semicolon": broken(chunks(b"5 a=b\r\n" + HELLO)),
    "comma behind the size": broken(chunks(b"5,5\r\n" + HELLO)),
    "thousand chunks of one byte": passed(chunks(b"1\r\nx\r\n" * 1000 + LAST), post(b"x" * 1000)),
    "never ends": cut(chunks(b"5\r\nhello\r\n")),
    "never ends behind the last size": cut(chunks(b"5\r\nhello\r\n0\r\n")),
    "never ends within the last line end": cut(chunks(b"5\r\nhello\r\n0\r\n\r")),
}

TRAILERS = {
    "trailer": passed(chunks(b"0\r\nx-sum: 1\r\n\r\n"), post(b"")),
    "trailer with a length": passed(chunks(b"0\r\ncontent-length: 99\r\n\r\n"), post(b"")),
    "trailer with a coding": passed(chunks(b"0\r\ntransfer-encoding: chunked\r\n\r\n"), post(b"")),
    "trailer with a host": passed(chunks(b"0\r\nhost: other\r\n\r\n"), post(b"")),
    "trailer with connection": passed(chunks(b"0\r\nconnection: close\r\n\r\n"), post(b"")),
    "trailer with a length, underscore": passed(chunks(b"0\r\ncontent_length: 99\r\n\r\n"), post(b"")),
    "trailer with a coding, underscore": passed(chunks(b"0\r\ntransfer_encoding: chunked\r\n\r\n"), post(b"")),
    "trailer named by trailer": passed(chunks(b"0\r\ncontent-length: 99\r\n\r\n", b"trailer: content-length"),
                                       post(b"")),
    "trailer that looks like a request": broken(chunks(b"0\r\n" + POISON)),
    "trailer with a space before the colon": broken(chunks(b"0\r\nx : 1\r\n\r\n")),
    "trailer folded": broken(chunks(b"0\r\nx: 1\r\n 2\r\n\r\n")),
    "trailer before a bare LF": broken(chunks(b"0\r\nx: 1\n\r\n")),
    "trailer with a bare CR": broken(chunks(b"0\r\nx: 1\r2\r\n\r\n")),
    "trailer with a NUL": broken(chunks(b"0\r\nx: \0\r\n\r\n")),
    "trailers end with a bare LF": broken(chunks(b"0\r\nx: 1\r\n\n")),
    "trailer without a name": broken(chunks(b"0\r\n: 1\r\n\r\n")),
    "trailers, 24": passed(chunks(b"0\r\n" + b"x: 1\r\n" * 24 + b"\r\n"), post(b"")),
    "trailers, 25": broken(chunks(b"0\r\n" + b"x: 1\r\n" * 25 + b"\r\n"), 431),
    "trailer of 5 kilobytes": broken(chunks(b"0\r\nx: " + b"a" * 5120 + b"\r\n\r\n"), 431),
}

GET = head(method=b"GET")

LINES = {
    "HTTP/0.9": refused(b"GET /\r\n\r\n"),
    "HTTP/0.9 with a version": refused(head(version=b"HTTP/0.9", method=b"GET"), 505),
    "HTTP/1.2": refused(head(version=b"HTTP/1.2", method=b"GET"), 505),
    "HTTP/1.9": refused(head(version=b"HTTP/1.9", method=b"GET"), 505),
    "HTTP/2.0": refused(head(version=b"HTTP/2.0", method=b"GET"), 505),
    "HTTP/2": refused(head(version=b"HTTP/2", method=b"GET")),
    "HTTP/01.1": refused(head(version=b"HTTP/01.1", method=b"GET")),
    "HTTP/1.01": refused(head(version=b"HTTP/1.01", method=b"GET")),
    "HTTP/1,1": refused(head(version=b"HTTP/1,1", method=b"GET")),
    "HTTP/+1.1": refused(head(version=b"HTTP/+1.1", method=b"GET")),
    "Http/1.1": refused(head(version=b"Http/1.1", method=b"GET")),
    "HTTPS/1.1": refused(head(version=b"HTTPS/1.1", method=b"GET")),
    "version and a blank": refused(head(version=b"HTTP/1.1 ", method=b"GET")),
    "version and a word": refused(head(version=b"HTTP/1.1 x", method=b"GET")),
    "version and a NUL": refused(head(version=b"HTTP/1.1\0", method=b"GET")),
    "two versions": refused(head(version=b"HTTP/1.0 HTTP/1.1", method=b"GET")),
    "blank before the method": refused(b" " + GET),
    "two blanks": refused(GET.replace(b"GET ", b"GET  ", 1)),
    "tab for a blank": refused(GET.replace(b"GET ", b"GET\t", 1)),
    "vertical tab for a blank": refused(GET.replace(b"GET ", b"GET\x0b", 1)),
    "no-break space for a blank": refused(GET.replace(b"GET ", b"GET\xa0", 1)),
    "bare CR within the line": refused(GET.replace(b" HTTP", b"\rHTTP", 1)),
    "bare LF behind the line": refused(GET.replace(b"1.1\r\n", b"1.1\n", 1)),
    "two CR behind the line": refused(GET.replace(b"1.1\r\n", b"1.1\r\r\n", 1)),
    "bare LF for all ends": refused(GET.replace(b"\r\n", b"\n")),
    "bare CR for all ends": refused(GET.replace(b"\r\n", b"\r")),
    "bare LF before the request": refused(b"\n" + GET),
    "bare CR before the request": refused(b"\r" + GET),
    "empty line before the request": passed(b"\r\n" + GET, get()),
    "two empty lines before the request": refused(b"\r\n\r\n" + GET),
    "bare LF ends the head": refused(GET[:-2] + b"\n" + POISON),
    "bare CR ends the head": refused(GET[:-2] + b"\rX" + POISON),
    "request within the target": refused(head(target=b"/ HTTP/1.1\r\nhost: test\r\nx: /", method=b"GET")
                                         .replace(b"\r\nx: /", b"\nx: /")),
    "encoded line ends in the target": passed(head(target=b"/a%0d%0ax:%20y", method=b"GET"), get("/a%0d%0ax:%20y")),
    "line separators in the target": refused(head(target="/a\u2028b".encode(), method=b"GET")),
    "method with a colon": refused(head(method=b"GET:")),
    "method in lower case": passed(head(method=b"get"), ("get", "/", b"")),
    "method PRI": refused(head(method=b"PRI", target=b"*")),
    "method PRI, version 2.0, with a host": refused(head(method=b"PRI", target=b"*", version=b"HTTP/2.0"), 505),
    "method CONNECT": refused(head(method=b"CONNECT", target=b"test:80"), 501),
    "method HEAD with a body": passed(head(b"content-length: 5", method=b"HEAD") + b"hello", ("HEAD", "/", b"hello")),
    "method TRACE with a body": passed(head(b"content-length: 5", method=b"TRACE") + b"hello",
                                       ("TRACE", "/", b"hello")),
    "HTTP/1.0": passed(head(version=b"HTTP/1.0", method=b"GET"), get(), closes=True),
    "HTTP/1.0 with keep-alive": passed(head(b"connection: keep-alive", version=b"HTTP/1.0", method=b"GET"), get()),
    "HTTP/1.0 with a length": passed(head(b"content-length: 5", version=b"HTTP/1.0") + b"hello", post(b"hello"),
                                     closes=True),
    "HTTP/1.0 without a host": passed(head(version=b"HTTP/1.0", method=b"GET", host=None), get(), closes=True),
    "absolute form": passed(head(method=b"GET", target=b"http://test/a"), get("/a")),
    "absolute form with a port": passed(head(method=b"GET", target=b"http://test:80/a"), get("/a")),
    "absolute form of another host": refused(head(method=b"GET", target=b"http://other/a")),
    "absolute form of another port": refused(head(method=b"GET", target=b"http://test:81/a")),
    "absolute form with a user": refused(head(method=b"GET", target=b"http://test@other/a")),
    "absolute form with a user, host of the user": refused(head(method=b"GET", target=b"http://other@test/a")),
    "absolute form with a backslash": refused(head(method=b"GET", target=b"http://test\\@other/a")),
    "absolute form with a fragment": refused(head(method=b"GET", target=b"http://test#@other/a")),
    "absolute form with a query for a path": refused(head(method=b"GET", target=b"http://test?a")),
    "absolute form of https": refused(head(method=b"GET", target=b"https://test/a")),
    "absolute form with one slash": refused(head(method=b"GET", target=b"http:/test/a")),
    "absolute form within the path": passed(head(method=b"GET", target=b"/http://other/a"), get("/http://other/a")),
    "host twice": refused(head(b"host: other", method=b"GET")),
    "host twice, the same": refused(head(b"host: test", method=b"GET")),
    "host list": refused(head(method=b"GET", host=b"host: test, other")),
    "host with a user": refused(head(method=b"GET", host=b"host: other@test")),
    "host with a path": refused(head(method=b"GET", host=b"host: test/other")),
    "host with a blank": refused(head(method=b"GET", host=b"host: test other")),
    "host with a tab before the colon": refused(head(method=b"GET", host=b"host\t: test")),
    "host with an underscore twin": passed(head(b"host_: other", method=b"GET"), get()),
    "host missing": refused(head(method=b"GET", host=None)),
    "host named by connection": passed(head(b"connection: host", method=b"GET"), get()),
    "connection with names of no field": passed(head(b"connection: x-a, , x-b", b"x-a: 1", method=b"GET"), get()),
    "connection with what is no name": refused(head(b"connection: x-a;q=1", method=b"GET")),
    "connection with close in another line": passed(
        head(b"connection: keep-alive", b"connection: close", method=b"GET"), get(), closes=True),
    "upgrade to h2c": passed(head(b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAAA",
                                  method=b"GET"), get()),
    "upgrade to h2c, settings not named": passed(head(b"connection: upgrade", b"upgrade: h2c",
                                                      b"http2-settings: AAAA", method=b"GET"), get()),
    "upgrade that connection does not name": passed(head(b"upgrade: h2c", method=b"GET"), get()),
    "upgrade to h2c with a body": passed(
        head(b"connection: upgrade", b"upgrade: h2c", b"content-length: 5") + b"hello", post(b"hello")),
    "upgrade in HTTP/1.0": passed(head(b"connection: upgrade", b"upgrade: x", method=b"GET", version=b"HTTP/1.0"),
                                  get(), closes=True),
    "expect of something": refused(head(b"expect: x", b"content-length: 5") + b"hello", 417),
    "expect twice": refused(head(b"expect: 100-continue", b"expect: 100-continue", b"content-length: 5") + b"hello",
                            417),
    "expect with the body at once": passed(head(b"expect: 100-continue", b"content-length: 5") + b"hello",
                                           post(b"hello")),
    "expect with no body": passed(head(b"expect: 100-continue", method=b"GET"), get()),
    "expect with the chunks at once": passed(
        head(b"expect: 100-continue", b"transfer-encoding: chunked") + b"5\r\n" + HELLO, post(b"hello")),
    "name with a space inside": refused(head(b"x y: 1", method=b"GET")),
    "name in quotes": refused(head(b'"x": 1', method=b"GET")),
    "line without a colon": refused(head(b"x", method=b"GET")),
    "line with nothing before the colon": refused(head(b": x", method=b"GET")),
    "line of a blank": refused(head(b" ", method=b"GET")),
    "value with a bare LF and a request": refused(head(b"x: 1\n\nGET /poison HTTP/1.1\nhost: test", method=b"GET")),
    "value with a line separator": passed(head("x: \u2028y".encode(), method=b"GET"), get()),
    "value with 0x8d 0x8a": passed(head(b"x: \x8d\x8ay: 1", method=b"GET"), get()),
}

TWO = head(method=b"GET", target=b"/two")

PIPELINES = {
    "two requests": passed(GET + TWO, get(), get("/two")),
    "body, then a request": passed(head(b"content-length: 5") + b"hello" + TWO, post(b"hello"), get("/two")),
    "chunks, then a request": passed(chunks(b"5\r\n" + HELLO) + TWO, post(b"hello"), get("/two")),
    "chunks, an empty line, then a request": passed(chunks(b"5\r\n" + HELLO) + b"\r\n" + TWO, post(b"hello"),
                                                    get("/two")),
    "good, then bad": Request(GET + head(b"content-length: +5") + b"hello", seen=(get(),), refused=400, closes=True),
    "good, then two framings": Request(GET + coded(b"chunked"), seen=(get(),), refused=400, closes=True),
    "good, then bad chunks": Request(GET + chunks(b"0x5\r\n" + HELLO), seen=(get(),), refused=400, closes=True,
                                     begun=True),
    "good, then garbage": Request(GET + b"\x00\x01\x02\r\n\r\n", seen=(get(),), refused=400, closes=True),
    "close, then a request that nobody hears": passed(head(b"connection: close", method=b"GET") + TWO, get(),
                                                      closes=True),
    "HTTP/1.0, then a request that nobody hears": passed(head(method=b"GET", version=b"HTTP/1.0") + TWO, get(),
                                                         closes=True),
    "bad, then a request that nobody hears": refused(head(b"x : 1", method=b"GET") + TWO),
    "HEAD, then a request": passed(head(method=b"HEAD") + TWO, ("HEAD", "/", b""), get("/two")),
    "thirty requests": passed(TWO * 30, *[get("/two")] * 30),
    "request behind an unfinished one": cut(head(b"content-length: 1000") + TWO),
}

REQUESTS = {**LENGTHS, **CODINGS, **{"chunk " + name: case for name, case in CHUNKS.items()}, **TRAILERS, **LINES,
            **{"pipeline: " + name: case for name, case in PIPELINES.items()}}


@dataclasses.dataclass(frozen=True)
class Response:
    raw: bytes
    status: int = 200
    body: bytes = b""
    method: str = "GET"
    closes: bool = False  # the upstream closes its connection behind it
    cut: bool = False  # the user sees the head, and that the message did not end
    interims: tuple = ()  # 1xx that the user sees before it
    later: bytes = b""  # sent by the upstream when the user has the answer
    spoils: bool = False  # nothing may be sent on that connection any more


OK = b"HTTP/1.1 200 OK\r\n"
BAD = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"


def answer(*lines, body=b"", first=b"HTTP/1.1 200 OK"):
    return first + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def ok(raw, body=b"hello", **more):
    return Response(raw, 200, body, **more)


def bad(raw, **more):
    return Response(raw, 502, **more)


def short(raw, **more):
    return Response(raw, 200, cut=True, **more)


def sized(*values, body=b"hello"):
    return answer(*(b"content-length: " + value for value in values), body=body) + BAD


def answered(body, *lines):
    return answer(b"transfer-encoding: chunked", *lines, body=body)


RESPONSES = {
    "length": ok(answer(b"content-length: 5", body=b"hello")),
    "length and bytes behind it": ok(answer(b"content-length: 5", body=b"hello") + BAD, spoils=True),
    "length and a line end behind it": ok(answer(b"content-length: 5", body=b"hello") + b"\r\n", spoils=True),
    "length and bytes later": ok(answer(b"content-length: 5", body=b"hello"), later=BAD),
    "length twice": bad(sized(b"5", b"5")),
    "length twice, first short": bad(sized(b"0", b"5")),
    "length twice, last short": bad(sized(b"5", b"0")),
    "length list": bad(sized(b"5, 5")),
    "length list that differs": bad(sized(b"5, 0")),
    "length with plus": bad(sized(b"+5")),
    "length with minus": bad(sized(b"-5")),
    "length in hexadecimal": bad(sized(b"0x5")),
    "length with an underscore": bad(sized(b"0_5")),
    "length and a word": bad(sized(b"5 bytes")),
    "length empty": bad(sized(b"")),
    "length over 64 bits": bad(sized(b"18446744073709551621")),
    "length with a NUL": bad(sized(b"5\0")),
    "length with a space before the colon": bad(answer(b"content-length : 5", body=b"hello") + BAD),
    "length folded": bad(answer(b"content-length:\r\n 5", body=b"hello") + BAD),
    "length with an underscore in its name": ok(answer(b"content_length: 0", b"content-length: 5", body=b"hello")),
    "length named by connection": ok(answer(b"connection: content-length", b"content-length: 5", body=b"hello")),
    "length and coding": bad(answer(b"content-length: 5", CHUNKED[:-2], body=LAST) + BAD),
    "coding and length": bad(answer(CHUNKED[:-2], b"content-length: 5", body=LAST) + BAD),
    "chunked": ok(answered(b"5\r\n" + HELLO)),
    "chunked and bytes behind it": ok(answered(b"5\r\n" + HELLO) + BAD, spoils=True),
    "chunked and bytes later": ok(answered(b"5\r\n" + HELLO), later=BAD),
    "chunked in capitals": ok(answer(b"TRANSFER-ENCODING: CHUNKED", body=b"5\r\n" + HELLO)),
    "coding with an underscore in its name": ok(
        answer(b"transfer_encoding: chunked", b"content-length: 5", body=b"hello")),
    "coding twice": bad(answer(CHUNKED[:-2], CHUNKED[:-2], body=LAST)),
    "coding chunked twice in a list": bad(answer(b"transfer-encoding: chunked, chunked", body=LAST)),
    "coding identity": bad(answer(b"transfer-encoding: identity", body=b"hello"), closes=True),
    "coding gzip": bad(answer(b"transfer-encoding: gzip", body=b"hello"), closes=True),
    "coding gzip, chunked": bad(answer(b"transfer-encoding: gzip, chunked", body=LAST)),
    "coding chunked, gzip": bad(answer(b"transfer-encoding: chunked, gzip", body=LAST), closes=True),
    "coding with a vertical tab": bad(answer(b"transfer-encoding: \x0bchunked", body=LAST)),
    "coding with a semicolon": bad(answer(b"transfer-encoding: chunked;", body=LAST)),
    "coding in quotes": bad(answer(b'transfer-encoding: "chunked"', body=LAST)),
    "coding with a space before the colon": bad(answer(b"transfer-encoding : chunked", body=LAST)),
    "coding folded": bad(answer(b"transfer-encoding:\r\n chunked", body=LAST)),
    "coding in HTTP/1.0": bad(answer(CHUNKED[:-2], first=b"HTTP/1.0 200 OK", body=LAST)),
    "no length": ok(answer(body=b"hello"), closes=True),
    "no length in HTTP/1.0": ok(answer(body=b"hello", first=b"HTTP/1.0 200 OK"), closes=True),
    "no length, the body looks like a response": ok(answer(body=BAD), BAD, closes=True),
    "HTTP/1.0 with a length and keep-alive": ok(
        answer(b"content-length: 5", b"connection: keep-alive", first=b"HTTP/1.0 200 OK", body=b"hello")),
    "chunk size with 0x": short(answered(b"0x5\r\n" + HELLO)),
    "chunk size with plus": short(answered(b"+5\r\n" + HELLO)),
    "chunk size over 64 bits": short(answered(b"10000000000000005\r\n" + HELLO)),
    "chunk size before a bare LF": short(answered(b"5\n" + HELLO)),
    "chunk size before a blank": short(answered(b"5 \r\n" + HELLO)),
    "chunk with too much data": short(answered(b"4\r\nhello\r\n" + LAST)),
    "chunk with a bare LF behind it": short(answered(b"5\r\nhello\n" + LAST)),
    "chunk with something and LF behind it": short(answered(b"5\r\nhelloX\n" + LAST)),
    "chunk extension": ok(answered(b"5;a=b\r\n" + HELLO)),
    "chunk extension with a bare LF": short(answered(b"5;a\n" + HELLO)),
    "chunk extension that is long": short(answered(b"5;" + b"a" * 5120 + b"\r\n" + HELLO)),
    "chunks that do not end": short(answered(b"5\r\nhello\r\n"), closes=True),
    "length that is not reached": short(answer(b"content-length: 9", body=b"hello"), closes=True),
    "trailer": ok(answered(b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n")),
    "trailer with a length": ok(answered(b"5\r\nhello\r\n0\r\ncontent-length: 0\r\n\r\n")),
    "trailer with a coding, underscore": ok(answered(b"5\r\nhello\r\n0\r\ntransfer_encoding: x\r\n\r\n")),
    "trailer that looks like a response": short(answered(b"5\r\nhello\r\n0\r\n" + BAD)),
    "trailer with a bare LF": short(answered(b"5\r\nhello\r\n0\r\nx: 1\n\r\n")),
    "HEAD with a length": Response(answer(b"content-length: 5"), method="HEAD"),
    "HEAD with a length and a body": Response(answer(b"content-length: 5", body=b"hello"), method="HEAD", spoils=True),
    "HEAD with a body that is a response": Response(answer(b"content-length: %d" % len(BAD), body=BAD), method="HEAD",
                                                    spoils=True),
    "HEAD with a body that comes later": Response(answer(b"content-length: %d" % len(BAD)), method="HEAD", later=BAD),
    "HEAD with chunks": Response(answered(b"5\r\n" + HELLO), method="HEAD", spoils=True),
    "HEAD with both framings": bad(answer(CHUNKED[:-2], b"content-length: 5"), method="HEAD"),
    "204": Response(answer(first=b"HTTP/1.1 204 No"), 204),
    "204 with a length of 0": Response(answer(b"content-length: 0", first=b"HTTP/1.1 204 No"), 204),
    "204 with a body": Response(answer(b"content-length: %d" % len(BAD), first=b"HTTP/1.1 204 No", body=BAD), 204,
                                spoils=True),
    "204 with a length": Response(answer(b"content-length: 5", first=b"HTTP/1.1 204 No"), 204, spoils=True),
    "204 with a body that comes later": Response(
        answer(b"content-length: %d" % len(BAD), first=b"HTTP/1.1 204 No"), 204, later=BAD),
    "204 with chunks": Response(answer(CHUNKED[:-2], first=b"HTTP/1.1 204 No", body=b"5\r\n" + HELLO), 204,
                                spoils=True),
    "204 that announces chunks": Response(answer(CHUNKED[:-2], first=b"HTTP/1.1 204 No"), 204, spoils=True),
    "304 with a length": Response(answer(b"content-length: 5", first=b"HTTP/1.1 304 Same"), 304),
    "304 with a body": Response(answer(b"content-length: %d" % len(BAD), first=b"HTTP/1.1 304 Same", body=BAD), 304,
                                spoils=True),
    "304 with a body that comes later": Response(
        answer(b"content-length: %d" % len(BAD), first=b"HTTP/1.1 304 Same"), 304, later=BAD),
    "304 with chunks": Response(answer(CHUNKED[:-2], first=b"HTTP/1.1 304 Same", body=b"5\r\n" + HELLO), 304,
                                spoils=True),
    "205 with a length": Response(answer(b"content-length: 5", first=b"HTTP/1.1 205 Reset", body=b"hello"), 205,
                                  b"hello"),
    "100, then the response": ok(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"content-length: 5", body=b"hello"),
                                 interims=(100,)),
    "103, then the response": ok(b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + answer(b"content-length: 5", body=b"hello"),
                                 interims=(103,)),
    "103 twice": ok(b"HTTP/1.1 103 Hints\r\n\r\n" * 2 + answer(b"content-length: 5", body=b"hello"),
                    interims=(103, 103)),
    "103 with a length": bad(b"HTTP/1.1 103 Hints\r\ncontent-length: 5\r\n\r\n"
                             + answer(b"content-length: 5", body=b"hello")),
    "103 with a length that covers a response": bad(
        b"HTTP/1.1 103 Hints\r\ncontent-length: %d\r\n\r\n" % len(BAD) + BAD),
    "103 with chunks": bad(b"HTTP/1.1 103 Hints\r\ntransfer-encoding: chunked\r\n\r\n" + LAST
                           + answer(b"content-length: 5", body=b"hello")),
    "103 with two lengths": bad(b"HTTP/1.1 103 Hints\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n"
                                + answer(b"content-length: 5", body=b"hello")),
    "103 with a length of 0": ok(b"HTTP/1.1 103 Hints\r\ncontent-length: 0\r\n\r\n"
                                 + answer(b"content-length: 5", body=b"hello"), interims=(103,)),
    "101 that nobody asked for": bad(b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + BAD),
    "101 without upgrade": bad(b"HTTP/1.1 101 Go\r\n\r\n" + BAD),
    "100 for ever": bad(b"HTTP/1.1 100 Continue\r\n\r\n" * 40, interims=(100,) * 16),
    "status of two digits": bad(answer(first=b"HTTP/1.1 20 OK", body=b"hello"), closes=True),
    "status of four digits": bad(answer(first=b"HTTP/1.1 2000 OK", body=b"hello"), closes=True),
    "status 600": bad(answer(b"content-length: 0", first=b"HTTP/1.1 600 OK")),
    "status 000": bad(answer(b"content-length: 0", first=b"HTTP/1.1 000 OK")),
    "status with a sign": bad(answer(b"content-length: 0", first=b"HTTP/1.1 +20 OK")),
    "version 1.2": bad(answer(b"content-length: 0", first=b"HTTP/1.2 200 OK")),
    "version 2": bad(answer(b"content-length: 0", first=b"HTTP/2 200")),
    "no version": bad(b"hello"),
    "no status line": bad(b"content-length: 5\r\n\r\nhello"),
    "empty line before the status": bad(b"\r\n" + answer(b"content-length: 5", body=b"hello")),
    "blank before the status": bad(b" " + answer(b"content-length: 5", body=b"hello")),
    "two status lines": bad(b"HTTP/1.1 200 OK\r\n" + answer(b"content-length: 5", body=b"hello")),
    "status line without a reason": ok(answer(b"content-length: 5", first=b"HTTP/1.1 200", body=b"hello")),
    "reason with a bare CR": bad(answer(b"content-length: 5", first=b"HTTP/1.1 200 O\rK", body=b"hello")),
    "bare LF behind the status line": bad(b"HTTP/1.1 200 OK\ncontent-length: 5\r\n\r\nhello"),
    "bare LF behind a line": bad(answer(b"x: 1\ncontent-length: 5", body=b"hello")),
    "bare LF ends the head": bad(OK + b"content-length: 5\r\n\nhello"),
    "bare CR ends the head": bad(OK + b"content-length: 5\r\n\rhello", closes=True),
    "bare CR splits a line": bad(answer(b"x: 1\rcontent-length: 0", b"content-length: 5", body=b"hello")),
    "bare LF splits the response": bad(answer(b"x: 1\n\nHTTP/1.1 200 OK", b"content-length: 5", body=b"hello")),
    "NUL in a value": bad(answer(b"x: \0", b"content-length: 5", body=b"hello")),
    "line without a colon": bad(answer(b"x", b"content-length: 5", body=b"hello")),
    "line without a name": bad(answer(b": x", b"content-length: 5", body=b"hello")),
    "name with a blank inside": bad(answer(b"x y: 1", b"content-length: 5", body=b"hello")),
    "line that begins with a blank": bad(OK + b" x: 1\r\ncontent-length: 5\r\n\r\nhello"),
    "half a head": bad(OK + b"content-length: 5\r\n", closes=True),
    "nothing": bad(b"", closes=True),
    "upgrade in a response": ok(answer(b"upgrade: h2c", b"connection: upgrade", b"content-length: 5", body=b"hello")),
    "proxy-connection in a response": ok(answer(b"proxy-connection: close", b"content-length: 5", body=b"hello")),
}
