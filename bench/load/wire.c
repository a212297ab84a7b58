#include "load.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

void fail(const char *format, ...) {
  char message[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  for (char *at = message; *at != 0; at++) if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ') *at = '\'';
  printf("{\"error\":\"%s\"}\n", message);
  fflush(stdout);
  exit(1);
}

uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000ull + (uint64_t)time.tv_nsec / 1000ull;
}

size_t write_frame(uint8_t *target, uint8_t opcode, const uint8_t *payload, size_t length) {
  static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  size_t at = 0;
  target[at++] = 0x80 | opcode;
  if (length < 126) target[at++] = 0x80 | (uint8_t)length;
  else {
    target[at++] = 0x80 | 126;
    target[at++] = (uint8_t)(length >> 8);
    target[at++] = (uint8_t)length;
  }
  memcpy(target + at, mask, 4);
  at += 4;
  for (size_t i = 0; i < length; i++) target[at + i] = payload[i] ^ mask[i & 3];
  return at + length;
}

void write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t done = send(fd, bytes, length, MSG_NOSIGNAL);
    if (done > 0) {
      bytes += done;
      length -= (size_t)done;
    } else if (done < 0 && errno == EAGAIN) {
      struct pollfd wait = {fd, POLLOUT, 0};
      if (poll(&wait, 1, 5000) <= 0) fail("the server does not read from a publisher");
    } else if (errno != EINTR) fail("writing failed: %s", strerror(errno));
  }
}

bool starts_with(const uint8_t *bytes, size_t length, Text text) {
  return length >= text.length && memcmp(bytes, text.bytes, text.length) == 0;
}
