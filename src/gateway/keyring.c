#include "gateway/keyring.h"

#include <pthread.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

struct hf_keyring {
    pthread_mutex_t lock; /* over the set; taken when one changes, never for a request */
    struct hf_tls_set *set;
    _Atomic uint64_t version;
};

struct hf_keyring *hf_keyring_new(void)
{
    struct hf_keyring *k = hf_alloc(sizeof(*k));

    pthread_mutex_init(&k->lock, NULL);
    return k;
}

static int make_set(int fd, struct hf_tls_set **ret, struct hf_error *e)
{
    const struct hf_tls_bundle *b;
    int rc = hf_tls_bundle_open(fd, &b, e);

    if (rc)
        return rc;
    rc = hf_tls_set_new(b, ret, e);
    hf_tls_bundle_close(b);
    return rc;
}

void hf_keyring_load(struct hf_keyring *k, int bundle_fd_take)
{
    struct hf_tls_set *next, *old;
    struct hf_error e;

    if (make_set(bundle_fd_take, &next, &e)) {
        hf_err("cannot use the new certificates, the present ones stay: %s", e.text);
    } else {
        pthread_mutex_lock(&k->lock);
        old = k->set;
        k->set = next;
        atomic_fetch_add(&k->version, 1);
        pthread_mutex_unlock(&k->lock);
        hf_tls_set_unref(old);
        hf_info("certificates are in force");
    }
    close(bundle_fd_take);
}

uint64_t hf_keyring_version(const struct hf_keyring *k)
{
    return atomic_load_explicit(&k->version, memory_order_acquire);
}

struct hf_tls_set *hf_keyring_take(struct hf_keyring *k, uint64_t *ret_version)
{
    struct hf_tls_set *set;

    pthread_mutex_lock(&k->lock);
    set = k->set ? hf_tls_set_ref(k->set) : NULL;
    *ret_version = atomic_load(&k->version);
    pthread_mutex_unlock(&k->lock);
    return set;
}
