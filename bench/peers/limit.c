/*
 * The floor: a broadcast server that does nothing but one write for each recipient. What a server in any language pays at least
 * that writes each message by itself.
 *
 *   limit        prints {"port": N}; ends with its standard input
 *
 * It believes what it is told: the path is the room, the key of the handshake is the one the load generator sends, frames are
 * text and below 64 KiB. It has no timers, no limits and no heartbeat.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOMS 100000
#define READ_BYTES (256 * 1024)
#define MAX_FRAME (70 * 1024)

static const char ANSWER[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

typedef struct {
  int fd;
  bool is_upgraded, is_writable_watched;
  uint32_t room, place;
  uint8_t *rest, *out;
  size_t rest_length, out_length;
} Client;

static struct {
  Client **clients;
  uint32_t count, capacity;
} rooms[ROOMS];

static int poller;
static uint8_t buffer[READ_BYTES + MAX_FRAME];

static void watch(Client *client, int how, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = client};
  epoll_ctl(poller, how, client->fd, &event);
}

static void keep(uint8_t **kept, size_t *kept_length, const uint8_t *bytes, size_t length) {
  if (length == 0) return;
  *kept = realloc(*kept, *kept_length + length);
  memcpy(*kept + *kept_length, bytes, length);
  *kept_length += length;
}

static void write_to(Client *client, const uint8_t *bytes, size_t length) {
  if (client->out_length == 0) {
    ssize_t done = send(client->fd, bytes, length, MSG_NOSIGNAL);
    if (done == (ssize_t)length) return;
    if (done < 0 && errno != EAGAIN) return;
    if (done > 0) {
      bytes += done;
      length -= (size_t)done;
    }
    watch(client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
  }
  keep(&client->out, &client->out_length, bytes, length);
}

static void write_rest(Client *client) {
  ssize_t done = send(client->fd, client->out, client->out_length, MSG_NOSIGNAL);
  if (done <= 0) return;
  client->out_length -= (size_t)done;
  memmove(client->out, client->out + done, client->out_length);
  if (client->out_length > 0) return;
  free(client->out);
  client->out = NULL;
  watch(client, EPOLL_CTL_MOD, EPOLLIN);
}

static void broadcast(uint32_t room, const uint8_t *payload, size_t length) {
  static uint8_t frame[MAX_FRAME];
  size_t header = length < 126 ? 2 : 4;
  frame[0] = 0x81;
  if (length < 126) frame[1] = (uint8_t)length;
  else {
    frame[1] = 126;
    frame[2] = (uint8_t)(length >> 8);
    frame[3] = (uint8_t)length;
  }
  memcpy(frame + header, payload, length);
  for (uint32_t i = 0; i < rooms[room].count; i++) write_to(rooms[room].clients[i], frame, header + length);
}

static void enter(Client *client, const uint8_t *head) {
  client->room = (uint32_t)strtoul((const char *)head + sizeof "GET /r" - 1, NULL, 10) % ROOMS;
  uint32_t count = rooms[client->room].count;
  if (count == rooms[client->room].capacity) {
    rooms[client->room].capacity = count == 0 ? 4 : count * 2;
    rooms[client->room].clients = realloc(rooms[client->room].clients, rooms[client->room].capacity * sizeof(Client *));
  }
  client->place = count;
  rooms[client->room].clients[count] = client;
  rooms[client->room].count++;
  client->is_upgraded = true;
}

static void leave(Client *client) {
  if (client->is_upgraded) {
    Client *last = rooms[client->room].clients[--rooms[client->room].count];
    rooms[client->room].clients[client->place] = last;
    last->place = client->place;
  }
  close(client->fd);
  free(client->rest);
  free(client->out);
  free(client);
}

/* Whole frames only; returns how many bytes were used. */
static size_t parse(Client *client, uint8_t *bytes, size_t length) {
  size_t at = 0;
  while (length - at >= 6) {
    uint8_t *frame = bytes + at;
    size_t header = 6, size = frame[1] & 0x7f;
    if (size == 126) {
      header = 8;
      if (length - at < header) break;
      size = (size_t)frame[2] << 8 | frame[3];
    }
    if (length - at < header + size) break;
    uint8_t *mask = frame + header - 4, *payload = frame + header;
    for (size_t i = 0; i < size; i++) payload[i] ^= mask[i & 3];
    if ((frame[0] & 0x0f) == 1) broadcast(client->room, payload, size);
    at += header + size;
  }
  return at;
}

static void on_readable(Client *client) {
  memcpy(buffer, client->rest, client->rest_length);
  ssize_t got = recv(client->fd, buffer + client->rest_length, READ_BYTES, 0);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    leave(client);
    return;
  }
  if (got < 0) return;
  size_t length = client->rest_length + (size_t)got, used = 0;
  client->rest_length = 0;
  free(client->rest);
  client->rest = NULL;
  if (!client->is_upgraded) {
    uint8_t *end = memmem(buffer, length, "\r\n\r\n", 4);
    if (end != NULL) {
      used = (size_t)(end - buffer) + 4;
      enter(client, buffer);
      write_to(client, (const uint8_t *)ANSWER, sizeof ANSWER - 1);
    }
  }
  if (client->is_upgraded) used += parse(client, buffer + used, length - used);
  keep(&client->rest, &client->rest_length, buffer + used, length - used);
}

static void on_connection(int listener) {
  for (;;) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Client *client = calloc(1, sizeof *client);
    client->fd = fd;
    watch(client, EPOLL_CTL_ADD, EPOLLIN);
  }
}

int main(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0) return 1;
  getsockname(listener, (struct sockaddr *)&address, &size);
  poller = epoll_create1(0);
  static Client listening, input;
  listening.fd = listener;
  input.fd = 0;
  watch(&listening, EPOLL_CTL_ADD, EPOLLIN);
  watch(&input, EPOLL_CTL_ADD, EPOLLIN);
  printf("{\"port\": %d}\n", ntohs(address.sin_port));
  fflush(stdout);

  struct epoll_event events[256];
  for (;;) {
    int some = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < some; i++) {
      Client *client = events[i].data.ptr;
      if (client == &listening) on_connection(listener);
      else if (client == &input) {
        if (read(0, buffer, READ_BYTES) <= 0) return 0;
      } else if ((events[i].events & EPOLLOUT) != 0 && client->out_length > 0) write_rest(client);
      else on_readable(client);
    }
  }
}
