#include "gateway/answer_body.h"

#include "base/error.h"
#include "http/h1_write.h"

/* What people read: what happened, and what they can do. */
static const struct words {
    unsigned status;
    const char *title, *text;
} words[] = {
    {301, "This page has moved", "Your browser should have followed it there by itself."},
    {400, "This request could not be understood",
     "Something about it is not valid. If you followed a link, the link may be damaged."},
    {404, "There is nothing here", "The address may be mistyped, or what was here may have moved."},
    {408, "This took too long to arrive",
     "Your connection may be slow or interrupted. Please try again."},
    {413, "This is too large", "What you sent is larger than this site takes."},
    {414, "This address is too long", "If you followed a link, the link may be damaged."},
    {429, "That was too much at once", "Too many requests came from you in a short time."},
    {431, "This request is too large",
     "Removing the cookies that your browser keeps for this site may help."},
    {502, "This page cannot be reached right now",
     "The site had a problem answering. It is not your fault; please try again in a moment."},
    {503, "We will be back in a moment",
     "This part of the site is not available right now. Please try again shortly."},
    {504, "This is taking too long",
     "The site did not answer in time. It is not your fault; please try again in a moment."},
};

static struct words words_for(unsigned status)
{
    if (status > 300 && status < 309)
        status = 301;
    for (size_t i = 0; i < HF_COUNT(words); i++) {
        if (words[i].status == status)
            return words[i];
    }
    return status < 500 ? (struct words){status, "This request cannot be answered",
                                         "The site does not take requests of this kind."}
                        : (struct words){status, "Something went wrong",
                                         "It is not your fault; please try again in a moment."};
}

struct hf_str hf_answer_type(enum hf_answer_form form)
{
    switch (form) {
    case HF_ANSWER_HTML:
        return HF_STR("text/html; charset=utf-8");
    case HF_ANSWER_TEXT:
        return HF_STR("text/plain; charset=utf-8");
    default:
        return HF_STR("application/problem+json");
    }
}

/* ---- for programs ---- */

static void put_json(struct hf_h1_out *o, struct hf_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        if (ch < 0x20 || ch >= 0x7f) {
            hf_h1_put(o, HF_STR("\\u00"));
            hf_h1_put(o, (struct hf_str){&"0123456789abcdef"[ch >> 4], 1});
            hf_h1_put(o, (struct hf_str){&"0123456789abcdef"[ch & 15], 1});
            continue;
        }
        if (ch == '"' || ch == '\\')
            HF_H1_PUT(o, "\\");
        hf_h1_put(o, (struct hf_str){s.p + i, 1});
    }
}

static void put_problem(struct hf_h1_out *o, const struct hf_answer_body *a)
{
    HF_H1_PUT(o, "{\"type\":\"about:blank\",\"title\":\"");
    put_json(o, hf_http_reason(a->status));
    HF_H1_PUT(o, "\",\"status\":");
    hf_h1_put_decimal(o, a->status);
    HF_H1_PUT(o, ",\"detail\":\"");
    put_json(o, hf_str(a->detail));
    if (a->id.n) {
        HF_H1_PUT(o, "\",\"requestId\":\"");
        put_json(o, a->id);
    }
    HF_H1_PUT(o, "\"}\n");
}

/* ---- for people ---- */

static void put_html(struct hf_h1_out *o, struct hf_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            HF_H1_PUT(o, "&amp;");
            break;
        case '<':
            HF_H1_PUT(o, "&lt;");
            break;
        case '>':
            HF_H1_PUT(o, "&gt;");
            break;
        case '"':
            HF_H1_PUT(o, "&quot;");
            break;
        case '\'':
            HF_H1_PUT(o, "&#39;");
            break;
        default:
            hf_h1_put(o, (struct hf_str){s.p + i, 1});
            break;
        }
    }
}

static void put_status(struct hf_h1_out *o, unsigned status)
{
    hf_h1_put_decimal(o, status);
    HF_H1_PUT(o, " ");
    hf_h1_put(o, hf_http_reason(status));
}

static void put_page(struct hf_h1_out *o, const struct hf_answer_body *a)
{
    struct words w = words_for(a->status);

    HF_H1_PUT(o, "<!doctype html>\n"
                 "<html lang=\"en\">\n"
                 "<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width\">\n"
                 "<meta name=\"color-scheme\" content=\"light dark\">\n"
                 "<meta name=\"robots\" content=\"noindex\">\n"
                 "<title>");
    put_html(o, hf_str(w.title));
    HF_H1_PUT(o, "</title>\n"
                 "<style>\n"
                 "body{margin:0 auto;padding:18vh 1.5rem 2rem;max-width:34rem;"
                 "font:1.05rem/1.6 system-ui,sans-serif;color:#222;background:#fafafa}\n"
                 "h1{margin:0;font-size:1.7rem;line-height:1.3;font-weight:600}\n"
                 "footer{margin-top:2.5rem;padding-top:1rem;border-top:1px solid #ddd;"
                 "font-size:.85rem;color:#666}\n"
                 "code{overflow-wrap:anywhere}\n"
                 "@media(prefers-color-scheme:dark){"
                 "body{color:#ddd;background:#16181c}"
                 "footer{border-color:#333;color:#999}}\n"
                 "</style>\n"
                 "<h1>");
    put_html(o, hf_str(w.title));
    HF_H1_PUT(o, "</h1>\n<p>");
    put_html(o, hf_str(w.text));
    HF_H1_PUT(o, "</p>\n<footer>");
    put_status(o, a->status); /* what else there is to know stands in the access log */
    if (a->id.n) {
        HF_H1_PUT(o, "<br>\nIf you report this, please give the number <code>");
        put_html(o, a->id);
        HF_H1_PUT(o, "</code>");
    }
    HF_H1_PUT(o, "</footer>\n</html>\n");
}

static void put_text(struct hf_h1_out *o, const struct hf_answer_body *a)
{
    struct words w = words_for(a->status);

    hf_h1_put(o, hf_str(w.title));
    HF_H1_PUT(o, ".\n");
    hf_h1_put(o, hf_str(w.text));
    HF_H1_PUT(o, "\n\n");
    put_status(o, a->status);
    HF_H1_PUT(o, ": ");
    hf_h1_put(o, hf_str(a->detail));
    if (a->id.n) {
        HF_H1_PUT(o, "\nrequest ");
        hf_h1_put(o, a->id);
    }
    HF_H1_PUT(o, "\n");
}

struct hf_str hf_answer_render(const struct hf_answer_body *a, char buf[HF_ANSWER_BODY_MOST])
{
    struct hf_h1_out o = {buf, buf + HF_ANSWER_BODY_MOST, false};

    switch (a->form) {
    case HF_ANSWER_HTML:
        put_page(&o, a);
        break;
    case HF_ANSWER_TEXT:
        put_text(&o, a);
        break;
    default:
        put_problem(&o, a);
        break;
    }
    return (struct hf_str){buf, o.full ? 0 : (size_t)(o.p - buf)};
}
