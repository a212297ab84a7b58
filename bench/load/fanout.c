/*
 * The load generator of the fan-out benchmark: N WebSocket readers of one room, the first of which also publishes.
 *
 * It knows nothing of any peer: a plan file (see `lib/plan.mjs`) gives the bytes to say and the bytes to expect. It checks
 * what it reads: every reader must get every message exactly once, in order, with its payload intact. Same commands, plan
 * and answers as `fanout.mjs`, which stands in where there is no C compiler.
 *
 *   fanout PLAN
 *   stdin:  open RATE WARM_MS WINDOW_MS      so many messages a second
 *           closed IN_FLIGHT WARM_MS WINDOW_MS   the next message when one has reached all readers
 *   stdout: one line of JSON for the connecting, one for each command
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DIGITS 10
#define READ_BYTES (256 * 1024)
#define RING (1u << 16)
#define RING_MASK (RING - 1)
#define SUB_BUCKETS 64
#define BUCKETS (SUB_BUCKETS * 40)
#define SAMPLE_EVERY 8
#define MAX_OUT (64 * 1024)

typedef struct {
  uint8_t *bytes;
  size_t length;
} Text;

/* What the plan says. */
static int port, server_pid, readers, drain_ms;
static Text handshake, hello, ready, delivery, tail, publish, ack;

typedef struct {
  int fd;
  bool is_ready;
  bool is_sampled;
  uint64_t next;
  uint8_t *rest;
  size_t rest_length, rest_capacity;
} Reader;

static Reader *all;
static int poller;
static uint8_t buffer[READ_BYTES + MAX_OUT];

/* The number of the next message, and how many have reached every reader. */
static uint64_t next_number, completed;
static uint32_t missing_readers[RING];
static uint64_t sent_at[RING];

/* Counted over the whole life of the process; a window is a difference. */
static struct {
  uint64_t deliveries, bytes, reads, missing, repeated, corrupt, acks;
} count;

/* The beginning of the last complaint of the server. */
static char complaint[200];

/* The window being measured: numbers from `first` to before `end`. */
static struct {
  uint64_t first, end, delivered;
  uint64_t latency[BUCKETS], latencies;
} window;

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000ull + (uint64_t)time.tv_nsec / 1000ull;
}

static void fail(const char *format, ...) {
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

/* ---- the plan */

static Text from_hex(const char *hex) {
  Text text = {malloc(strlen(hex) / 2 + 1), strlen(hex) / 2};
  for (size_t i = 0; i < text.length; i++) {
    unsigned value;
    if (sscanf(hex + 2 * i, "%2x", &value) != 1) fail("the plan has a bad text");
    text.bytes[i] = (uint8_t)value;
  }
  return text;
}

static void read_plan(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) fail("cannot open the plan");
  static char line[16384], name[32], value[16384];
  while (fgets(line, sizeof line, file) != NULL) {
    value[0] = 0;
    if (sscanf(line, "%31s %16383s", name, value) < 1) continue;
    if (strcmp(name, "port") == 0) port = atoi(value);
    else if (strcmp(name, "pid") == 0) server_pid = atoi(value);
    else if (strcmp(name, "readers") == 0) readers = atoi(value);
    else if (strcmp(name, "drainMs") == 0) drain_ms = atoi(value);
    else if (strcmp(name, "handshake") == 0) handshake = from_hex(value);
    else if (strcmp(name, "hello") == 0) hello = from_hex(value);
    else if (strcmp(name, "ready") == 0) ready = from_hex(value);
    else if (strcmp(name, "delivery") == 0) delivery = from_hex(value);
    else if (strcmp(name, "tail") == 0) tail = from_hex(value);
    else if (strcmp(name, "publish") == 0) publish = from_hex(value);
    else if (strcmp(name, "ack") == 0) ack = from_hex(value);
  }
  fclose(file);
  if (port == 0 || readers == 0 || delivery.length == 0) fail("the plan is not complete");
}

/* ---- writing */

/* One masked text frame. Returns its length. */
static size_t write_frame(uint8_t *target, uint8_t opcode, const uint8_t *payload, size_t length) {
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

static void write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t done = send(fd, bytes, length, MSG_NOSIGNAL);
    if (done > 0) {
      bytes += done;
      length -= (size_t)done;
    } else if (done < 0 && errno == EAGAIN) {
      struct pollfd wait = {fd, POLLOUT, 0};
      if (poll(&wait, 1, 5000) <= 0) fail("the server does not read from the publisher");
    } else if (errno != EINTR) fail("writing failed: %s", strerror(errno));
  }
}

/* Publishes `many` messages in one write: the number replaces each run of DIGITS '#' in the template. */
static void publish_messages(uint64_t many) {
  static uint8_t out[MAX_OUT], text[4096];
  size_t at = 0;
  uint64_t now = now_us();
  for (uint64_t i = 0; i < many; i++) {
    uint64_t number = next_number++;
    char digits[DIGITS + 1];
    snprintf(digits, sizeof digits, "%010llu", (unsigned long long)number);
    memcpy(text, publish.bytes, publish.length);
    for (size_t j = 0; j + DIGITS <= publish.length; j++) {
      if (memcmp(text + j, "##########", DIGITS) == 0) memcpy(text + j, digits, DIGITS);
    }
    sent_at[number & RING_MASK] = now;
    missing_readers[number & RING_MASK] = (uint32_t)readers;
    if (next_number - completed >= RING) fail("the server is more than %u messages behind", RING);
    if (at + publish.length + 14 > sizeof out) {
      write_all(all[0].fd, out, at);
      at = 0;
    }
    at += write_frame(out + at, 1, text, publish.length);
  }
  write_all(all[0].fd, out, at);
}

/* ---- reading */

static bool starts_with(const uint8_t *bytes, size_t length, Text text) {
  return length >= text.length && memcmp(bytes, text.bytes, text.length) == 0;
}

static unsigned bucket_of(uint64_t us) {
  if (us < SUB_BUCKETS) return (unsigned)us;
  unsigned shift = 63u - (unsigned)__builtin_clzll(us) - 5u;
  unsigned bucket = (shift << 5) + (unsigned)(us >> shift);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double bucket_us(unsigned bucket) {
  if (bucket < SUB_BUCKETS) return bucket;
  unsigned shift = (bucket >> 5) - 1;
  return (double)((uint64_t)(bucket - (shift << 5)) << shift);
}

static double percentile_ms(double share) {
  uint64_t rank = (uint64_t)((double)window.latencies * share), seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += window.latency[i];
    if (seen > rank) return bucket_us(i) / 1000.0;
  }
  return 0;
}

static void on_delivery(Reader *reader, const uint8_t *bytes, size_t length, uint64_t now) {
  const uint8_t *digit = bytes + delivery.length;
  size_t needed = delivery.length + DIGITS + tail.length;
  if (length < needed || memcmp(digit + DIGITS, tail.bytes, tail.length) != 0) {
    count.corrupt++;
    return;
  }
  uint64_t number = 0;
  for (int i = 0; i < DIGITS; i++) number = number * 10 + (uint64_t)(digit[i] - '0');
  if (number >= next_number) {
    count.corrupt++;
    return;
  }
  if (number < reader->next) {
    count.repeated++;
    return;
  }
  count.missing += number - reader->next;
  reader->next = number + 1;
  count.deliveries++;
  if (number >= window.first && number < window.end) {
    window.delivered++;
    if (reader->is_sampled) {
      window.latency[bucket_of(now - sent_at[number & RING_MASK])]++;
      window.latencies++;
    }
  }
  missing_readers[number & RING_MASK]--;
  while (completed < next_number && missing_readers[completed & RING_MASK] == 0) completed++;
}

static void on_message(Reader *reader, const uint8_t *bytes, size_t length, uint64_t now) {
  if (starts_with(bytes, length, delivery)) on_delivery(reader, bytes, length, now);
  else if (ack.length > 0 && starts_with(bytes, length, ack)) count.acks++;
  else if (!reader->is_ready && starts_with(bytes, length, ready)) reader->is_ready = true;
  else if (memmem(bytes, length, "error", 5) != NULL) {
    snprintf(complaint, sizeof complaint, "%.*s", (int)length, (const char *)bytes);
  }
}

/* Parses whole frames; returns how many bytes were used. */
static size_t parse(Reader *reader, const uint8_t *bytes, size_t length, uint64_t now) {
  size_t at = 0;
  while (length - at >= 2) {
    const uint8_t *frame = bytes + at;
    size_t header = 2, size = frame[1] & 0x7f, left = length - at;
    if (size == 126) {
      header = 4;
      if (left < header) break;
      size = (size_t)frame[2] << 8 | frame[3];
    } else if (size == 127) {
      header = 10;
      if (left < header) break;
      size = (size_t)frame[6] << 24 | (size_t)frame[7] << 16 | (size_t)frame[8] << 8 | frame[9];
    }
    if (left < header + size) break;
    uint8_t opcode = frame[0] & 0x0f;
    if ((frame[0] & 0xf0) != 0x80 || (frame[1] & 0x80) != 0) fail("the server sent a frame that is not whole and plain");
    if (opcode == 1) on_message(reader, frame + header, size, now);
    else if (opcode == 9 && size < 126) {
      uint8_t pong[160];
      write_all(reader->fd, pong, write_frame(pong, 10, frame + header, size));
    } else if (opcode == 8) fail("the server closed a reader with %d", size >= 2 ? frame[header] << 8 | frame[header + 1] : 0);
    else if (opcode == 2) count.corrupt++;
    at += header + size;
  }
  return at;
}

static void keep_rest(Reader *reader, const uint8_t *bytes, size_t length) {
  if (length > reader->rest_capacity) {
    reader->rest = realloc(reader->rest, length);
    reader->rest_capacity = length;
  }
  memcpy(reader->rest, bytes, length);
  reader->rest_length = length;
}

/* One read. Returns false when there was nothing. */
static bool read_once(Reader *reader) {
  size_t rest = reader->rest_length;
  if (rest > MAX_OUT) fail("a message is too long");
  memcpy(buffer, reader->rest, rest);
  ssize_t got = recv(reader->fd, buffer + rest, READ_BYTES, 0);
  if (got == 0) fail("the server dropped a reader");
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    fail("reading failed: %s", strerror(errno));
  }
  count.reads++;
  count.bytes += (uint64_t)got;
  size_t length = rest + (size_t)got, used = parse(reader, buffer, length, now_us());
  keep_rest(reader, buffer + used, length - used);
  return true;
}

/* ---- connecting */

static void connect_reader(Reader *reader) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct timeval patience = {5, 0};
  int on = 1;
  reader->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (reader->fd < 0) fail("no more sockets: raise ulimit -n above %d", readers);
  setsockopt(reader->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(reader->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(reader->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect: %s", strerror(errno));
  write_all(reader->fd, handshake.bytes, handshake.length);

  size_t length = 0, head = 0;
  while (head == 0) {
    ssize_t got = recv(reader->fd, buffer + length, READ_BYTES - length, 0);
    if (got <= 0) fail("no answer to the handshake");
    length += (size_t)got;
    uint8_t *end = memmem(buffer, length, "\r\n\r\n", 4);
    if (end != NULL) head = (size_t)(end - buffer) + 4;
  }
  if (memcmp(buffer, "HTTP/1.1 101", 12) != 0) fail("the handshake was refused: %.12s", buffer);
  size_t used = parse(reader, buffer + head, length - head, now_us());
  keep_rest(reader, buffer + head + used, length - head - used);

  if (hello.length > 0) {
    static uint8_t frame[8192];
    write_all(reader->fd, frame, write_frame(frame, 1, hello.bytes, hello.length));
  }
  if (ready.length == 0) reader->is_ready = true;
  while (!reader->is_ready) if (!read_once(reader)) fail("a reader was not let in; it said: %s", complaint);
}

/* A reader is a file: as many as the system lets us have. */
static void allow_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

static void connect_all(void) {
  allow_files();
  all = calloc((size_t)readers, sizeof *all);
  poller = epoll_create1(0);
  for (int i = 0; i < readers; i++) {
    Reader *reader = &all[i];
    reader->is_sampled = i % SAMPLE_EVERY == 0;
    reader->rest = malloc(512);
    reader->rest_capacity = 512;
    connect_reader(reader);
    fcntl(reader->fd, F_SETFL, fcntl(reader->fd, F_GETFL) | O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = reader};
    epoll_ctl(poller, EPOLL_CTL_ADD, reader->fd, &event);
  }
}

/* Reads whatever comes, for at most so long. */
static void turn(int wait_ms) {
  struct epoll_event events[256];
  int ready_count = epoll_wait(poller, events, 256, wait_ms);
  for (int i = 0; i < ready_count; i++) read_once(events[i].data.ptr);
}

/* ---- what the machine did */

typedef struct {
  uint64_t at_us, deliveries, bytes, reads;
  double server_cpu_s, own_cpu_s, busy_s, steal_s, all_s;
} Snapshot;

static double server_cpu(void) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", server_pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  unsigned long user = 0, kernel = 0;
  char *after_name = strrchr(text, ')');
  if (after_name != NULL)
    sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
  return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static Snapshot take_snapshot(void) {
  Snapshot snapshot = {.at_us = now_us(), .deliveries = count.deliveries, .bytes = count.bytes, .reads = count.reads};
  struct rusage own;
  getrusage(RUSAGE_SELF, &own);
  snapshot.own_cpu_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                       (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
  snapshot.server_cpu_s = server_cpu();
  unsigned long long t[8] = {0};
  FILE *file = fopen("/proc/stat", "r");
  if (file != NULL) {
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6, t + 7) < 8)
      t[7] = 0;
    fclose(file);
  }
  double hertz = (double)sysconf(_SC_CLK_TCK);
  snapshot.busy_s = (double)(t[0] + t[1] + t[2] + t[5] + t[6]) / hertz;
  snapshot.steal_s = (double)t[7] / hertz;
  snapshot.all_s = snapshot.busy_s + snapshot.steal_s + (double)(t[3] + t[4]) / hertz;
  return snapshot;
}

static long server_rss_kb(void) {
  char path[64], line[256];
  long kb = 0;
  snprintf(path, sizeof path, "/proc/%d/status", server_pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL) if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
  fclose(file);
  return kb;
}

/* ---- measuring */

/* Publishes as asked until `until`. */
static void load(bool is_closed, unsigned long amount, uint64_t until, uint64_t *due) {
  for (;;) {
    uint64_t now = now_us();
    if (now >= until) return;
    if (is_closed) {
      uint64_t in_flight = next_number - completed;
      if (in_flight < amount) publish_messages(amount - in_flight);
      turn(1);
      continue;
    }
    uint64_t step = 1000000ull / amount, many = 0;
    for (; *due <= now; *due += step) many++;
    if (many > 0) publish_messages(many);
    uint64_t wake = *due < until ? *due : until;
    now = now_us();
    turn(wake > now ? (int)((wake - now) / 1000) : 0);
  }
}

static void measure(bool is_closed, unsigned long amount, unsigned long warm_ms, unsigned long window_ms) {
  uint64_t due = now_us();
  window.first = window.end = UINT64_MAX;
  load(is_closed, amount, now_us() + warm_ms * 1000ull, &due);

  memset(&window, 0, sizeof window);
  uint64_t missing = count.missing, repeated = count.repeated, corrupt = count.corrupt;
  window.first = next_number;
  window.end = UINT64_MAX;
  Snapshot before = take_snapshot();
  load(is_closed, amount, before.at_us + window_ms * 1000ull, &due);
  Snapshot after = take_snapshot();
  window.end = next_number;
  uint64_t published = window.end - window.first;

  uint64_t drain_until = after.at_us + (uint64_t)drain_ms * 1000ull;
  while (completed < next_number && now_us() < drain_until) turn(1);
  bool is_drained = completed == next_number;
  /* What still comes is too much: a repetition arrives after the original. */
  uint64_t quiet_until = now_us() + 30000;
  while (now_us() < quiet_until) turn(5);

  double seconds = (double)(after.at_us - before.at_us) / 1e6;
  uint64_t deliveries = after.deliveries - before.deliveries;
  printf("{\"seconds\":%.4f,\"published\":%llu,\"expected\":%llu,\"delivered\":%llu,\"deliveriesInWindow\":%llu,",
         seconds, (unsigned long long)published, (unsigned long long)(published * (uint64_t)readers),
         (unsigned long long)window.delivered, (unsigned long long)deliveries);
  printf("\"bytes\":%llu,\"reads\":%llu,\"missing\":%llu,\"repeated\":%llu,\"corrupt\":%llu,",
         (unsigned long long)(after.bytes - before.bytes), (unsigned long long)(after.reads - before.reads),
         (unsigned long long)(count.missing - missing), (unsigned long long)(count.repeated - repeated),
         (unsigned long long)(count.corrupt - corrupt));
  printf("\"acksSinceStart\":%llu,\"publishedSinceStart\":%llu,\"isDrained\":%s,\"p50Ms\":%.3f,\"p99Ms\":%.3f,",
         (unsigned long long)count.acks, (unsigned long long)next_number,
         is_drained ? "true" : "false", percentile_ms(0.5), percentile_ms(0.99));
  printf("\"serverCpuS\":%.3f,\"generatorCpuS\":%.3f,\"busyS\":%.3f,\"stealS\":%.3f,\"allS\":%.3f,\"rssKb\":%ld}\n",
         after.server_cpu_s - before.server_cpu_s, after.own_cpu_s - before.own_cpu_s, after.busy_s - before.busy_s,
         after.steal_s - before.steal_s, after.all_s - before.all_s, server_rss_kb());
  fflush(stdout);
  if (!is_drained) exit(0);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  read_plan(argv[1]);
  uint64_t started = now_us();
  connect_all();
  uint64_t settled = now_us() + 300000;
  while (now_us() < settled) turn(10);
  printf("{\"connected\":%d,\"seconds\":%.3f}\n", readers, (double)(now_us() - started) / 1e6);
  fflush(stdout);

  char line[256], kind[16];
  unsigned long amount, warm_ms, window_ms;
  for (;;) {
    /* Between commands what the server says is still read. */
    struct pollfd input = {0, POLLIN, 0};
    while (poll(&input, 1, 0) == 0) turn(10);
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    if (sscanf(line, "%15s %lu %lu %lu", kind, &amount, &warm_ms, &window_ms) != 4 || amount == 0) fail("not a command");
    measure(strcmp(kind, "closed") == 0, amount, warm_ms, window_ms);
  }
}
