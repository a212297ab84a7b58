/*
 * The load generator of the HTTP benchmark: many streams or long polls over raw sockets, one publisher, and a check of everything that
 * arrives. One thread, epoll. `scenarios/http.mjs` compiles it and talks to it:
 *
 *   load PLAN   connects all readers, says {"connected":N}, then obeys lines on its standard input:
 *   open RATE WARM_MS WINDOW_MS   publishes RATE messages a second and says what it saw in the window
 *
 * The plan has a line for each thing it needs to know; texts are in hexadecimal. A message is `marker`, ten digits, `tail`; every
 * reader must get every number once, in order, with the tail byte for byte.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DIGITS = 10, SAMPLE_EVERY = 8, EVENTS = 256, CONNECTING = 32, MAX_NUMBERS = 1 << 20, MAX_SAMPLES = 1 << 22 };

typedef struct {
	char *bytes;
	size_t length;
} Text;

typedef struct {
	int fd;
	int index;
	/* What was read and not yet used. */
	char *in;
	size_t have, room;
	/* Body bytes of this response that a stream's event may begin in. */
	char *body;
	size_t bodyHave, bodyRoom;
	char *out;
	size_t outLength, outSent;
	bool inBody, isChunked, isIn;
	/* -1: until the end of the connection */
	long left;
	/* chunked: -1 size line, -2 line end after a chunk, -3 trailer */
	long chunk;
	long next;
	char cursor[512];
	bool hasCursor;
} Conn;

static struct {
	int port, pid, readers, drainMs;
	bool isPoll, cursorInHeaders;
	Text first, again, marker, tail, publish, cursor;
} plan;

static Conn *conns;
static Conn publisher;
static int epollFd;
static int letIn;
static long nextNumber, completed;
static int *lacking;
static double *sentAt;
static long deliveries, bytesIn, reads, answers, missing, repeated, corrupt, acks, asked;
static long firstMeasured = MAX_NUMBERS, endMeasured = 0, deliveredOfMeasured;
static float *samples;
static long sampleCount;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
	printf("{\"error\":\"%s\"}\n", what);
	fflush(stdout);
	exit(1);
}

static Text readHex(const char *hex) {
	Text text = {malloc(strlen(hex) / 2 + 1), strlen(hex) / 2};
	for (size_t i = 0; i < text.length; i++) {
		unsigned value;
		sscanf(hex + 2 * i, "%2x", &value);
		text.bytes[i] = (char)value;
	}
	text.bytes[text.length] = 0;
	return text;
}

static void readPlan(const char *path) {
	FILE *file = fopen(path, "r");
	if (file == NULL) fail("there is no plan");
	static char line[1 << 16];
	while (fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = 0;
		char *space = strchr(line, ' ');
		if (space == NULL) continue;
		*space = 0;
		const char *value = space + 1;
		if (!strcmp(line, "port")) plan.port = atoi(value);
		else if (!strcmp(line, "pid")) plan.pid = atoi(value);
		else if (!strcmp(line, "readers")) plan.readers = atoi(value);
		else if (!strcmp(line, "drainMs")) plan.drainMs = atoi(value);
		else if (!strcmp(line, "isPoll")) plan.isPoll = atoi(value) != 0;
		else if (!strcmp(line, "cursorInHeaders")) plan.cursorInHeaders = atoi(value) != 0;
		else if (!strcmp(line, "first")) plan.first = readHex(value);
		else if (!strcmp(line, "again")) plan.again = readHex(value);
		else if (!strcmp(line, "marker")) plan.marker = readHex(value);
		else if (!strcmp(line, "tail")) plan.tail = readHex(value);
		else if (!strcmp(line, "publish")) plan.publish = readHex(value);
		else if (!strcmp(line, "cursor")) plan.cursor = readHex(value);
	}
	fclose(file);
}

static void watch(Conn *conn, bool writes) {
	struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = conn};
	epoll_ctl(epollFd, EPOLL_CTL_MOD, conn->fd, &event);
}

static void flushOut(Conn *conn) {
	while (conn->outSent < conn->outLength) {
		ssize_t sent = write(conn->fd, conn->out + conn->outSent, conn->outLength - conn->outSent);
		if (sent < 0) {
			if (errno == EAGAIN) {
				watch(conn, true);
				return;
			}
			fail("a request could not be written");
		}
		conn->outSent += sent;
	}
	conn->outLength = conn->outSent = 0;
}

static void say(Conn *conn, const char *bytes, size_t length) {
	conn->out = realloc(conn->out, conn->outLength + length);
	memcpy(conn->out + conn->outLength, bytes, length);
	conn->outLength += length;
	flushOut(conn);
}

/* Asks again, with the cursor in the place of %C%. */
static void ask(Conn *conn) {
	const Text *request = conn->hasCursor ? &plan.again : &plan.first;
	char *place = memmem(request->bytes, request->length, "%C%", 3);
	asked++;
	if (place == NULL) {
		say(conn, request->bytes, request->length);
		return;
	}
	static char buffer[8192];
	size_t before = place - request->bytes, length = strlen(conn->cursor);
	memcpy(buffer, request->bytes, before);
	memcpy(buffer + before, conn->cursor, length);
	memcpy(buffer + before + length, place + 3, request->length - before - 3);
	say(conn, buffer, request->length - 3 + length);
}

static void openConn(Conn *conn, int index) {
	conn->index = index;
	conn->fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(plan.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&to, sizeof to) < 0) fail("a reader could not connect");
	int one = 1;
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fcntl(conn->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
	epoll_ctl(epollFd, EPOLL_CTL_ADD, conn->fd, &event);
}

static void gotNumber(Conn *conn, long number, double at) {
	if (number >= nextNumber) corrupt++;
	else if (number < conn->next) repeated++;
	else {
		missing += number - conn->next;
		conn->next = number + 1;
		deliveries++;
		if (number >= firstMeasured && number < endMeasured) {
			deliveredOfMeasured++;
			if (conn->index % SAMPLE_EVERY == 0 && sampleCount < MAX_SAMPLES) samples[sampleCount++] = (float)(at - sentAt[number]);
		}
		lacking[number]--;
		while (completed < nextNumber && lacking[completed] == 0) completed++;
	}
}

/* Finds the messages in what has come of a body; returns how much of it is done with. */
static size_t scan(Conn *conn, const char *bytes, size_t length, double at) {
	size_t used = 0, needed = plan.marker.length + DIGITS + plan.tail.length;
	while (true) {
		const char *found = memmem(bytes + used, length - used, plan.marker.bytes, plan.marker.length);
		if (found == NULL) {
			size_t keep = plan.marker.length - 1;
			return length - used > keep ? length - keep : used;
		}
		size_t from = found - bytes;
		if (length - from < needed) return from;
		const char *digits = found + plan.marker.length;
		long number = 0;
		for (int i = 0; i < DIGITS; i++) {
			if (digits[i] < '0' || digits[i] > '9') {
				number = -1;
				break;
			}
			number = number * 10 + digits[i] - '0';
		}
		if (number < 0 || memcmp(digits + DIGITS, plan.tail.bytes, plan.tail.length) != 0) corrupt++;
		else gotNumber(conn, number, at);
		used = from + needed;
	}
}

static const char *headerOf(const char *head, const char *end, const char *name) {
	size_t length = strlen(name);
	for (const char *line = head; line < end;) {
		const char *next = memmem(line, end - line, "\r\n", 2);
		if (next == NULL) next = end;
		if ((size_t)(next - line) > length && !strncasecmp(line, name, length) && line[length] == ':') {
			const char *value = line + length + 1;
			while (*value == ' ') value++;
			return value;
		}
		line = next + 2;
	}
	return NULL;
}

static void keepHeaderCursor(Conn *conn, const char *head, const char *end) {
	const char *modified = headerOf(head, end, "Last-Modified"), *etag = headerOf(head, end, "Etag");
	if (modified == NULL || etag == NULL) return;
	snprintf(conn->cursor, sizeof conn->cursor, "If-Modified-Since: %.*s\r\nIf-None-Match: %.*s\r\n", (int)strcspn(modified, "\r"),
		modified, (int)strcspn(etag, "\r"), etag);
	conn->hasCursor = true;
}

/* The cursor a body ends with, percent-encoded for the next request. */
static void keepBodyCursor(Conn *conn) {
	char *last = NULL;
	for (char *at = conn->body, *end = conn->body + conn->bodyHave;
		(at = memmem(at, end - at, plan.cursor.bytes, plan.cursor.length)) != NULL; at++)
		last = at;
	if (last == NULL) return;
	last += plan.cursor.length;
	char *to = conn->cursor;
	for (char *from = last; from < conn->body + conn->bodyHave && *from != '"'; from++) {
		if ((*from >= '0' && *from <= '9') || ((*from | 32) >= 'a' && (*from | 32) <= 'z') || strchr("-_.~", *from) != NULL) *to++ = *from;
		else to += sprintf(to, "%%%02X", (unsigned char)*from);
		if (to > conn->cursor + sizeof conn->cursor - 4) fail("a cursor is too long");
	}
	*to = 0;
	conn->hasCursor = true;
}

static void gotBody(Conn *conn, const char *bytes, size_t length, double at) {
	if (conn == &publisher) return;
	if (conn->bodyHave + length > conn->bodyRoom) {
		conn->bodyRoom = 2 * (conn->bodyHave + length);
		conn->body = realloc(conn->body, conn->bodyRoom);
	}
	memcpy(conn->body + conn->bodyHave, bytes, length);
	conn->bodyHave += length;
	if (plan.isPoll) return;
	size_t used = scan(conn, conn->body, conn->bodyHave, at);
	conn->bodyHave -= used;
	memmove(conn->body, conn->body + used, conn->bodyHave);
}

static void ended(Conn *conn, double at) {
	conn->inBody = false;
	if (conn == &publisher) {
		acks++;
		return;
	}
	if (!plan.isPoll) fail("a stream ended");
	answers++;
	scan(conn, conn->body, conn->bodyHave, at);
	if (!plan.cursorInHeaders) keepBodyCursor(conn);
	conn->bodyHave = 0;
	if (!conn->isIn) {
		conn->isIn = true;
		letIn++;
	}
	ask(conn);
}

/* Uses what has been read; returns how much of it. */
static size_t use(Conn *conn, double at) {
	size_t used = 0;
	while (used < conn->have) {
		char *bytes = conn->in + used;
		size_t length = conn->have - used;
		if (!conn->inBody) {
			char *end = memmem(bytes, length, "\r\n\r\n", 4);
			if (end == NULL) break;
			if (strncmp(bytes, "HTTP/1.1 2", 10) != 0) {
				fprintf(stderr, "%.*s\n", (int)length, bytes);
				fail("a request was refused");
			}
			const char *size = headerOf(bytes, end, "Content-Length"), *coding = headerOf(bytes, end, "Transfer-Encoding");
			conn->isChunked = coding != NULL && !strncasecmp(coding, "chunked", 7);
			conn->left = size != NULL ? atol(size) : -1;
			conn->chunk = -1;
			conn->inBody = true;
			if (plan.cursorInHeaders && conn != &publisher) keepHeaderCursor(conn, bytes, end);
			used += end + 4 - bytes;
			if (!plan.isPoll && conn != &publisher && !conn->isIn) {
				conn->isIn = true;
				letIn++;
			}
			if (conn->left == 0 && !conn->isChunked) ended(conn, at);
			continue;
		}
		if (!conn->isChunked) {
			size_t part = conn->left >= 0 && (size_t)conn->left < length ? (size_t)conn->left : length;
			gotBody(conn, bytes, part, at);
			used += part;
			if (conn->left >= 0 && (conn->left -= part) == 0) ended(conn, at);
			continue;
		}
		if (conn->chunk > 0) {
			size_t part = (size_t)conn->chunk < length ? (size_t)conn->chunk : length;
			gotBody(conn, bytes, part, at);
			used += part;
			if ((conn->chunk -= part) == 0) conn->chunk = -2;
			continue;
		}
		char *line = memmem(bytes, length, "\r\n", 2);
		if (line == NULL) break;
		used += line + 2 - bytes;
		if (conn->chunk == -2) conn->chunk = -1;
		else if (conn->chunk == -3) {
			if (line == bytes) ended(conn, at);
		} else {
			conn->chunk = strtol(bytes, NULL, 16);
			if (conn->chunk == 0) conn->chunk = -3;
		}
	}
	return used;
}

static void readConn(Conn *conn) {
	static char chunk[1 << 16];
	ssize_t got = read(conn->fd, chunk, sizeof chunk);
	if (got < 0 && errno == EAGAIN) return;
	if (got <= 0 && conn == &publisher && acks == nextNumber) {
		/* Servers let go of a connection that asks for nothing. */
		close(conn->fd);
		openConn(conn, -1);
		return;
	}
	if (got <= 0) fail(conn == &publisher ? "the server dropped the publisher" : "the server dropped a reader");
	reads++;
	bytesIn += got;
	if (conn->have + got > conn->room) {
		conn->room = conn->have + got;
		conn->in = realloc(conn->in, conn->room);
	}
	memcpy(conn->in + conn->have, chunk, got);
	conn->have += got;
	size_t used = use(conn, now());
	conn->have -= used;
	memmove(conn->in, conn->in + used, conn->have);
	/* Idle readers hold no buffer: the memory that counts is the server's, and what is left here is only a part of a line. */
	if (conn->have == 0 && conn->room > 4096) {
		free(conn->in);
		conn->in = NULL;
		conn->room = 0;
	}
}

static void turn(int waitMs) {
	struct epoll_event events[EVENTS];
	int count = epoll_wait(epollFd, events, EVENTS, waitMs);
	for (int i = 0; i < count; i++) {
		Conn *conn = events[i].data.ptr;
		if (events[i].events & EPOLLOUT) {
			watch(conn, false);
			flushOut(conn);
		}
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readConn(conn);
	}
}

static void publishOne(void) {
	if (nextNumber >= MAX_NUMBERS) fail("too many messages");
	char digits[DIGITS + 1];
	snprintf(digits, sizeof digits, "%010u", (unsigned)nextNumber);
	static char request[1 << 16];
	memcpy(request, plan.publish.bytes, plan.publish.length);
	char *place = memmem(request, plan.publish.length, "##########", DIGITS);
	memcpy(place, digits, DIGITS);
	lacking[nextNumber] = plan.readers;
	sentAt[nextNumber] = now();
	nextNumber++;
	say(&publisher, request, plan.publish.length);
}

/* Publishes so many a second until a point in time; the next one not before the last is answered, as HTTP wants it. */
static void loadUntil(double rate, double until) {
	static double due = 0;
	if (due < now() - 1000 / rate) due = now();
	while (now() < until) {
		if (now() >= due && acks == nextNumber) {
			publishOne();
			due += 1000 / rate;
		}
		double next = due < until ? due : until;
		double wait = next - now();
		turn(acks != nextNumber || wait > 1 ? 1 : 0);
	}
}

typedef struct {
	double at, serverCpuS, ownCpuS;
	long deliveries, bytes, reads, answers, asked;
	double stealS, busyS;
} Snapshot;

/* Nanoseconds of all threads of the server. */
static double serverCpu(void) {
	char path[300], text[200];
	snprintf(path, sizeof path, "/proc/%d/task", plan.pid);
	DIR *tasks = opendir(path);
	if (tasks == NULL) return 0;
	double total = 0;
	for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
		if (task->d_name[0] == '.') continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", plan.pid, task->d_name);
		FILE *file = fopen(path, "r");
		if (file == NULL) continue;
		if (fgets(text, sizeof text, file) != NULL) total += atof(text);
		fclose(file);
	}
	closedir(tasks);
	return total / 1e9;
}

static Snapshot snapshot(void) {
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	Snapshot shot = {now(), serverCpu(),
		usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6, deliveries, bytesIn, reads,
		answers, asked, 0, 0};
	FILE *file = fopen("/proc/stat", "r");
	double times[8] = {0};
	if (file != NULL) {
		if (fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", times, times + 1, times + 2, times + 3, times + 4, times + 5, times + 6, times + 7) == 8) {
			shot.stealS = times[7] / 100;
			shot.busyS = (times[0] + times[1] + times[2] + times[5] + times[6]) / 100;
		}
		fclose(file);
	}
	return shot;
}

static int byValue(const void *a, const void *b) {
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static void measure(double rate, double warmMs, double windowMs) {
	loadUntil(rate, now() + warmMs);
	firstMeasured = nextNumber;
	endMeasured = MAX_NUMBERS;
	deliveredOfMeasured = sampleCount = 0;
	long missingBefore = missing, repeatedBefore = repeated, corruptBefore = corrupt;
	Snapshot before = snapshot();
	loadUntil(rate, before.at + windowMs);
	Snapshot after = snapshot();
	endMeasured = nextNumber;
	double drainUntil = now() + plan.drainMs;
	while (completed < nextNumber && now() < drainUntil) turn(1);
	bool isDrained = completed == nextNumber;
	/* What still comes is too much. */
	for (double until = now() + 50; now() < until;) turn(1);
	qsort(samples, sampleCount, sizeof *samples, byValue);
	long published = endMeasured - firstMeasured;
	printf("{\"seconds\":%.3f,\"published\":%ld,\"expected\":%ld,\"delivered\":%ld,\"deliveriesInWindow\":%ld,\"bytes\":%ld,\"reads\":%ld,"
		"\"answers\":%ld,\"asked\":%ld,\"missing\":%ld,\"repeated\":%ld,\"corrupt\":%ld,\"acks\":%ld,\"publishedSinceStart\":%ld,\"isDrained\":%s,"
		"\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"serverCpuS\":%.6f,\"generatorCpuS\":%.6f,\"busyS\":%.2f,\"stealS\":%.2f}\n",
		(after.at - before.at) / 1000, published, published * plan.readers, deliveredOfMeasured, after.deliveries - before.deliveries,
		after.bytes - before.bytes, after.reads - before.reads, after.answers - before.answers, after.asked - before.asked, missing - missingBefore,
		repeated - repeatedBefore, corrupt - corruptBefore, acks, nextNumber, isDrained ? "true" : "false",
		sampleCount > 0 ? samples[sampleCount / 2] : 0, sampleCount > 0 ? samples[(long)(sampleCount * 0.99)] : 0, after.serverCpuS - before.serverCpuS,
		after.ownCpuS - before.ownCpuS, after.busyS - before.busyS, after.stealS - before.stealS);
	fflush(stdout);
	if (!isDrained) exit(0);
}

int main(int argc, char **argv) {
	if (argc < 2) fail("which plan?");
	readPlan(argv[1]);
	epollFd = epoll_create1(0);
	conns = calloc(plan.readers, sizeof *conns);
	lacking = calloc(MAX_NUMBERS, sizeof *lacking);
	sentAt = calloc(MAX_NUMBERS, sizeof *sentAt);
	samples = malloc(MAX_SAMPLES * sizeof *samples);
	openConn(&publisher, -1);
	double deadline = now() + 30000;
	/* Who polls with a cursor from headers hears nothing before there is a message. */
	bool isSilent = plan.isPoll && plan.cursorInHeaders;
	for (int i = 0; i < plan.readers; i++) {
		openConn(&conns[i], i);
		ask(&conns[i]);
		while (!isSilent && i - letIn >= CONNECTING) {
			turn(1);
			if (now() > deadline) fail("a reader was not let in");
		}
	}
	while (!isSilent && letIn < plan.readers) {
		turn(1);
		if (now() > deadline) fail("a reader was not let in");
	}
	for (double until = now() + 500; now() < until;) turn(1);
	printf("{\"connected\":%d}\n", plan.readers);
	fflush(stdout);
	/* Commands come as lines; between them the readers go on. */
	char line[256];
	size_t have = 0;
	fcntl(0, F_SETFL, O_NONBLOCK);
	while (true) {
		turn(5);
		ssize_t got = read(0, line + have, sizeof line - 1 - have);
		if (got == 0) return 0;
		if (got < 0) continue;
		have += got;
		line[have] = 0;
		if (strchr(line, '\n') == NULL) continue;
		double rate, warmMs, windowMs;
		if (sscanf(line, "open %lf %lf %lf", &rate, &warmMs, &windowMs) == 3) measure(rate, warmMs, windowMs);
		have = 0;
	}
}
