#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define ADDRESSES4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\x1f\x90\x01\xbb" /* 192.0.2.1:8080, 443 */
#define ADDRESSES6                                                                                 \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x1f\x90\x01\xbb"
#define SAY(literal) HF_STR(literal)

static struct hf_addr address(const char *text)
{
    struct hf_addr a;

    assert_int_equal(hf_addr_parse(hf_str(text), &a), 0);
    return a;
}

/* Parses every prefix of bytes from memory of exactly that size. All but the whole must say "more".
 */
static struct hf_proxy taken(struct hf_str bytes)
{
    struct hf_proxy p = {0}, untouched = {0};
    const char *why = NULL;

    for (size_t n = 0; n <= bytes.n; n++) {
        char *exact = malloc(n + 1);
        ssize_t rc;
        memcpy(exact, bytes.p, n);
        rc = hf_proxy_parse((struct hf_str){exact, n}, &p, &why);
        free(exact);
        assert_int_equal(rc, n == bytes.n ? (ssize_t)n : 0);
        if (n < bytes.n)
            assert_memory_equal(&p, &untouched, sizeof(p));
    }
    assert_null(why);
    return p;
}

/* The same header with a TLS hello or a request behind it. */
static void leaves_what_follows(struct hf_str bytes)
{
    struct hf_text both = {0};
    struct hf_proxy p;
    const char *why;

    hf_text_add(&both, bytes);
    hf_text_add(&both, HF_STR("GET / HTTP/1.1\r\n\r\n"));
    assert_int_equal(hf_proxy_parse(hf_text_str(&both), &p, &why), bytes.n);
    hf_text_done(&both);
}

static void addresses_are_read(void **state)
{
    static const struct {
        struct hf_str bytes;
        unsigned version;
        const char *source, *destination; /* NULL: not known */
    } rows[] = {
        {SAY("PROXY TCP4 192.0.2.1 198.51.100.2 8080 443\r\n"), 1, "192.0.2.1:8080",
         "198.51.100.2:443"},
        {SAY("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 1,
         "255.255.255.255:65535", "255.255.255.255:65535"},
        {SAY("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), 1, "0.0.0.0:0", "0.0.0.0:0"},
        {SAY("PROXY TCP6 2001:db8::1 2001:db8::2 8080 443\r\n"), 1, "[2001:db8::1]:8080",
         "[2001:db8::2]:443"},
        {SAY("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
         1, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {SAY("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), 1, "192.0.2.1:1", "[::1]:2"},
        {SAY("PROXY UNKNOWN\r\n"), 1, NULL, NULL},
        {SAY("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), /* the longest: 107 */
         1, NULL, NULL},
        {SAY("PROXY UNKNOWN whatever  it says\r\n"), 1, NULL, NULL},
        {SAY(SIGNATURE "\x21\x11\0\x0c" ADDRESSES4), 2, "192.0.2.1:8080", "198.51.100.2:443"},
        {SAY(SIGNATURE "\x21\x21\0\x24" ADDRESSES6), 2, "[2001:db8::1]:8080", "[2001:db8::2]:443"},
        {SAY(SIGNATURE "\x21\x11\0\x12" ADDRESSES4 "\x04\0\x03"
                       "abc"),
         2, "192.0.2.1:8080", "198.51.100.2:443"}, /* padding */
        {SAY(SIGNATURE "\x21\x11\0\x18" ADDRESSES4 "\x01\0\x02h2"
                       "\x02\0\x01x"
                       "\x04\0\0"),
         2, "192.0.2.1:8080", "198.51.100.2:443"}, /* ALPN, authority */
        {SAY(SIGNATURE "\x21\x00\0\0"), 2, NULL, NULL},
        {SAY(SIGNATURE "\x21\x00\0\x03"
                       "xyz"),
         2, NULL, NULL},
        {SAY(SIGNATURE "\x20\x00\0\0"), 2, NULL, NULL},
        {SAY(SIGNATURE "\x20\x11\0\x0c" ADDRESSES4), 2, NULL, NULL},
        {SAY(SIGNATURE "\x20\x31\0\x01"
                       "x"),
         2, NULL, NULL}, /* of LOCAL nothing is looked at */
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct hf_proxy p = taken(rows[i].bytes);
        char text[HF_ADDR_TEXT];
        leaves_what_follows(rows[i].bytes);
        assert_int_equal(p.version, rows[i].version);
        assert_int_equal(p.known, rows[i].source != NULL);
        if (!p.known) {
            assert_int_equal(p.source.family, HF_ADDR_NONE);
            continue;
        }
        assert_string_equal(hf_addr_format(&p.source, text), rows[i].source);
        assert_string_equal(hf_addr_format(&p.destination, text), rows[i].destination);
    }
}

/* The bytes as they stand are refused; and no prefix of them is taken. */
static void refused(struct hf_str bytes, const char *part)
{
    struct hf_proxy p, before;
    const char *why = "";
    ssize_t rc = 0;

    memset(&p, 0x5a, sizeof(p));
    before = p;
    for (size_t n = 0; n <= bytes.n && rc == 0; n++) {
        char *exact = malloc(n + 1);
        memcpy(exact, bytes.p, n);
        rc = hf_proxy_parse((struct hf_str){exact, n}, &p, &why);
        free(exact);
    }
    if (rc != HF_EINVAL || !strstr(why, part))
        fail_msg("%.60s: %zd, \"%s\", not \"%s\"", bytes.p, rc, why, part);
    assert_memory_equal(&p, &before, sizeof(p));
    assert_int_equal(hf_proxy_parse(bytes, &p, &why), HF_EINVAL);
}

static void malformed_lines_are_refused(void **state)
{
    static const struct {
        struct hf_str bytes;
        const char *why;
    } rows[] = {
        {SAY("GET / HTTP/1.1\r\n\r\n"), "signature"},
        {SAY("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "signature"},
        {SAY("PROXY\r\n"), "signature"},
        {SAY(" PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "signature"},
        {SAY("\x16\x03\x01\x02\x00\x01"), "signature"},
        {SAY("PROXY \r\n"), "family"},
        {SAY("PROXY TCP4\r\n"), "family"},
        {SAY("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"), "family"},
        {SAY("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"), "family"},
        {SAY("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"), "family"},
        {SAY("PROXY UNIX /a /b 1 2\r\n"), "family"},
        {SAY("PROXY UNKNOWNS\r\n"), "family"},
        {SAY("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "family"},
        {SAY("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4  1 2\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1  2\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), "follows"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), "follows"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4\r\n"), "address"},
        {SAY("PROXY TCP4 \r\n"), "address"},
        {SAY("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 1.2.3.4:80 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 localhost 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 ::1 ::1 1 2\r\n"), "address"},
        {SAY("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP6 ::1 1.2.3.4 1 2\r\n"), "address"},
        {SAY("PROXY TCP6 [::1] [::1] 1 2\r\n"), "address"},
        {SAY("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"), "address"},
        {SAY("PROXY TCP6 1::2::3 ::1 1 2\r\n"), "address"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1 99999999999999999999\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 0x1 2\r\n"), "port"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), "CRLF"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n"), "CRLF"},
        {SAY("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rGET"), "CRLF"},
        {SAY("PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n"), "CRLF"},
        {SAY("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"), "CRLF"},
        {SAY("PROXY UNKNOWN \x80\r\n"), "CRLF"},
        {SAY("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n"),
         "107"},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        refused(rows[i].bytes, rows[i].why);
}

static void a_line_without_end_is_refused_at_its_limit(void **state)
{
    char bytes[HF_PROXY_V1_MOST + 1];
    struct hf_proxy p;
    const char *why;

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    memcpy(bytes, "PROXY UNKNOWN ", 14);
    assert_int_equal(hf_proxy_parse((struct hf_str){bytes, HF_PROXY_V1_MOST - 2}, &p, &why), 0);
    assert_int_equal(hf_proxy_parse((struct hf_str){bytes, HF_PROXY_V1_MOST - 1}, &p, &why),
                     HF_EINVAL);
    assert_int_equal(hf_proxy_parse((struct hf_str){bytes, sizeof(bytes)}, &p, &why), HF_EINVAL);
}

static void malformed_binary_headers_are_refused(void **state)
{
    static const struct {
        struct hf_str bytes;
        const char *why;
    } rows[] = {
        {SAY("\r\n\r\n\0\r\nQUIT\r"), "signature"},
        {SAY("\r\n\r\nGET / HTTP/1.1"), "signature"},
        {SAY(SIGNATURE "\x11\x11\0\x0c" ADDRESSES4), "version"},
        {SAY(SIGNATURE "\x31\x11\0\x0c" ADDRESSES4), "version"},
        {SAY(SIGNATURE "\x22\x11\0\x0c" ADDRESSES4), "version"},
        {SAY(SIGNATURE "\x2f\x11\0\x0c" ADDRESSES4), "version"},
        {SAY(SIGNATURE "\x21\x10\0\x0c" ADDRESSES4), "none of TCP"},
        {SAY(SIGNATURE "\x21\x12\0\x0c" ADDRESSES4), "none of TCP"},
        {SAY(SIGNATURE "\x21\x22\0\x24" ADDRESSES6), "none of TCP"},
        {SAY(SIGNATURE "\x21\x41\0\x0c" ADDRESSES4), "none of TCP"},
        {SAY(SIGNATURE "\x21\x01\0\x0c" ADDRESSES4), "none of TCP"},
        {SAY(SIGNATURE "\x21\x31\0\xd8"), "unix"},
        {SAY(SIGNATURE "\x21\x32\0\xd8"), "unix"},
        {SAY(SIGNATURE "\x21\x11\0\x0b" ADDRESSES4), "shorter"},
        {SAY(SIGNATURE "\x21\x11\0\0"), "shorter"},
        {SAY(SIGNATURE "\x21\x21\0\x23" ADDRESSES6), "shorter"},
        {SAY(SIGNATURE "\x21\x21\0\x0c" ADDRESSES4), "shorter"},
        {SAY(SIGNATURE "\x21\x11\x03\xf1"), "1024"},
        {SAY(SIGNATURE "\x20\x11\x03\xf1"), "1024"},
        {SAY(SIGNATURE "\x21\x11\xff\xff"), "1024"},
        {SAY(SIGNATURE "\x21\x11\0\x0d" ADDRESSES4 "\x04"), "cut short"},
        {SAY(SIGNATURE "\x21\x11\0\x0e" ADDRESSES4 "\x04\0"), "cut short"},
        {SAY(SIGNATURE "\x21\x11\0\x0f" ADDRESSES4 "\x04\0\x01"), "longer"},
        {SAY(SIGNATURE "\x21\x11\0\x10" ADDRESSES4 "\x04\xff\xff"
                       "a"),
         "longer"},
        {SAY(SIGNATURE "\x21\x11\0\x13" ADDRESSES4 "\x04\0\0"
                       "\x04\0\x02"
                       "a"),
         "longer"},
        {SAY(SIGNATURE "\x21\x11\0\x13" ADDRESSES4 "\x03\0\x04"
                       "abcd"),
         "does not match"},
        {SAY(SIGNATURE "\x21\x11\0\x12" ADDRESSES4 "\x03\0\x03"
                       "abc"),
         "4 bytes"},
        {SAY(SIGNATURE "\x21\x11\0\x0f" ADDRESSES4 "\x03\0\0"), "4 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        refused(rows[i].bytes, rows[i].why);
}

/* Bit by bit as RFC 3720 writes it, most significant first: not the code that is tested. */
static uint32_t castagnoli(const char *p, size_t n)
{
    uint32_t crc = 0, reflected = 0;

    for (size_t bit = 0; bit < 8 * (n + 4); bit++) {
        uint32_t in = bit < 8 * n ? (uint32_t)((uint8_t)p[bit / 8] >> bit % 8 & 1) : 0;
        uint32_t out = crc >> 31;
        in ^= bit < 32; /* the initial value */
        crc = crc << 1 | in;
        if (out)
            crc ^= UINT32_C(0x1edc6f41);
    }
    for (int i = 0; i < 32; i++)
        reflected |= (crc >> i & 1) << (31 - i);
    return ~reflected;
}

static void a_checksum_is_checked(void **state)
{
    char bytes[] = SIGNATURE "\x21\x11\0\x17" ADDRESSES4 "\x04\0\x01"
                             "x"
                             "\x03\0\x04"
                             "\0\0\0\0";
    struct hf_str s = {bytes, sizeof(bytes) - 1};
    uint32_t sum;
    const char *why;
    struct hf_proxy p;

    (void)state;
    assert_int_equal(castagnoli("123456789", 9), 0xe3069283); /* the well-known check value */
    sum = castagnoli(bytes, s.n);
    for (int i = 0; i < 4; i++)
        bytes[s.n - 4 + (size_t)i] = (char)(sum >> (24 - 8 * i));
    assert_true(taken(s).known);
    for (size_t i = 16; i < s.n; i++) { /* whatever is changed, it is noticed */
        if (i == s.n - 7)
            continue; /* but not that it is a checksum */
        bytes[i] ^= 1;
        assert_int_equal(hf_proxy_parse(s, &p, &why), HF_EINVAL);
        bytes[i] ^= 1;
    }
}

static void a_second_checksum_is_refused(void **state)
{
    char bytes[] = SIGNATURE "\x21\x11\0\x1a" ADDRESSES4 "\x03\0\x04"
                             "\0\0\0\0"
                             "\x03\0\x04"
                             "\0\0\0\0";
    uint32_t sum;

    (void)state;
    sum = castagnoli(bytes, sizeof(bytes) - 1);
    for (size_t i = 0; i < 4; i++)
        bytes[31 + i] = (char)(sum >> (24 - 8 * i));
    refused((struct hf_str){bytes, sizeof(bytes) - 1}, "4 bytes");
}

static void the_longest_is_taken(void **state)
{
    char bytes[HF_PROXY_V2_MOST] = SIGNATURE "\x21\x11\x03\xf0" ADDRESSES4 "\x04\x03\xe1";

    (void)state;
    assert_true(taken((struct hf_str){bytes, sizeof(bytes)}).known);
}

static void what_is_written_is_read(void **state)
{
    static const struct {
        const char *source, *destination, *line; /* what version 1 says */
        size_t binary;
    } rows[] = {
        {"192.0.2.1:8080", "198.51.100.2:443", "PROXY TCP4 192.0.2.1 198.51.100.2 8080 443\r\n",
         28},
        {"[2001:db8::1]:1", "[2001:db8::2]:2", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", 52},
        {"192.0.2.1:8080", "[2001:db8::2]:2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 8080 2\r\n",
         52},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         52},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct hf_addr from = address(rows[i].source), to = address(rows[i].destination);
        char out[HF_PROXY_OUT];
        for (unsigned version = 1; version <= 2; version++) {
            size_t n = hf_proxy_write(version, &from, &to, out);
            struct hf_proxy p = taken((struct hf_str){out, n});
            assert_int_equal(p.version, version);
            assert_true(hf_addr_eq(&p.source, &from) && hf_addr_eq(&p.destination, &to));
            if (version == 1)
                assert_true(hf_str_eq((struct hf_str){out, n}, hf_str(rows[i].line)));
            else
                assert_int_equal(n, rows[i].binary);
        }
    }
}

static void on_our_own_behalf_no_address_is_said(void **state)
{
    struct hf_addr none = {0}, some = address("192.0.2.1:1");
    char out[HF_PROXY_OUT];

    (void)state;
    assert_int_equal(hf_proxy_write(1, NULL, NULL, out), 15);
    assert_memory_equal(out, "PROXY UNKNOWN\r\n", 15);
    assert_int_equal(hf_proxy_write(2, NULL, NULL, out), 16);
    assert_memory_equal(out, SIGNATURE "\x20\0\0\0", 16);
    assert_int_equal(hf_proxy_write(2, &none, &some, out), 16);
    assert_int_equal(hf_proxy_write(1, &some, &none, out), 15);
    assert_false(taken((struct hf_str){out, 15}).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(malformed_lines_are_refused),
        cmocka_unit_test(a_line_without_end_is_refused_at_its_limit),
        cmocka_unit_test(malformed_binary_headers_are_refused),
        cmocka_unit_test(a_checksum_is_checked),
        cmocka_unit_test(a_second_checksum_is_refused),
        cmocka_unit_test(the_longest_is_taken),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(on_our_own_behalf_no_address_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
