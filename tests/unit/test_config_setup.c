#include "config_messages.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/setup.h"

static struct hf_config *parse(const char *path, const char *yaml)
{
    struct hf_config_errors errors;
    struct hf_config *c = NULL;

    if (hf_config_parse(path, hf_str(yaml), &c, &errors)) {
        hf_config_errors_print(&errors, stderr);
        fail();
    }
    return c;
}

static void whole(void **state)
{
    struct hf_config *c =
        parse("/srv/shop.yaml", "gateway: { listen: [\"127.0.0.1:8080\", \"[::1]:8081\"], workers: "
                                "3, lame_duck: 2s, drain: 20s, drain_timeout: 90s }\n"
                                "board: { services: 5, endpoints: 6, routes: 7 }\nservices:\n"
                                "  s:\n" ROUTE COMMAND VERSION "    stop: { timeout: 11s }\n"
                                "  t: { route: [{}], instances: [\"10.0.0.1:80\"] }\n");
    struct hf_setup s;
    char text[HF_ADDR_TEXT];

    (void)state;
    assert_int_equal(hf_setup_from_config(c, &s, NULL), 0);
    assert_int_equal(hf_setup_check(&s, NULL), 0);
    assert_int_equal(s.workers, 3);
    assert_int_equal(s.capacity.workers, HF_BOARD_WORKERS_MAX);
    assert_int_equal(s.drain_ms, 90000);
    assert_int_equal(s.capacity.services, 5);
    assert_int_equal(s.capacity.endpoints, 6);
    assert_int_equal(s.capacity.routes, 7);
    assert_int_equal(s.n_listeners, 2);
    assert_string_equal(hf_addr_format(&s.listeners[1], text), "[::1]:8081");
    assert_string_equal(s.state, "/srv/state");
    assert_string_equal(s.config, "/srv/shop.yaml");
    assert_string_equal(s.access_log, "/srv/state/access.log");
    assert_int_equal(s.stop_ms, 2000 + 20000 + 11000 + 5000);
    assert_int_equal(s.keep_instances, 0);
    hf_config_unref(c);
}

static void auto_and_off(void **state)
{
    struct hf_config *c =
        parse("/f", "gateway: { listen: [\"127.0.0.1:8080\"], access_log: off }\n");
    struct hf_setup s;

    (void)state;
    assert_int_equal(hf_setup_from_config(c, &s, NULL), 0);
    assert_true(s.workers >= 1 && s.workers <= HF_BOARD_WORKERS_MAX);
    assert_int_equal(s.drain_ms, 0);
    assert_string_equal(s.access_log, "");
    assert_string_equal(s.state, "/state");
    hf_config_unref(c);
}

static void sandbox(void **state)
{
    struct hf_config *c = parse("/f", "gateway: { listen: [\"127.0.0.1:8080\"], user: daemon }\n");
    struct hf_setup s;
    struct hf_error e;
    bool root = geteuid() == 0;

    (void)state;
    if (root) {
        assert_int_equal(hf_setup_from_config(c, &s, &e), 0);
        assert_int_equal(s.sandbox.uid, 1);
        assert_int_equal(s.sandbox.gid, 1);
        assert_true(s.sandbox.change_user);
        assert_int_equal(seteuid(2), 0);
    }
    assert_int_equal(hf_setup_from_config(c, &s, &e), HF_EREFUSED); /* only root may */
    assert_non_null(
        strstr(e.text, "gateway.user is \"daemon\", and holdfast does not run as root"));
    hf_config_unref(c);
    c = parse("/f", "gateway: { listen: [\"127.0.0.1:8080\"], user: daemon, sandbox: off }\n");
    assert_int_equal(hf_setup_from_config(c, &s, &e), 0); /* no matter then */
    assert_true(s.sandbox.off);
    hf_config_unref(c);
    c = parse("/f", "gateway: { listen: [\"127.0.0.1:8080\"] }\n");
    assert_int_equal(hf_setup_from_config(c, &s, &e), 0);
    assert_false(s.sandbox.off);
    assert_false(s.sandbox.change_user);
    if (root) {
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(hf_setup_from_config(c, &s, &e), 0);
        assert_true(s.sandbox.change_user && s.sandbox.uid != 0 && s.sandbox.gid != 0);
    }
    hf_config_unref(c);
}

static void path_too_long(void **state)
{
    char path[HF_PATH_SIZE + 2];
    struct hf_config *c;
    struct hf_setup s = {.size = 7};
    struct hf_error e;

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = 0;
    c = parse(path, "gateway: { listen: [\"127.0.0.1:8080\"] }\n");
    assert_int_equal(hf_setup_from_config(c, &s, &e), HF_ELIMIT);
    assert_string_equal(e.text, "the configuration is a path of 513 bytes; expected at most 511");
    assert_int_equal(s.size, 7); /* untouched on failure */
    hf_config_unref(c);
}

static void state_folder(void **state)
{
    char base[] = "/tmp/holdfast-test-XXXXXX", path[HF_PATH_SIZE];
    struct hf_setup s = {0};
    struct hf_error e;
    struct stat st;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(base));
    snprintf(s.state, sizeof(s.state), "%s/a/b/state", base);
    assert_int_equal(hf_setup_state(&s, &e), 0);
    assert_int_equal(hf_setup_state(&s, &e), 0); /* it is there */
    assert_int_equal(stat(s.state, &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_int_equal(chmod(s.state, 0777), 0);
    assert_int_equal(hf_setup_state(&s, &e), HF_EIO);
    assert_non_null(strstr(e.text, "can be written to by others (mode 0777); expected 0700"));
    assert_int_equal(rmdir(s.state), 0);
    f = fopen(s.state, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(hf_setup_state(&s, &e), HF_EIO);
    assert_non_null(strstr(e.text, "is not a folder; expected the state folder"));
    snprintf(path, sizeof(path), "%s", s.state);
    snprintf(s.state, sizeof(s.state), "%s/a/b/state/c", base);
    assert_int_equal(hf_setup_state(&s, &e), HF_EIO);
    assert_non_null(strstr(e.text, "cannot be made: Not a directory"));
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/a/b", base);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof(path), "%s/a", base);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(base), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),         cmocka_unit_test(auto_and_off), cmocka_unit_test(sandbox),
        cmocka_unit_test(path_too_long), cmocka_unit_test(state_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
