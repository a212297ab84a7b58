/*
 * The load generator of the benchmarks: rooms × members over WebSocket, some or all of whom also publish.
 *
 * It knows nothing of any peer: a plan file (see `lib/plan.mjs`) gives the bytes to say and the bytes to expect. It checks
 * what it reads: every member must get every message of its room exactly once, all in the same order, which keeps that of each sender,
 * with the payload intact, and nothing of another room; where there are acks, every message gets exactly one. `fanout.mjs` stands in for one room where
 * there is no C compiler.
 *
 *   load PLAN
 *   stdin:  open RATE WARM_MS WINDOW_MS      so many messages a second, from all senders in turn
 *           closed IN_FLIGHT WARM_MS WINDOW_MS   the next message when one has arrived
 *           stall                            the last reader reads no more
 *           wake                             it reads again, and must get all it was owed
 *           away COUNT                       all but the senders drop; each room gets COUNT messages; all come back at once and resume
 *   stdout: one line of JSON for the connecting, one for each command
 */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)
#define RING (1u << 17)
#define RING_MASK (RING - 1)
#define SAMPLE_EVERY 8
#define MAX_OUT (128 * 1024)
#define MAX_MESSAGE (32 * 1024)
#define SETTLE_US 300000

typedef enum { AWAY, CONNECTING, UPGRADING, JOINING, READY } State;

typedef struct {
  int fd;
  State state;
  bool is_sampled, is_stalled, keeps_context, is_dirty;
  uint32_t room, member;
  /* How many messages of its room it has: the place of the next. */
  uint32_t place;
  uint8_t *rest;
  size_t rest_length, rest_capacity;
  void *inflater;
  /* As a sender; `ordered` of those sent have a place. */
  uint32_t sent, ordered, in_flight, quota;
} Reader;

#define NO_PLACE UINT32_MAX

typedef struct {
  uint64_t number, sent_at;
  /* `local` counts the messages of the sender, `place` those of the room, in the order of whoever got them first. */
  uint32_t sender, local, place, missing;
  bool is_acked;
} Message;

static Reader *all;
static uint32_t readers;
static int poller;
static uint8_t buffer[READ_BYTES + MAX_OUT];
static uint32_t connecting, ready;

/* The number of the next message; all below `completed` have arrived everywhere. */
static uint64_t next_number, completed;
static Message messages[RING];
/* Senders of whose messages some have arrived, in a closed loop. */
static uint32_t *dirty, dirty_count;

/* By room: how many of its messages were sent, and how many have a place. */
static uint32_t *room_sent, *room_placed;

/* Counted over the whole life of the process; a window is a difference. */
typedef struct {
  uint64_t deliveries, bytes, reads, missing, repeated, corrupt, acks, deflated;
} Counts;
static Counts count;

/* The beginning of the last complaint of the server. */
static char complaint[200];

/* The window being measured: numbers from `first` to before `end`. */
static struct {
  uint64_t first, end, delivered;
} window = {UINT64_MAX, UINT64_MAX, 0};

static bool has_acks(void) {
  return plan.ack.length > 0;
}

/* ---- writing */

/* Publishes `many` messages in one write. */
static void publish_from(Reader *sender, uint64_t many) {
  static uint8_t out[MAX_OUT], text[MAX_MESSAGE];
  size_t at = 0;
  uint64_t now = now_us();
  bool has_stalled = false;
  if (sender->room == (uint32_t)plan.rooms - 1) has_stalled = all[readers - 1].is_stalled;
  for (uint64_t i = 0; i < many; i++) {
    uint64_t number = next_number++;
    if (next_number - completed >= RING) fail("the server is more than %u messages behind", RING);
    size_t length = fill(text, plan.publish, sender->room, number, plan.tails[number % plan.tail_count]);
    messages[number & RING_MASK] = (Message){
        .number = number,
        .sent_at = now,
        .sender = (uint32_t)(sender - all),
        .local = sender->sent++,
        .place = NO_PLACE,
        .missing = (uint32_t)plan.members - has_stalled,
    };
    sender->in_flight++;
    room_sent[sender->room]++;
    if (at + length + 14 > sizeof out) {
      write_all(sender->fd, out, at);
      at = 0;
    }
    at += write_frame(out + at, 1, text, length);
  }
  write_all(sender->fd, out, at);
}

/* ---- reading */

static void advance(void) {
  while (completed < next_number) {
    Message *message = &messages[completed & RING_MASK];
    if (message->missing > 0 || (has_acks() && !message->is_acked)) return;
    completed++;
  }
}

/* A message on its way has arrived: its sender may send another. */
static void settle(Message *message) {
  Reader *sender = &all[message->sender];
  sender->in_flight--;
  if (sender->is_dirty) return;
  sender->is_dirty = true;
  dirty[dirty_count++] = message->sender;
}

static bool is_measured(uint64_t number) {
  return number >= window.first && number < window.end;
}

/* The message of a number that stands in what came; NULL when there is none. */
static Message *message_of(const uint8_t *digit) {
  uint64_t number = 0;
  for (int i = 0; i < DIGITS; i++) {
    if (digit[i] < '0' || digit[i] > '9') return NULL;
    number = number * 10 + (uint64_t)(digit[i] - '0');
  }
  Message *message = &messages[number & RING_MASK];
  return number < next_number && message->number == number ? message : NULL;
}

/* Somebody is the first to get this message. */
static void give_place(Message *message) {
  Reader *sender = &all[message->sender];
  if (message->local != sender->ordered) count.missing++;
  sender->ordered = message->local + 1;
  message->place = room_placed[sender->room]++;
}

static void on_delivery(Reader *reader, const uint8_t *bytes, size_t length, uint64_t now) {
  const uint8_t *digit = bytes + plan.delivery.length;
  Message *message = length < plan.delivery.length + DIGITS ? NULL : message_of(digit);
  Text tail = message == NULL ? (Text){NULL, 0} : plan.tails[message->number % plan.tail_count];
  if (message == NULL || length < plan.delivery.length + DIGITS + tail.length ||
      memcmp(digit + DIGITS, tail.bytes, tail.length) != 0 || all[message->sender].room != reader->room) {
    count.corrupt++;
    return;
  }
  if (message->place == NO_PLACE) give_place(message);
  if (message->place < reader->place) {
    count.repeated++;
    return;
  }
  count.missing += message->place - reader->place;
  reader->place = message->place + 1;
  count.deliveries++;
  if (reader->is_stalled) return;
  if (is_measured(message->number)) {
    window.delivered++;
    if (reader->is_sampled && !plan.ends_with_ack) add_latency(now - message->sent_at);
  }
  if (--message->missing > 0) return;
  if (!plan.ends_with_ack) settle(message);
  advance();
}

static void on_ack(const uint8_t *bytes, size_t length, uint64_t now) {
  static const char name[] = "bench-";
  const uint8_t *id = memmem(bytes, length, name, sizeof name - 1);
  Message *message = NULL;
  if (id != NULL && (size_t)(bytes + length - id) >= sizeof name - 1 + DIGITS) message = message_of(id + sizeof name - 1);
  if (message == NULL) count.corrupt++;
  else if (message->is_acked) count.repeated++;
  else {
    count.acks++;
    message->is_acked = true;
    if (plan.ends_with_ack) {
      if (is_measured(message->number)) add_latency(now - message->sent_at);
      settle(message);
    }
    advance();
  }
}

static void enter(Reader *reader) {
  reader->state = READY;
  ready++;
  connecting--;
}

static void on_message(Reader *reader, const uint8_t *bytes, size_t length, uint64_t now) {
  if (starts_with(bytes, length, plan.delivery)) on_delivery(reader, bytes, length, now);
  else if (has_acks() && starts_with(bytes, length, plan.ack)) on_ack(bytes, length, now);
  else if (reader->state == JOINING && starts_with(bytes, length, plan.ready)) enter(reader);
  else if (memmem(bytes, length, "error", 5) != NULL) {
    snprintf(complaint, sizeof complaint, "%.*s", (int)length, (const char *)bytes);
    if (reader->state == JOINING) fail("a reader was not let in; it said: %s", complaint);
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
    uint8_t opcode = frame[0] & 0x0f, flags = frame[0] & 0xf0;
    bool is_deflated = flags == 0xc0 && opcode == 1 && plan.is_deflated;
    if ((flags != 0x80 && !is_deflated) || (frame[1] & 0x80) != 0) fail("the server sent a frame that is not whole and plain");
    if (is_deflated) {
      Text text = inflate_message(reader->keeps_context ? &reader->inflater : NULL, frame + header, size);
      uint64_t before = count.deliveries;
      on_message(reader, text.bytes, text.length, now);
      count.deflated += count.deliveries - before;
    } else if (opcode == 1) on_message(reader, frame + header, size, now);
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

static void on_upgraded(Reader *reader, const uint8_t *head, size_t length) {
  if (memcmp(head, "HTTP/1.1 101", 12) != 0) fail("the handshake was refused: %.12s", head);
  if (plan.is_deflated) {
    if (memmem(head, length, "permessage-deflate", 18) == NULL) fail("the server does not compress");
    reader->keeps_context = memmem(head, length, "server_no_context_takeover", 26) == NULL;
  }
  if (plan.hello.length > 0) {
    static uint8_t frame[8192], text[8192];
    size_t size = fill(text, plan.hello, reader->room, reader->place, (Text){NULL, 0});
    write_all(reader->fd, frame, write_frame(frame, 1, text, size));
  }
  reader->state = JOINING;
  if (plan.ready.length == 0) enter(reader);
}

static void read_once(Reader *reader) {
  size_t rest = reader->rest_length;
  if (rest > MAX_OUT) fail("a message is too long");
  memcpy(buffer, reader->rest, rest);
  ssize_t got = recv(reader->fd, buffer + rest, READ_BYTES, 0);
  if (got == 0) fail("the server dropped a reader");
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    fail("reading failed: %s", strerror(errno));
  }
  count.reads++;
  count.bytes += (uint64_t)got;
  size_t length = rest + (size_t)got, used = 0;
  if (reader->state == UPGRADING) {
    uint8_t *end = memmem(buffer, length, "\r\n\r\n", 4);
    if (end != NULL) {
      used = (size_t)(end - buffer) + 4;
      on_upgraded(reader, buffer, used);
    }
  }
  if (reader->state != UPGRADING) used += parse(reader, buffer + used, length - used, now_us());
  keep_rest(reader, buffer + used, length - used);
}

/* ---- connecting */

static void watch(Reader *reader, int how, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = reader};
  if (epoll_ctl(poller, how, reader->fd, &event) != 0) fail("epoll: %s", strerror(errno));
}

static void begin(Reader *reader) {
  int on = 1;
  uint32_t index = (uint32_t)(reader - all);
  reader->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (reader->fd < 0) fail("no more sockets: raise ulimit -n above %u", readers);
  setsockopt(reader->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (plan.is_last_tiny && index == readers - 1) {
    int small = 4096, segment = 536;
    setsockopt(reader->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(reader->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
  }
  if (plan.sources > 1) {
    /* More ports than one address has. */
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index % (uint32_t)plan.sources);
#ifdef IP_BIND_ADDRESS_NO_PORT
    setsockopt(reader->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
#endif
    if (bind(reader->fd, (struct sockaddr *)&source, sizeof source) != 0) fail("cannot bind: %s", strerror(errno));
  }
  int port = plan.ports[(reader->room + reader->member) % plan.port_count];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(reader->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
    fail("cannot connect: %s", strerror(errno));
  reader->state = CONNECTING;
  connecting++;
  watch(reader, EPOLL_CTL_ADD, EPOLLOUT);
}

static void on_connected(Reader *reader) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(reader->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) fail("cannot connect: %s", strerror(error));
  static uint8_t text[16384];
  Text token = plan.token_count == 0 ? (Text){NULL, 0} : plan.tokens[(size_t)(reader - all) % plan.token_count];
  write_all(reader->fd, text, fill(text, plan.handshake, reader->room, 0, token));
  reader->state = UPGRADING;
  watch(reader, EPOLL_CTL_MOD, EPOLLIN);
}

static void drop(Reader *reader) {
  close(reader->fd);
  reader->state = AWAY;
  reader->rest_length = 0;
  free_inflater(&reader->inflater);
  ready--;
}

/* Reads whatever comes, for at most so long. */
static void turn_us(uint64_t wait_us) {
  struct epoll_event events[256];
  int some = epoll_wait(poller, events, 256, 0);
  if (some == 0 && wait_us > 0) {
    struct timespec patience = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};
    struct pollfd wait = {poller, POLLIN, 0};
    if (ppoll(&wait, 1, &patience, NULL) > 0) some = epoll_wait(poller, events, 256, 0);
  }
  for (int i = 0; i < some; i++) {
    Reader *reader = events[i].data.ptr;
    if (reader->state == CONNECTING) on_connected(reader);
    else read_once(reader);
  }
}

/* A reader is a file: as many as the system lets us have. */
static void allow_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

/* Lets in all who are away, so many at a time. */
static void connect_away(uint32_t at_once, uint64_t patience_us) {
  uint64_t until = now_us() + patience_us;
  for (uint32_t i = 0; i < readers; i++) {
    if (all[i].state != AWAY) continue;
    while (connecting >= at_once && now_us() < until) turn_us(10000);
    begin(&all[i]);
  }
  while (ready < readers && now_us() < until) turn_us(10000);
  if (ready < readers) fail("%u of %u readers were not let in; the server said: %s", readers - ready, readers, complaint);
}

static void prepare(void) {
  allow_files();
  readers = (uint32_t)(plan.rooms * plan.members);
  all = calloc(readers, sizeof *all);
  dirty = calloc(readers, sizeof *dirty);
  room_sent = calloc((size_t)plan.rooms, sizeof *room_sent);
  room_placed = calloc((size_t)plan.rooms, sizeof *room_placed);
  poller = epoll_create1(0);
  for (uint32_t i = 0; i < readers; i++) {
    all[i].room = i / (uint32_t)plan.members;
    all[i].member = i % (uint32_t)plan.members;
    all[i].is_sampled = i % SAMPLE_EVERY == 0;
  }
}

/* ---- measuring */

static uint32_t sender_total(void) {
  return (uint32_t)(plan.rooms * plan.senders);
}

/* The senders in turn: first one of each room, then the next of each. */
static Reader *sender_at(uint64_t index) {
  uint64_t room = index % (uint64_t)plan.rooms, member = index / (uint64_t)plan.rooms % (uint64_t)plan.senders;
  return &all[room * (uint64_t)plan.members + member];
}

static void refill(Reader *sender) {
  if (sender->in_flight < sender->quota) publish_from(sender, sender->quota - sender->in_flight);
}

static void load_closed(unsigned long amount, uint64_t until) {
  uint32_t senders = sender_total();
  for (uint32_t i = 0; i < senders; i++) {
    Reader *sender = sender_at(i);
    sender->quota = (uint32_t)(amount / senders + (i < amount % senders));
    refill(sender);
  }
  while (now_us() < until) {
    turn_us(1000);
    uint32_t some = dirty_count;
    dirty_count = 0;
    for (uint32_t i = 0; i < some; i++) {
      all[dirty[i]].is_dirty = false;
      refill(&all[dirty[i]]);
    }
  }
}

static void load_open(unsigned long rate, uint64_t until, double *due) {
  static uint64_t turn_of;
  double step = 1e6 / (double)rate;
  for (uint64_t now = now_us(); now < until; now = now_us()) {
    uint64_t many = 0;
    for (; *due <= (double)now; *due += step) many++;
    if (sender_total() == 1 && many > 0) publish_from(&all[0], many);
    else for (; many > 0; many--) publish_from(sender_at(turn_of++), 1);
    uint64_t wake = *due < (double)until ? (uint64_t)*due : until;
    now = now_us();
    turn_us(wake > now ? wake - now : 0);
  }
}

static void load(bool is_closed, unsigned long amount, uint64_t until, double *due) {
  if (is_closed) load_closed(amount, until);
  else load_open(amount, until, due);
}

/* Reads until all has arrived, or for as long as the plan allows. Then what still comes is too much: a repetition arrives after the original. */
static bool drain(void) {
  uint64_t until = now_us() + (uint64_t)plan.drain_ms * 1000ull;
  while (completed < next_number && now_us() < until) turn_us(1000);
  bool is_drained = completed == next_number;
  uint64_t quiet_until = now_us() + 30000;
  while (now_us() < quiet_until) turn_us(5000);
  return is_drained;
}

static void say_window(Costs before, Costs after, Counts from, Counts to, uint64_t published, bool is_drained) {
  printf("{\"seconds\":%.4f,\"published\":%llu,\"expected\":%llu,\"delivered\":%llu,\"deliveriesInWindow\":%llu,",
         (double)(after.at_us - before.at_us) / 1e6, (unsigned long long)published,
         (unsigned long long)(published * (uint64_t)(plan.members - all[readers - 1].is_stalled)),
         (unsigned long long)window.delivered, (unsigned long long)(to.deliveries - from.deliveries));
  printf("\"bytes\":%llu,\"reads\":%llu,\"acksInWindow\":%llu,\"deflated\":%llu,", (unsigned long long)(to.bytes - from.bytes),
         (unsigned long long)(to.reads - from.reads), (unsigned long long)(to.acks - from.acks),
         (unsigned long long)(to.deflated - from.deflated));
  printf("\"missing\":%llu,\"repeated\":%llu,\"corrupt\":%llu,", (unsigned long long)(count.missing - from.missing),
         (unsigned long long)(count.repeated - from.repeated), (unsigned long long)(count.corrupt - from.corrupt));
  printf("\"acksSinceStart\":%llu,\"publishedSinceStart\":%llu,\"isDrained\":%s,\"p50Ms\":%.3f,\"p99Ms\":%.3f,",
         (unsigned long long)count.acks, (unsigned long long)next_number, is_drained ? "true" : "false",
         percentile_ms(0.5), percentile_ms(0.99));
  printf("\"serverCpuS\":%.3f,\"generatorCpuS\":%.3f,\"busyS\":%.3f,\"stealS\":%.3f,\"allS\":%.3f,\"takenS\":%.4f,\"rssKb\":%ld}\n",
         after.server_cpu_s - before.server_cpu_s, after.own_cpu_s - before.own_cpu_s, after.busy_s - before.busy_s,
         after.steal_s - before.steal_s, after.all_s - before.all_s, taken_s(before, after), server_rss_kb());
  fflush(stdout);
  if (!is_drained) exit(0);
}

static void measure(bool is_closed, unsigned long amount, unsigned long warm_ms, unsigned long window_ms) {
  uint64_t started = now_us();
  double due = (double)started;
  window.first = window.end = UINT64_MAX;
  load(is_closed, amount, started + warm_ms * 1000ull, &due);

  forget_latencies();
  window.delivered = 0;
  window.first = next_number;
  Counts from = count;
  Costs before = take_costs();
  load(is_closed, amount, before.at_us + window_ms * 1000ull, &due);
  Costs after = take_costs();
  Counts to = count;
  window.end = next_number;
  uint64_t published = window.end - window.first;
  bool is_drained = drain();
  say_window(before, after, from, to, published, is_drained);
}

static void stall(void) {
  Reader *last = &all[readers - 1];
  if (readers < 2) fail("nobody to stall");
  last->is_stalled = true;
  epoll_ctl(poller, EPOLL_CTL_DEL, last->fd, NULL);
  printf("{\"stalled\":1}\n");
  fflush(stdout);
}

static bool has_all(const Reader *reader) {
  return reader->place == room_sent[reader->room];
}

static void wake(void) {
  Reader *last = &all[readers - 1];
  Counts from = count;
  uint64_t started = now_us();
  watch(last, EPOLL_CTL_ADD, EPOLLIN);
  while (!has_all(last) && now_us() < started + (uint64_t)plan.drain_ms * 1000ull) turn_us(1000);
  bool is_whole = has_all(last);
  last->is_stalled = false;
  printf("{\"isWhole\":%s,\"seconds\":%.3f,\"caughtUp\":%llu,\"missing\":%llu,\"repeated\":%llu,\"corrupt\":%llu}\n",
         is_whole ? "true" : "false", (double)(now_us() - started) / 1e6, (unsigned long long)(count.deliveries - from.deliveries),
         (unsigned long long)(count.missing - from.missing), (unsigned long long)(count.repeated - from.repeated),
         (unsigned long long)(count.corrupt - from.corrupt));
  fflush(stdout);
}

/* How many messages each room is sent at once while its readers are away. */
#define AWAY_BATCH 10

static void come_back(unsigned long missed) {
  for (uint32_t i = 0; i < readers; i++) if (all[i].member >= (uint32_t)plan.senders) drop(&all[i]);
  uint64_t quiet_until = now_us() + SETTLE_US;
  while (now_us() < quiet_until) turn_us(10000);
  for (unsigned long sent = 0; sent < missed; sent += AWAY_BATCH) {
    for (int room = 0; room < plan.rooms; room++)
      publish_from(&all[room * plan.members], missed - sent < AWAY_BATCH ? missed - sent : AWAY_BATCH);
    uint64_t until = now_us() + (uint64_t)plan.drain_ms * 1000ull;
    while (count.acks < next_number && now_us() < until) turn_us(1000);
    if (count.acks < next_number) fail("what was sent while the readers were away is not acknowledged");
  }
  printf("{\"away\":%u}\n", readers - ready);
  fflush(stdout);
  quiet_until = now_us() + SETTLE_US;
  while (now_us() < quiet_until) turn_us(10000);

  window.first = window.end = UINT64_MAX;
  window.delivered = 0;
  Counts from = count;
  Costs before = take_costs();
  uint32_t away = readers - ready;
  connect_away(readers, (uint64_t)plan.drain_ms * 1000ull);
  double let_in_s = (double)(now_us() - before.at_us) / 1e6;
  while (completed < next_number && now_us() < before.at_us + (uint64_t)plan.drain_ms * 1000ull) turn_us(1000);
  Costs after = take_costs();
  Counts to = count;
  bool is_drained = drain();
  printf("{\"seconds\":%.3f,\"letInSeconds\":%.3f,\"cameBack\":%u,\"isDrained\":%s,\"expected\":%llu,\"resumed\":%llu,",
         (double)(after.at_us - before.at_us) / 1e6, let_in_s, away, is_drained ? "true" : "false",
         (unsigned long long)away * missed, (unsigned long long)(to.deliveries - from.deliveries));
  printf("\"bytes\":%llu,\"missing\":%llu,\"repeated\":%llu,\"corrupt\":%llu,", (unsigned long long)(to.bytes - from.bytes),
         (unsigned long long)(count.missing - from.missing), (unsigned long long)(count.repeated - from.repeated),
         (unsigned long long)(count.corrupt - from.corrupt));
  printf("\"serverCpuS\":%.3f,\"generatorCpuS\":%.3f,\"busyS\":%.3f,\"stealS\":%.3f,\"allS\":%.3f,\"takenS\":%.4f,\"rssKb\":%ld}\n",
         after.server_cpu_s - before.server_cpu_s, after.own_cpu_s - before.own_cpu_s, after.busy_s - before.busy_s,
         after.steal_s - before.steal_s, after.all_s - before.all_s, taken_s(before, after), server_rss_kb());
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  read_plan(argv[1]);
  if (plan.is_deflated && !can_inflate) fail("compression needs a load generator built with zlib");
  prepare();
  uint64_t started = now_us();
  connect_away((uint32_t)plan.connecting, 60000000);
  double seconds = (double)(now_us() - started) / 1e6;
  uint64_t settled = now_us() + SETTLE_US;
  while (now_us() < settled) turn_us(10000);
  printf("{\"connected\":%u,\"seconds\":%.3f}\n", readers, seconds);
  fflush(stdout);

  char line[256], kind[16];
  for (;;) {
    /* Between commands what the server says is still read. */
    struct pollfd input = {0, POLLIN, 0};
    while (poll(&input, 1, 0) == 0) turn_us(10000);
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    unsigned long amount = 0, warm_ms, window_ms;
    int parts = sscanf(line, "%15s %lu %lu %lu", kind, &amount, &warm_ms, &window_ms);
    if (parts == 1 && strcmp(kind, "stall") == 0) stall();
    else if (parts == 1 && strcmp(kind, "wake") == 0) wake();
    else if (parts == 2 && strcmp(kind, "away") == 0) come_back(amount);
    else if (parts == 4 && amount > 0) measure(strcmp(kind, "closed") == 0, amount, warm_ms, window_ms);
    else fail("not a command");
  }
}
