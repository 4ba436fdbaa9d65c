#include "test.h"

#include "gateway/h2_frames.h"

static const char bytes[] =
    "preface of 24 bytes.....\0\0\5\1\4\0\0\0\1hello\0\0\0\4\1\x80\0\0\0\0\0\3\0\1\1\2\3\4abc";
enum { N = sizeof(bytes) - 1 };

/* However the bytes are cut: the same frames, at the same places, and nothing is lost. */
static void frames_are_found_in_any_pieces(void **state)
{
    static const struct hf_h2_frame want[] = {{5, 1, 1, 4}, {0, 0, 4, 1}, {3, 0x1020304, 0, 1}};

    (void)state;
    for (size_t cut = 1; cut <= N; cut++) {
        struct hf_h2_frames f = {.left = HF_H2_PREFACE};
        size_t found = 0, taken = 0;
        for (size_t at = 0; at < N; at += cut) {
            struct hf_str rest = {bytes + at, at + cut < N ? cut : N - at};
            while (rest.n) {
                struct hf_h2_frame frame;
                struct hf_str part;
                bool begins = hf_h2_frames_next(&f, &rest, &part, &frame);
                assert_ptr_equal(part.p, bytes + taken);
                taken += part.n;
                if (!begins)
                    continue;
                assert_in_range(found, 0, 2);
                assert_int_equal(frame.length, want[found].length);
                assert_int_equal(frame.stream, want[found].stream);
                assert_int_equal(frame.kind, want[found].kind);
                assert_int_equal(frame.flags, want[found].flags);
                found++;
            }
        }
        assert_int_equal(found, 3);
        assert_int_equal(taken, N);
        assert_int_equal(f.left, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_found_in_any_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
