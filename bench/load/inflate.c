/*
 * Inflates messages with zlib, where the system has it (-DWITH_ZLIB -lz). A server that takes nothing over from message to message
 * may send all readers the same bytes: the same bytes are inflated once.
 */
#include "load.h"
#include <stdlib.h>
#include <string.h>

#ifdef WITH_ZLIB
#include <zlib.h>

const bool can_inflate = true;

#define PLAIN_BYTES (1024 * 1024)
/* Messages remembered: a reader may be a few behind another. */
#define REMEMBERED 8

static uint8_t plain[PLAIN_BYTES];
static struct {
  uint8_t *from, *to;
  size_t from_length, to_length;
} remembered[REMEMBERED];
static unsigned oldest;

static z_stream *new_stream(void) {
  z_stream *stream = calloc(1, sizeof *stream);
  if (inflateInit2(stream, -15) != Z_OK) fail("zlib does not start");
  return stream;
}

static size_t run(z_stream *stream, const uint8_t *bytes, size_t length) {
  static uint8_t mark[4] = {0, 0, 0xff, 0xff};
  stream->next_out = plain;
  stream->avail_out = PLAIN_BYTES;
  stream->next_in = (uint8_t *)bytes;
  stream->avail_in = (uInt)length;
  int status = inflate(stream, Z_NO_FLUSH);
  if (status == Z_OK || status == Z_BUF_ERROR) {
    stream->next_in = mark;
    stream->avail_in = sizeof mark;
    status = inflate(stream, Z_SYNC_FLUSH);
  }
  if (status != Z_OK && status != Z_BUF_ERROR) fail("the server sent what does not inflate");
  return PLAIN_BYTES - stream->avail_out;
}

Text inflate_message(void **own, const uint8_t *bytes, size_t length) {
  if (own != NULL) {
    if (*own == NULL) *own = new_stream();
    return (Text){plain, run(*own, bytes, length)};
  }
  for (unsigned i = 0; i < REMEMBERED; i++) {
    if (remembered[i].from_length == length && length > 0 && memcmp(remembered[i].from, bytes, length) == 0)
      return (Text){remembered[i].to, remembered[i].to_length};
  }
  static z_stream *shared;
  if (shared == NULL) shared = new_stream();
  inflateReset(shared);
  size_t plain_length = run(shared, bytes, length);
  unsigned slot = oldest++ % REMEMBERED;
  remembered[slot].from = realloc(remembered[slot].from, length + 1);
  remembered[slot].to = realloc(remembered[slot].to, plain_length + 1);
  memcpy(remembered[slot].from, bytes, length);
  memcpy(remembered[slot].to, plain, plain_length);
  remembered[slot].from_length = length;
  remembered[slot].to_length = plain_length;
  return (Text){remembered[slot].to, plain_length};
}

void free_inflater(void **own) {
  if (*own == NULL) return;
  inflateEnd(*own);
  free(*own);
  *own = NULL;
}

#else

const bool can_inflate = false;

Text inflate_message(void **own, const uint8_t *bytes, size_t length) {
  (void)own, (void)bytes, (void)length;
  fail("built without zlib");
}

void free_inflater(void **own) {
  (void)own;
}

#endif
