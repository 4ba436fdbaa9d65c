#include "config/user.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"

enum { PASSWD_MAX = 16384, NOBODY = 65534 };

static const struct passwd *look_up(const char *name, struct passwd *pw, char *buf)
{
    struct passwd *found = NULL;
    uint64_t number;
    int rc = hf_str_to_u64(hf_str(name), &number) == 0 && number < UINT32_MAX
                 ? getpwuid_r((uid_t)number, pw, buf, PASSWD_MAX, &found)
                 : getpwnam_r(name, pw, buf, PASSWD_MAX, &found);

    /* All but these mean the same: there is no such user. */
    errno = rc == EIO || rc == EMFILE || rc == ENFILE || rc == ENOMEM || rc == ERANGE ? rc : 0;
    return found;
}

/* A number may stand for a user that has no name, as in a container. */
static bool nameless(const char *name, uint32_t *ret)
{
    uint64_t number;

    if (hf_str_to_u64(hf_str(name), &number) || number >= UINT32_MAX)
        return false;
    *ret = (uint32_t)number;
    return true;
}

int hf_gateway_user_find(const char *name, uint32_t *uid, uint32_t *gid, struct hf_error *e)
{
    HF_AUTOFREE char *buf = hf_alloc(PASSWD_MAX);
    const struct passwd *found;
    struct passwd pw;
    uint32_t id = NOBODY;

    found = look_up(name ? name : "nobody", &pw, buf);
    if (!found && errno)
        return hf_error_errno(e, HF_EIO, "cannot look up the user %s", name ? name : "nobody");
    if (!found && name && !nameless(name, &id))
        return hf_error_set(e, HF_ENOENT, "is \"%s\", which is no user of this machine", name);
    *uid = found ? found->pw_uid : id;
    *gid = found ? found->pw_gid : id;
    return 0;
}

bool hf_gateway_user_check(const char *text, char *why, size_t size)
{
    struct hf_error e;
    uint32_t uid = 0, gid;

    if (hf_gateway_user_find(text, &uid, &gid, &e)) {
        snprintf(why, size, "%s", e.text);
        return false;
    }
    if (uid == 0)
        snprintf(why, size, "is \"%s\", which is root", text);
    return uid != 0;
}
