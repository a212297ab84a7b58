#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Plan plan = {.rooms = 1, .senders = 1, .connecting = 32, .sources = 1};

static Text from_hex(const char *hex) {
  Text text = {malloc(strlen(hex) / 2 + 1), strlen(hex) / 2};
  for (size_t i = 0; i < text.length; i++) {
    unsigned value;
    if (sscanf(hex + 2 * i, "%2x", &value) != 1) fail("the plan has a bad text");
    text.bytes[i] = (uint8_t)value;
  }
  return text;
}

static void append(Text **texts, size_t *count, Text text) {
  *texts = realloc(*texts, (*count + 1) * sizeof text);
  (*texts)[(*count)++] = text;
}

static void append_number(int **numbers, size_t *count, int number) {
  *numbers = realloc(*numbers, (*count + 1) * sizeof number);
  (*numbers)[(*count)++] = number;
}

void read_plan(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) fail("cannot open the plan");
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, file) > 0) {
    char *value = strchr(line, ' ');
    if (value == NULL) continue;
    *value++ = 0;
    value[strcspn(value, "\n")] = 0;
    const char *name = line;
    if (strcmp(name, "port") == 0) append_number(&plan.ports, &plan.port_count, atoi(value));
    else if (strcmp(name, "pid") == 0) append_number(&plan.pids, &plan.pid_count, atoi(value));
    else if (strcmp(name, "rooms") == 0) plan.rooms = atoi(value);
    else if (strcmp(name, "members") == 0) plan.members = atoi(value);
    else if (strcmp(name, "senders") == 0) plan.senders = atoi(value);
    else if (strcmp(name, "drainMs") == 0) plan.drain_ms = atoi(value);
    else if (strcmp(name, "connecting") == 0) plan.connecting = atoi(value);
    else if (strcmp(name, "sources") == 0) plan.sources = atoi(value);
    else if (strcmp(name, "lastTiny") == 0) plan.is_last_tiny = atoi(value) != 0;
    else if (strcmp(name, "deflated") == 0) plan.is_deflated = atoi(value) != 0;
    else if (strcmp(name, "endsWithAck") == 0) plan.ends_with_ack = atoi(value) != 0;
    else if (strcmp(name, "handshake") == 0) plan.handshake = from_hex(value);
    else if (strcmp(name, "hello") == 0) plan.hello = from_hex(value);
    else if (strcmp(name, "ready") == 0) plan.ready = from_hex(value);
    else if (strcmp(name, "delivery") == 0) plan.delivery = from_hex(value);
    else if (strcmp(name, "publish") == 0) plan.publish = from_hex(value);
    else if (strcmp(name, "ack") == 0) plan.ack = from_hex(value);
    else if (strcmp(name, "tail") == 0) append(&plan.tails, &plan.tail_count, from_hex(value));
    else if (strcmp(name, "token") == 0) append(&plan.tokens, &plan.token_count, from_hex(value));
    else fail("the plan has a line this program does not know");
  }
  free(line);
  fclose(file);
  if (plan.port_count == 0 || plan.members == 0 || plan.delivery.length == 0 || plan.tail_count == 0) fail("the plan is not complete");
  if (plan.senders > plan.members) fail("the plan has more senders than members");
  if (plan.ends_with_ack && plan.ack.length == 0) fail("the plan waits for acks that nobody sends");
}

static bool is_run(const uint8_t *bytes, uint8_t of, size_t length) {
  for (size_t i = 0; i < length; i++) if (bytes[i] != of) return false;
  return true;
}

#define ROOM_DIGITS 5
static const char TOKEN[] = "%TOKEN%";

/* ########## and ^^^^^^^^^^ are the number, with zeros or spaces before it; @@@@@ is the room; %TOKEN% and 0x01 the inset. */
size_t fill(uint8_t *target, Text template, uint32_t room, uint64_t number, Text inset) {
  size_t to = 0;
  for (size_t from = 0; from < template.length;) {
    const uint8_t *at = template.bytes + from;
    size_t left = template.length - from;
    char digits[24];
    if (*at == '#' && left >= DIGITS && is_run(at, '#', DIGITS)) {
      snprintf(digits, sizeof digits, "%010llu", (unsigned long long)number);
      memcpy(target + to, digits, DIGITS);
      to += DIGITS;
      from += DIGITS;
    } else if (*at == '^' && left >= DIGITS && is_run(at, '^', DIGITS)) {
      snprintf(digits, sizeof digits, "%10llu", (unsigned long long)number);
      memcpy(target + to, digits, DIGITS);
      to += DIGITS;
      from += DIGITS;
    } else if (*at == '@' && left >= ROOM_DIGITS && is_run(at, '@', ROOM_DIGITS)) {
      snprintf(digits, sizeof digits, "%05u", room % 100000u);
      memcpy(target + to, digits, ROOM_DIGITS);
      to += ROOM_DIGITS;
      from += ROOM_DIGITS;
    } else if (*at == 1 || (*at == '%' && left >= sizeof TOKEN - 1 && memcmp(at, TOKEN, sizeof TOKEN - 1) == 0)) {
      memcpy(target + to, inset.bytes, inset.length);
      to += inset.length;
      from += *at == 1 ? 1 : sizeof TOKEN - 1;
    } else {
      target[to++] = *at;
      from++;
    }
  }
  return to;
}
