/* What the parts of the load generator share. See load.c for what it does. */
#ifndef LOAD_H
#define LOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint8_t *bytes;
  size_t length;
} Text;

/* ---- plan.c: what to do, as the file of lib/plan.mjs says */

typedef struct {
  int rooms, members, senders, drain_ms;
  /* Where the servers listen: one, or several nodes of one. Member m of room r connects to node (r + m) modulo their number. */
  int *ports;
  size_t port_count;
  /* The processes whose costs are counted together. */
  int *pids;
  size_t pid_count;
  /* How many connect at once, and from how many addresses 127.0.0.x. */
  int connecting, sources;
  /* Whether the last reader has buffers so small that what it does not read soon waits in the server. */
  bool is_last_tiny;
  bool is_deflated;
  /* Whether a message on its way has arrived when it was acknowledged, rather than when all readers have it. */
  bool ends_with_ack;
  Text handshake, hello, ready, delivery, publish, ack;
  /* What follows the number of a message: message n has the tail n modulo their number. */
  Text *tails;
  size_t tail_count;
  /* One for each connection, for %TOKEN% in the handshake. */
  Text *tokens;
  size_t token_count;
} Plan;

extern Plan plan;

void read_plan(const char *path);

#define DIGITS 10

/* Copies a template and puts in what its placeholders stand for. Returns the length; the target has room for all. */
size_t fill(uint8_t *target, Text template, uint32_t room, uint64_t number, Text inset);

/* ---- wire.c: frames and sockets */

/* Prints {"error": …} and ends the process. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t now_us(void);
/* One masked frame. Returns its length: at most 14 more than the payload's. */
size_t write_frame(uint8_t *target, uint8_t opcode, const uint8_t *payload, size_t length);
void write_all(int fd, const uint8_t *bytes, size_t length);
bool starts_with(const uint8_t *bytes, size_t length, Text text);

/* ---- inflate.c: permessage-deflate */

/* Whether this program can inflate at all. */
extern const bool can_inflate;
/* The plain bytes of a compressed message, valid until the next call. `stream` is the reader's own where the server takes
   its context over from message to message, else NULL. */
Text inflate_message(void **stream, const uint8_t *bytes, size_t length);
void free_inflater(void **stream);

/* ---- machine.c: what the processes cost */

typedef struct {
  uint64_t at_us;
  double server_cpu_s, own_cpu_s, busy_s, steal_s, all_s;
  /* Of the server's first thread, and what it and this program waited for a core. */
  double server_ran_s, server_waited_s, own_waited_s;
} Costs;

Costs take_costs(void);
/* How long somebody else had the core of the server or of this program when they wanted it, s. */
double taken_s(Costs before, Costs after);
long server_rss_kb(void);

/* ---- histogram.c: latencies */

void forget_latencies(void);
void add_latency(uint64_t us);
double percentile_ms(double share);

#endif
