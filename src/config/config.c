#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "config/check.h"
#include "config/values.h"

struct holder {
    struct hf_config config; /* first: what users hold is a pointer to it */
    struct hf_pool *pool;
    unsigned references;
};

static struct holder *holder(struct hf_config *c)
{
    return (struct holder *)(void *)c;
}

/* Absolute, as the user wrote it: symbolic links stay, so that a relative path means the folder
 * where the file is seen. */
static int put_file(struct hf_pool *pool, struct hf_config *c, const char *path,
                    struct hf_config_errors *errors)
{
    char here[4096];
    char *slash;

    if (path[0] == '/') {
        c->file = hf_pool_strdup(pool, path);
    } else {
        if (!getcwd(here, sizeof(here))) {
            hf_config_errors_add(errors, 0, 0, "the current folder is not known: %s",
                                 strerror(errno));
            return HF_EIO;
        }
        c->file = hf_pool_printf(pool, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    }
    slash = strrchr(c->file, '/');
    c->folder = slash == c->file ? hf_pool_strdup(pool, "/")
                                 : hf_pool_strndup(pool, c->file, (size_t)(slash - c->file));
    return 0;
}

static void put_digest(struct hf_config *c, struct hf_str text)
{
    XXH128_hash_t hash = XXH3_128bits(text.p, text.n);

    snprintf(c->digest, sizeof(c->digest), "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

static int fill(struct holder *h, const char *path, struct hf_str text,
                struct hf_config_errors *errors)
{
    struct hf_config *c = &h->config;
    struct hf_reader reader = {.pool = h->pool, .errors = errors};
    const struct hf_yaml *root;

    if (put_file(h->pool, c, path, errors))
        return HF_EIO;
    put_digest(c, text);
    if (text.n)
        c->text = (struct hf_str){hf_pool_strndup(h->pool, text.p, text.n), text.n};
    root = hf_yaml_parse(text, h->pool, errors);
    if (!root)
        return HF_EINVAL;
    reader.folder = c->folder;
    hf_section_read(&reader, NULL, &hf_section_root, root, c);
    hf_config_resolve(h->pool, c, root);
    hf_config_check(c, root, errors);
    return errors->total ? HF_EINVAL : 0;
}

int hf_config_parse(const char *path, struct hf_str text, struct hf_config **ret,
                    struct hf_config_errors *errors)
{
    struct holder *h = hf_alloc(sizeof(*h));
    int code;

    hf_config_errors_clear(errors, path);
    h->pool = hf_pool_new();
    h->references = 1;
    code = fill(h, path, text, errors);
    if (code) {
        hf_config_errors_sort(errors);
        hf_config_unref(&h->config);
        return code;
    }
    *ret = &h->config;
    return 0;
}

/* The whole file, at most a byte more than is allowed: the parser refuses that with a reason. */
static int read_file(const char *path, struct hf_text *text, struct hf_config_errors *errors)
{
    HF_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char buf[65536];
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0) {
        hf_config_errors_add(errors, 0, 0, "cannot be opened: %s", strerror(errno));
        return HF_EIO;
    }
    if (!S_ISREG(st.st_mode)) {
        hf_config_errors_add(errors, 0, 0, "is not a file; expected a YAML file");
        return HF_EIO;
    }
    while (text->n <= HF_YAML_SIZE && (n = read(fd, buf, sizeof(buf))) != 0) {
        if (n < 0) {
            hf_config_errors_add(errors, 0, 0, "cannot be read: %s", strerror(errno));
            return HF_EIO;
        }
        hf_text_add(text, (struct hf_str){buf, (size_t)n});
    }
    return 0;
}

int hf_config_load_copy(const char *copy, const char *path, struct hf_config **ret,
                        struct hf_config_errors *errors)
{
    HF_AUTOTEXT struct hf_text text = {0};

    hf_config_errors_clear(errors, copy);
    if (read_file(copy, &text, errors))
        return HF_EIO;
    return hf_config_parse(path, hf_text_str(&text), ret, errors);
}

int hf_config_load(const char *path, struct hf_config **ret, struct hf_config_errors *errors)
{
    return hf_config_load_copy(path, path, ret, errors);
}

struct hf_config *hf_config_ref(struct hf_config *c)
{
    holder(c)->references++;
    return c;
}

struct hf_config *hf_config_unref(struct hf_config *c)
{
    if (c && --holder(c)->references == 0) {
        hf_pool_free(holder(c)->pool);
        hf_free(holder(c));
    }
    return NULL;
}

const struct hf_config_service *hf_config_service_find(const struct hf_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_services; i++) {
        if (strcmp(c->services[i].name, name) == 0)
            return &c->services[i];
    }
    return NULL;
}

const struct hf_config_version *hf_config_version_find(const struct hf_config_service *s,
                                                       const char *version)
{
    if (s->any_version)
        return hf_config_version_name(version) ? s->versions : NULL;
    for (size_t i = 0; i < s->n_versions; i++) {
        if (strcmp(s->versions[i].name, version) == 0)
            return &s->versions[i];
    }
    return NULL;
}

bool hf_config_version_name(const char *version)
{
    char why[8];

    return hf_version_name_check(version, why, sizeof(why));
}
