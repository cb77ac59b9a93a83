#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pack.h"
#include "mount/frame.h"
#include "tests/lib/test.h"

static char *const some_words[] = {"tag", "add", "--", "caf\xc3\xa9", "/a b\n\xff", "", NULL};

static void a_request_comes_back(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	struct frame frame;

	frame_put_request(&b, FRAME_STDOUT_TTY, 6, some_words);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.data[0] << 24 | b.data[1] << 16 | b.data[2] << 8 | b.data[3], b.len - 4);
	assert_int_equal(frame_decode(b.data + 4, b.len - 4, &frame), 0);
	assert_int_equal(frame.kind, FRAME_REQUEST);
	assert_int_equal(frame.version, FRAME_VERSION);
	assert_int_equal(frame.flags, FRAME_STDOUT_TTY);
	assert_int_equal(frame.word_count, 6);
	for (int i = 0; i < 6; i++)
		assert_string_equal(frame.words[i], some_words[i]);
	assert_null(frame.words[6]);
	free(frame.words);
}

static void output_and_exit_come_back(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	struct frame frame;

	for (int stream = OUT_STDOUT; stream <= OUT_PROGRESS; stream++) {
		buf_clear(&b);
		frame_put_output(&b, (enum out_stream)stream, "x\0y", 3);
		assert_int_equal(frame_decode(b.data + 4, b.len - 4, &frame), 0);
		assert_int_equal(frame.kind, FRAME_STDOUT + stream);
		assert_int_equal(frame.len, 3);
		assert_memory_equal(frame.bytes, "x\0y", 3);
	}
	buf_clear(&b);
	frame_put_exit(&b, 75);
	assert_int_equal(frame_decode(b.data + 4, b.len - 4, &frame), 0);
	assert_int_equal(frame.kind, FRAME_EXIT);
	assert_int_equal(frame.code, 75);
}

static void put_version(struct buf *b, uint64_t version, uint64_t flags)
{
	pack_array(b, 4);
	pack_uint(b, FRAME_REQUEST);
	pack_uint(b, version);
	pack_uint(b, flags);
	pack_array(b, 1);
	pack_bin(b, "x", 1);
}

static void another_version_is_told_apart_from_nonsense(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	struct frame frame;

	put_version(&b, FRAME_VERSION + 1, 0);
	assert_int_equal(frame_decode(b.data, b.len, &frame), 0);
	assert_int_equal(frame.version, FRAME_VERSION + 1);
	assert_null(frame.words);
	buf_clear(&b);
	put_version(&b, FRAME_VERSION, 4); /* a flag that there is not */
	assert_int_equal(frame_decode(b.data, b.len, &frame), -ERR_MALFORMED);
}

static void expect_malformed(const struct buf *b)
{
	struct frame frame;

	assert_int_equal(frame_decode(b->data, b->len, &frame), -ERR_MALFORMED);
}

static void malformed(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	struct frame frame;

	assert_int_equal(frame_decode(NULL, 0, &frame), -ERR_MALFORMED);
	pack_array(&b, 2); /* an unknown kind */
	pack_uint(&b, 99);
	pack_uint(&b, 1);
	expect_malformed(&b);
	buf_clear(&b);
	pack_array(&b, 2); /* an exit code that is none */
	pack_uint(&b, FRAME_EXIT);
	pack_uint(&b, 256);
	expect_malformed(&b);
	buf_clear(&b);
	frame_put_exit(&b, 0); /* bytes after it */
	buf_append(&b, "x", 1);
	assert_int_equal(frame_decode(b.data + 4, b.len - 4, &frame), -ERR_MALFORMED);
	buf_clear(&b);
	pack_array(&b, 4); /* NUL in a word */
	pack_uint(&b, FRAME_REQUEST);
	pack_uint(&b, FRAME_VERSION);
	pack_uint(&b, 0);
	pack_array(&b, 1);
	pack_bin(&b, "a\0b", 3);
	expect_malformed(&b);
	buf_clear(&b);
	pack_array(&b, 4); /* no word */
	pack_uint(&b, FRAME_REQUEST);
	pack_uint(&b, FRAME_VERSION);
	pack_uint(&b, 0);
	pack_array(&b, 0);
	expect_malformed(&b);
}

/* Every frame cut short at every byte, and with every byte changed, is refused or decodes to something whole. */
static void cut_and_changed(void **state)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	unsigned seed = 1;

	frame_put_request(&b, 3, 6, some_words);
	for (size_t len = 4; len < b.len; len++) {
		struct frame frame;
		uint8_t *exact = malloc(len - 4 + 1); /* so that the address sanitizer sees a step too far */

		memcpy(exact, b.data + 4, len - 4);
		assert_int_equal(frame_decode(exact, len - 4, &frame), -ERR_MALFORMED);
		free(exact);
	}
	for (int round = 0; round < 50000; round++) {
		struct frame frame = {0};
		size_t len = b.len - 4;
		uint8_t *copy = malloc(len);

		memcpy(copy, b.data + 4, len);
		for (int i = 0; i < 1 + round % 3; i++) {
			seed = seed * 1103515245 + 12345;
			copy[(seed >> 8) % len] = (uint8_t)(seed >> 20);
		}
		if (frame_decode(copy, len, &frame) == 0)
			free(frame.words);
		free(copy);
	}
}

static void random_bytes_as_frames(void **state)
{
	unsigned seed = 7;

	for (int round = 0; round < 50000; round++) {
		uint8_t data[32];
		struct frame frame = {0};

		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1103515245 + 12345;
			data[i] = (uint8_t)(seed >> 16);
		}
		data[0] = (uint8_t)(0x90 | (data[0] & 7));
		data[1] = (uint8_t)(data[1] % 7);
		if (frame_decode(data, sizeof(data), &frame) == 0)
			free(frame.words);
	}
}

/* --- on a connection --- */

struct pipe {
	int ends[2];
};

static int setup(void **state)
{
	struct pipe *p = calloc(1, sizeof(*p));

	*state = p;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, p->ends);
}

static int teardown(void **state)
{
	struct pipe *p = *state;

	close_fd(&p->ends[0]);
	close_fd(&p->ends[1]);
	free(p);
	return 0;
}

static void two_frames_on_a_connection(void **state)
{
	struct pipe *p = *state;
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(buf_release) struct buf payload = BUF_INIT;
	struct frame frame;

	frame_put_output(&b, OUT_STDERR, "hello", 5);
	frame_put_exit(&b, 1);
	assert_int_equal(frame_write(p->ends[0], &b), 0);
	assert_int_equal(frame_read(p->ends[1], 1000, 1000, NULL, &payload), 0);
	assert_int_equal(frame_decode(payload.data, payload.len, &frame), 0);
	assert_memory_equal(frame.bytes, "hello", 5);
	assert_int_equal(frame_read(p->ends[1], 1000, 1000, NULL, &payload), 0);
	assert_int_equal(frame_decode(payload.data, payload.len, &frame), 0);
	assert_int_equal(frame.code, 1);
	assert_int_equal(frame_read(p->ends[1], 1000, 10, NULL, &payload), -ETIMEDOUT);
	close_fd(&p->ends[0]);
	p->ends[0] = -1;
	assert_int_equal(frame_read(p->ends[1], 1000, -1, NULL, &payload), -EPIPE);
}

static void a_length_is_not_trusted(void **state)
{
	struct pipe *p = *state;
	_cleanup_(buf_release) struct buf payload = BUF_INIT;

	assert_int_equal(write(p->ends[0], "\xff\xff\xff\xff", 4), 4);
	assert_int_equal(frame_read(p->ends[1], 1000, 1000, NULL, &payload), -ERR_TOO_LARGE);
	assert_int_equal(write(p->ends[0],
			       "\0\0\0\x09"
			       "short",
			       9),
			 9);
	close_fd(&p->ends[0]);
	p->ends[0] = -1;
	assert_int_equal(frame_read(p->ends[1], 1000, 1000, NULL, &payload), -ERR_MALFORMED);
}

struct writing {
	int fd;
	const struct buf *b;
	int r;
};

static void *write_it(void *arg)
{
	struct writing *w = arg;

	w->r = frame_write(w->fd, w->b);
	return NULL;
}

/* Larger than the buffers of the socket. */
static void a_large_request(void **state)
{
	enum { COUNT = 50000 };
	struct pipe *p = *state;
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(buf_release) struct buf payload = BUF_INIT;
	char **words = malloc(COUNT * sizeof(*words));
	struct writing w = {.fd = p->ends[0], .b = &b};
	struct frame frame;
	pthread_t thread;

	for (int i = 0; i < COUNT; i++)
		words[i] = (char *)"/a/path/of/some/length/to/a/file.jpg";
	frame_put_request(&b, 0, COUNT, words);
	assert_int_equal(pthread_create(&thread, NULL, write_it, &w), 0);
	assert_int_equal(frame_read(p->ends[1], FRAME_REQUEST_MAX_BYTES, 5000, NULL, &payload), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.r, 0);
	assert_int_equal(frame_decode(payload.data, payload.len, &frame), 0);
	assert_int_equal(frame.word_count, COUNT);
	assert_string_equal(frame.words[COUNT - 1], words[0]);
	free(frame.words);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_comes_back),
	    cmocka_unit_test(output_and_exit_come_back),
	    cmocka_unit_test(another_version_is_told_apart_from_nonsense),
	    cmocka_unit_test(malformed),
	    cmocka_unit_test(cut_and_changed),
	    cmocka_unit_test(random_bytes_as_frames),
	    cmocka_unit_test_setup_teardown(two_frames_on_a_connection, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_length_is_not_trusted, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_large_request, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
