#include "store/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    APPLICATION_ID = 0x686f6c64, /* "hold" */
    SCHEMA_VERSION = 1,
    BUSY_MS = 2000,
};

static const char schema[] =
    "CREATE TABLE document (kind TEXT, key TEXT, revision INTEGER NOT NULL, term INTEGER NOT NULL,"
    " body BLOB NOT NULL, PRIMARY KEY (kind, key)) STRICT;"
    "CREATE TABLE revision (last INTEGER NOT NULL) STRICT;"
    "CREATE TABLE fence (kind TEXT PRIMARY KEY, term INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE stream (name TEXT PRIMARY KEY, last INTEGER NOT NULL, term INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE record (stream TEXT, sequence INTEGER, body BLOB NOT NULL,"
    " PRIMARY KEY (stream, sequence)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, term INTEGER NOT NULL,"
    " counter INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO revision VALUES (0);";

enum statement {
    BEGIN_READ,
    BEGIN_WRITE,
    COMMIT,
    ROLLBACK,
    OP_BEGIN,
    OP_KEEP,
    OP_UNDO,
    DOC_GET,
    DOC_LIST,
    DOC_PUT,
    DOC_DELETE,
    REVISION_NEXT,
    FENCE_GET,
    FENCE_RAISE,
    STREAM_GET,
    STREAM_LIST,
    STREAM_PUT,
    RECORD_READ,
    RECORD_ADD,
    RECORD_TRIM,
    LEASE_GET,
    LEASE_PUT,
    STATEMENTS,
};

static const char *const statement_text[STATEMENTS] = {
    [BEGIN_READ] = "BEGIN",
    [BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [OP_BEGIN] = "SAVEPOINT op",
    [OP_KEEP] = "RELEASE op",
    [OP_UNDO] = "ROLLBACK TO op",
    [DOC_GET] = "SELECT key, revision, term, body FROM document WHERE kind = ?1 AND key = ?2",
    [DOC_LIST] = "SELECT key, revision, term, body FROM document WHERE kind = ?1 ORDER BY key",
    [DOC_PUT] = "INSERT INTO document VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE"
                " SET revision = ?3, term = ?4, body = ?5",
    [DOC_DELETE] = "DELETE FROM document WHERE kind = ?1 AND key = ?2",
    [REVISION_NEXT] = "UPDATE revision SET last = last + 1 RETURNING last",
    [FENCE_GET] = "SELECT term FROM fence WHERE kind = ?1",
    [FENCE_RAISE] = "INSERT INTO fence VALUES (?1, ?2) ON CONFLICT DO UPDATE"
                    " SET term = max(term, ?2)",
    [STREAM_GET] = "SELECT last, term FROM stream WHERE name = ?1",
    [STREAM_LIST] = "SELECT name, last, term FROM stream"
                    " WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
    [STREAM_PUT] = "INSERT INTO stream VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE"
                   " SET last = ?2, term = ?3",
    [RECORD_READ] = "SELECT sequence, body FROM record WHERE stream = ?1 AND sequence >= ?2"
                    " ORDER BY sequence LIMIT ?3",
    [RECORD_ADD] = "INSERT INTO record VALUES (?1, ?2, ?3)",
    [RECORD_TRIM] = "DELETE FROM record WHERE stream = ?1 AND sequence < ?2",
    [LEASE_GET] = "SELECT holder, term, counter FROM lease WHERE name = ?1",
    [LEASE_PUT] = "INSERT INTO lease VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
                  " SET holder = ?2, term = ?3, counter = ?4",
};

struct sqlite {
    struct hf_backend base;
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
};

static int code_of(int sqlite_code)
{
    int primary = sqlite_code & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ? HF_ECORRUPT : HF_EIO;
}

/* The database's last error, with the system's reason where SQLite kept it. */
static int fail(struct sqlite *s, const char *what, struct hf_error *e)
{
    int code = sqlite3_extended_errcode(s->db), sys = sqlite3_system_errno(s->db);

    switch (code & 0xff) {
    case SQLITE_BUSY:
        return hf_error_set(e, HF_EAGAIN, "store %s: cannot %s: in use by another process", s->path,
                            what);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return hf_error_set(e, HF_EIO, "store %s: cannot %s: %s (%s, SQLite code %d)", s->path,
                            what, sqlite3_errmsg(s->db),
                            sys ? strerror(sys) : "see the limits and the disk", code);
    default:
        return hf_error_set(e, code_of(code), "store %s: cannot %s: %s", s->path, what,
                            sqlite3_errmsg(s->db));
    }
}

/* ---- statements: bind in order, step, read columns, reset ---- */

static sqlite3_stmt *ready(struct sqlite *s, enum statement which)
{
    sqlite3_stmt *stmt = s->statements[which];

    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return stmt;
}

/* The bytes must stay until the statement was stepped. */
static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *stmt, int at, uint64_t number)
{
    sqlite3_bind_int64(stmt, at, (sqlite3_int64)number);
}

static void bind_bytes(sqlite3_stmt *stmt, int at, struct hf_str bytes)
{
    sqlite3_bind_blob(stmt, at, bytes.n ? bytes.p : "", (int)bytes.n, SQLITE_STATIC);
}

static uint64_t number(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}

static struct hf_str bytes(sqlite3_stmt *stmt, int column)
{
    const char *p = sqlite3_column_blob(stmt, column);
    return (struct hf_str){p, (size_t)sqlite3_column_bytes(stmt, column)};
}

/* Steps a query that gives at most one row: 1 there is one, 0 none, or an error. */
static int step_row(struct sqlite *s, sqlite3_stmt *stmt, const char *what, struct hf_error *e)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : fail(s, what, e);
}

static int step_done(struct sqlite *s, sqlite3_stmt *stmt, const char *what, struct hf_error *e)
{
    int rc = sqlite3_step(stmt);
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : fail(s, what, e);

    sqlite3_reset(stmt);
    return result;
}

static int simple(struct sqlite *s, enum statement which, const char *what, struct hf_error *e)
{
    return step_done(s, ready(s, which), what, e);
}

static int fenced(uint64_t stored, const struct hf_store_op *op, struct hf_error *e)
{
    if (stored <= op->term)
        return 0;
    return hf_error_set(e, HF_EREFUSED, "store: written under term %llu; term %llu is superseded",
                        (unsigned long long)stored, (unsigned long long)op->term);
}

/* ---- documents ---- */

static int run_get(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt = ready(s, DOC_GET);
    int rc;

    bind_text(stmt, 1, op->kind);
    bind_text(stmt, 2, op->key);
    rc = step_row(s, stmt, "read", &a->error);
    if (rc > 0)
        hf_store_answer_add_doc(a, bytes(stmt, 0), number(stmt, 1), number(stmt, 2),
                                bytes(stmt, 3));
    sqlite3_reset(stmt);
    if (rc == 0)
        return hf_error_set(&a->error, HF_ENOENT, "store: there is no %s \"%s\"", op->kind,
                            op->key);
    return rc < 0 ? rc : 0;
}

static int run_list(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt = ready(s, DOC_LIST);
    int rc;

    bind_text(stmt, 1, op->kind);
    while ((rc = step_row(s, stmt, "read", &a->error)) > 0)
        hf_store_answer_add_doc(a, bytes(stmt, 0), number(stmt, 1), number(stmt, 2),
                                bytes(stmt, 3));
    sqlite3_reset(stmt);
    return rc;
}

/* A kind without a document of that key: may a writer of this term create one? */
static int check_kind(struct sqlite *s, const struct hf_store_op *op, struct hf_error *e)
{
    sqlite3_stmt *stmt = ready(s, FENCE_GET);
    int rc;

    bind_text(stmt, 1, op->kind);
    rc = step_row(s, stmt, "read", e);
    if (rc > 0)
        rc = fenced(number(stmt, 0), op, e);
    sqlite3_reset(stmt);
    return rc;
}

/* Stores in *present the document's revision, 0 if there is none. */
static int check_document(struct sqlite *s, const struct hf_store_op *op, uint64_t *present,
                          struct hf_error *e)
{
    sqlite3_stmt *stmt = ready(s, DOC_GET);
    int rc;

    bind_text(stmt, 1, op->kind);
    bind_text(stmt, 2, op->key);
    rc = step_row(s, stmt, "read", e);
    *present = rc > 0 ? number(stmt, 1) : 0;
    if (rc > 0)
        rc = fenced(number(stmt, 2), op, e);
    else if (rc == 0)
        rc = check_kind(s, op, e);
    sqlite3_reset(stmt);
    if (rc)
        return rc;
    if (*present != op->revision)
        return hf_error_set(e, HF_ECONFLICT, "store: %s \"%s\" is at revision %llu, not %llu",
                            op->kind, op->key, (unsigned long long)*present,
                            (unsigned long long)op->revision);
    return 0;
}

static int run_put(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt;
    uint64_t revision;
    int rc = check_document(s, op, &revision, &a->error);

    if (rc) {
        a->revision = revision;
        return rc;
    }
    stmt = ready(s, REVISION_NEXT);
    rc = step_row(s, stmt, "write", &a->error);
    if (rc == 0)
        rc = hf_error_set(&a->error, HF_ECORRUPT, "store %s: it has lost its counter", s->path);
    if (rc < 0) {
        sqlite3_reset(stmt);
        return rc;
    }
    revision = number(stmt, 0);
    rc = step_done(s, stmt, "write", &a->error);
    if (rc)
        return rc;
    stmt = ready(s, DOC_PUT);
    bind_text(stmt, 1, op->kind);
    bind_text(stmt, 2, op->key);
    bind_number(stmt, 3, revision);
    bind_number(stmt, 4, op->term);
    bind_bytes(stmt, 5, op->value);
    rc = step_done(s, stmt, "write", &a->error);
    if (rc == 0)
        a->revision = revision;
    return rc;
}

static int run_delete(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt;
    uint64_t present;
    int rc = check_document(s, op, &present, &a->error);

    a->revision = present;
    if (rc)
        return rc;
    stmt = ready(s, DOC_DELETE);
    bind_text(stmt, 1, op->kind);
    bind_text(stmt, 2, op->key);
    rc = step_done(s, stmt, "write", &a->error);
    if (rc)
        return rc;
    stmt = ready(s, FENCE_RAISE);
    bind_text(stmt, 1, op->kind);
    bind_number(stmt, 2, op->term);
    return step_done(s, stmt, "write", &a->error);
}

/* ---- streams ---- */

static int stream_state(struct sqlite *s, const char *name, uint64_t *last, uint64_t *term,
                        struct hf_error *e)
{
    sqlite3_stmt *stmt = ready(s, STREAM_GET);
    int rc;

    bind_text(stmt, 1, name);
    rc = step_row(s, stmt, "read", e);
    *last = rc > 0 ? number(stmt, 0) : 0;
    *term = rc > 0 ? number(stmt, 1) : 0;
    sqlite3_reset(stmt);
    return rc < 0 ? rc : 0;
}

static int run_streams(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt = ready(s, STREAM_LIST);
    int rc;

    bind_text(stmt, 1, op->stream ? op->stream : "");
    while ((rc = step_row(s, stmt, "read", &a->error)) > 0)
        hf_store_answer_add_doc(a, bytes(stmt, 0), number(stmt, 1), number(stmt, 2),
                                (struct hf_str){0});
    sqlite3_reset(stmt);
    return rc;
}

static int run_last(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    uint64_t term;

    return stream_state(s, op->stream, &a->sequence, &term, &a->error);
}

static int run_read(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt = ready(s, RECORD_READ);
    size_t total = 0;
    int rc;

    bind_text(stmt, 1, op->stream);
    bind_number(stmt, 2, op->from);
    bind_number(stmt, 3, op->max);
    while ((rc = step_row(s, stmt, "read", &a->error)) > 0) {
        hf_store_answer_add_record(a, number(stmt, 0), bytes(stmt, 1));
        total += bytes(stmt, 1).n;
        if (total >= HF_STORE_READ_BYTES_MAX) {
            rc = 0;
            break;
        }
    }
    sqlite3_reset(stmt);
    return rc;
}

static int run_append(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt;
    uint64_t last, term;
    int rc = stream_state(s, op->stream, &last, &term, &a->error);

    if (rc == 0)
        rc = fenced(term, op, &a->error);
    if (rc == 0 && op->revision && op->revision != last + 1)
        rc = hf_error_set(&a->error, HF_ECONFLICT, "store: the stream \"%s\" is at %llu, not %llu",
                          op->stream, (unsigned long long)last,
                          (unsigned long long)op->revision - 1);
    if (rc)
        return rc;
    stmt = ready(s, RECORD_ADD);
    bind_text(stmt, 1, op->stream);
    bind_number(stmt, 2, last + 1);
    bind_bytes(stmt, 3, op->value);
    rc = step_done(s, stmt, "write", &a->error);
    if (rc)
        return rc;
    stmt = ready(s, STREAM_PUT);
    bind_text(stmt, 1, op->stream);
    bind_number(stmt, 2, last + 1);
    bind_number(stmt, 3, op->term);
    rc = step_done(s, stmt, "write", &a->error);
    if (rc == 0)
        a->sequence = last + 1;
    return rc;
}

static int run_trim(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt;
    uint64_t term;
    int rc = stream_state(s, op->stream, &a->sequence, &term, &a->error);

    if (rc == 0)
        rc = fenced(term, op, &a->error);
    if (rc)
        return rc;
    stmt = ready(s, RECORD_TRIM);
    bind_text(stmt, 1, op->stream);
    bind_number(stmt, 2, op->from);
    return step_done(s, stmt, "write", &a->error);
}

/* ---- leases ---- */

/* 1: stored the row in *ret; 0: there is none. */
static int lease_state(struct sqlite *s, const char *name, struct hf_store_lease *ret,
                       struct hf_error *e)
{
    sqlite3_stmt *stmt = ready(s, LEASE_GET);
    int rc;

    bind_text(stmt, 1, name);
    rc = step_row(s, stmt, "read", e);
    if (rc > 0) {
        hf_str_copy(bytes(stmt, 0), ret->holder, sizeof(ret->holder));
        ret->term = number(stmt, 1);
        ret->counter = number(stmt, 2);
    }
    sqlite3_reset(stmt);
    return rc;
}

static int lease_put(struct sqlite *s, const struct hf_store_op *op, uint64_t term,
                     uint64_t counter, struct hf_store_answer *a)
{
    sqlite3_stmt *stmt = ready(s, LEASE_PUT);
    int rc;

    bind_text(stmt, 1, op->lease);
    bind_text(stmt, 2, op->holder);
    bind_number(stmt, 3, term);
    bind_number(stmt, 4, counter);
    rc = step_done(s, stmt, "write", &a->error);
    if (rc == 0) {
        hf_str_copy(hf_str(op->holder), a->lease.holder, sizeof(a->lease.holder));
        a->lease.term = term;
        a->lease.counter = counter;
    }
    return rc;
}

static int run_lease(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    int rc = lease_state(s, op->lease, &a->lease, &a->error);

    if (rc == 0)
        return hf_error_set(&a->error, HF_ENOENT, "store: nobody ever held the lease \"%s\"",
                            op->lease);
    return rc < 0 ? rc : 0;
}

static int run_acquire(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    int rc = lease_state(s, op->lease, &a->lease, &a->error);

    if (rc < 0)
        return rc;
    if (a->lease.term != op->term || a->lease.counter != op->counter)
        return hf_error_set(&a->error, HF_ECONFLICT,
                            "store: the lease \"%s\" moved: \"%s\" has it in term %llu", op->lease,
                            a->lease.holder, (unsigned long long)a->lease.term);
    return lease_put(s, op, op->term + 1, 1, a);
}

static int run_renew(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    int rc = lease_state(s, op->lease, &a->lease, &a->error);

    if (rc < 0)
        return rc;
    if (a->lease.term != op->term || strcmp(a->lease.holder, op->holder) != 0)
        return hf_error_set(&a->error, HF_EREFUSED,
                            "store: the lease \"%s\" is lost: \"%s\" has it in term %llu",
                            op->lease, a->lease.holder, (unsigned long long)a->lease.term);
    return lease_put(s, op, a->lease.term, a->lease.counter + 1, a);
}

/* ---- the backend ---- */

static int sqlite_begin(struct hf_backend *b, bool writes, struct hf_error *e)
{
    return simple((struct sqlite *)b, writes ? BEGIN_WRITE : BEGIN_READ, "begin", e);
}

static int run_verb(struct sqlite *s, const struct hf_store_op *op, struct hf_store_answer *a)
{
    static int (*const verbs[])(struct sqlite *, const struct hf_store_op *,
                                struct hf_store_answer *) = {
        [HF_STORE_GET] = run_get,         [HF_STORE_LIST] = run_list,
        [HF_STORE_PUT] = run_put,         [HF_STORE_DELETE] = run_delete,
        [HF_STORE_STREAMS] = run_streams, [HF_STORE_LAST] = run_last,
        [HF_STORE_READ] = run_read,       [HF_STORE_APPEND] = run_append,
        [HF_STORE_TRIM] = run_trim,       [HF_STORE_LEASE] = run_lease,
        [HF_STORE_ACQUIRE] = run_acquire, [HF_STORE_RENEW] = run_renew,
    };
    return verbs[op->verb](s, op, a);
}

static bool batch_is_over(struct sqlite *s)
{
    return sqlite3_get_autocommit(s->db) != 0;
}

static void sqlite_run(struct hf_backend *b, const struct hf_store_op *op,
                       struct hf_store_answer *a)
{
    struct sqlite *s = (struct sqlite *)b;
    struct hf_error ignored;
    int rc;

    /* A full disk may have made SQLite roll all of it back: what ran now would stand alone. */
    if (batch_is_over(s)) {
        hf_error_set(&a->error, HF_EAGAIN, "store %s: the batch was rolled back", s->path);
        return;
    }
    if (!hf_store_verb_writes(op->verb)) {
        a->error.code = run_verb(s, op, a);
        return;
    }
    if (simple(s, OP_BEGIN, "begin", &a->error))
        return;
    rc = run_verb(s, op, a);
    if (rc && !batch_is_over(s) && simple(s, OP_UNDO, "roll back", &ignored))
        /* What is half done must not be committed with the others. */
        (void)simple(s, ROLLBACK, "roll back", &ignored);
    if (!batch_is_over(s) && simple(s, OP_KEEP, "write", rc ? &ignored : &a->error))
        return;
    a->error.code = rc;
}

static int sqlite_commit(struct hf_backend *b, struct hf_error *e)
{
    struct sqlite *s = (struct sqlite *)b;
    struct hf_error ignored;
    int rc;

    if (batch_is_over(s))
        return hf_error_set(e, HF_EAGAIN, "store %s: the batch was rolled back", s->path);
    rc = simple(s, COMMIT, "write", e);
    if (rc && !batch_is_over(s))
        (void)simple(s, ROLLBACK, "roll back", &ignored);
    return rc;
}

static void sqlite_close(struct hf_backend *b)
{
    struct sqlite *s = (struct sqlite *)b;

    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    hf_free(s->path);
    hf_free(s);
}

static const struct hf_backend_type sqlite_type = {
    .name = "sqlite",
    .begin = sqlite_begin,
    .run = sqlite_run,
    .commit = sqlite_commit,
    .close = sqlite_close,
};

/* ---- opening ---- */

static int sync_folder_of(const char *path, struct hf_error *e)
{
    HF_AUTOFREE char *copy = hf_strdup(path);
    const char *folder = dirname(copy);
    HF_AUTOCLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return hf_error_errno(e, HF_EIO, "store: cannot sync the folder %s", folder);
    return 0;
}

/* Makes the file if it is missing, for its owner's eyes only (SQLite gives its side files the same
 * mode). The descriptor is closed before SQLite opens the file, and never is there another: closing
 * one drops all locks of the process on that file. */
static int prepare_file(const char *path, struct hf_error *e)
{
    HF_AUTOCLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    struct stat st;

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "store: cannot open %s", path);
    if (fstat(fd, &st) < 0)
        return hf_error_errno(e, HF_EIO, "store: cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return hf_error_set(e, HF_EREFUSED, "store: %s is not a regular file", path);
    return st.st_size == 0 ? sync_folder_of(path, e) : 0;
}

/* The first column of a query's first row, as a number; 0 without a row. */
static int query_number(struct sqlite *s, const char *sql, int64_t *ret, struct hf_error *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return fail(s, "open", e);
    rc = step_row(s, stmt, "open", e);
    *ret = rc > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return rc < 0 ? rc : 0;
}

/* Runs a query of one row and compares its text. */
static int query_expect(struct sqlite *s, const char *sql, const char *expected, const char *what,
                        struct hf_error *e)
{
    sqlite3_stmt *stmt;
    const char *text;
    int rc;

    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return fail(s, "open", e);
    rc = step_row(s, stmt, "open", e);
    text = rc > 0 ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (rc >= 0 && (!text || strcmp(text, expected) != 0))
        rc = hf_error_set(e, HF_ECORRUPT, "store %s: %s: %s", s->path, what,
                          text ? text : "no answer");
    sqlite3_finalize(stmt);
    return rc < 0 ? rc : 0;
}

/* Stores in *ret if the file has nothing in it yet; refuses what is not ours. */
static int identify(struct sqlite *s, bool *ret, struct hf_error *e)
{
    int64_t id = 0, version = 0, tables = 0;
    int rc;

    if ((rc = query_number(s, "PRAGMA application_id", &id, e)) ||
        (rc = query_number(s, "PRAGMA user_version", &version, e)) ||
        (rc = query_number(s, "SELECT count(*) FROM sqlite_schema", &tables, e)))
        return rc;
    if (id == 0 && version == 0 && tables == 0) {
        *ret = true;
        return 0;
    }
    if (id != APPLICATION_ID)
        return hf_error_set(e, HF_EREFUSED,
                            "store %s: the file belongs to another program (application id %lld)",
                            s->path, (long long)id);
    if (version != SCHEMA_VERSION)
        return hf_error_set(e, HF_EREFUSED,
                            "store %s: the file is of version %lld, this holdfast reads %d",
                            s->path, (long long)version, SCHEMA_VERSION);
    *ret = false;
    return 0;
}

static int execute(struct sqlite *s, const char *sql, struct hf_error *e)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, "open", e);
}

static int create_schema(struct sqlite *s, struct hf_error *e)
{
    HF_AUTOFREE char *sql =
        hf_asprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d;"
                    " COMMIT;",
                    schema, APPLICATION_ID, SCHEMA_VERSION);
    return execute(s, sql, e);
}

static int open_database(struct sqlite *s, struct hf_error *e)
{
    bool fresh = false;
    int rc = prepare_file(s->path, e);

    if (rc)
        return rc;
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
        return fail(s, "open", e);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    rc = identify(s, &fresh, e);
    if (rc == 0 && !fresh)
        rc = query_expect(s, "PRAGMA quick_check(1)", "ok", "the file is damaged", e);
    if (rc == 0 && chmod(s->path, 0600) < 0)
        rc = hf_error_errno(e, HF_EIO, "store: cannot make %s private", s->path);
    if (rc == 0)
        rc = query_expect(s, "PRAGMA journal_mode = WAL", "wal",
                          "the file system allows no write-ahead log", e);
    if (rc == 0)
        rc = execute(s, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;", e);
    if (rc == 0 && fresh)
        rc = create_schema(s, e);
    for (int i = 0; rc == 0 && i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(s->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &s->statements[i], NULL) != SQLITE_OK)
            rc = fail(s, "open", e);
    }
    return rc;
}

int hf_sqlite_open(const char *path, struct hf_backend **ret, struct hf_error *e)
{
    struct sqlite *s = hf_alloc(sizeof(*s));
    int rc;

    s->base.type = &sqlite_type;
    s->path = hf_strdup(path);
    rc = open_database(s, e);
    if (rc) {
        sqlite_close(&s->base);
        return rc;
    }
    *ret = &s->base;
    return 0;
}
