#include "load.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double cpu_of(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
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

/* What the first thread of a process ran, and what it waited for a core, s. */
static void first_thread(const char *path, double *ran_s, double *waited_s) {
  unsigned long long ran = 0, waited = 0;
  FILE *file = fopen(path, "r");
  if (file == NULL) return;
  if (fscanf(file, "%llu %llu", &ran, &waited) == 2) {
    *ran_s = (double)ran / 1e9;
    *waited_s = (double)waited / 1e9;
  }
  fclose(file);
}

Costs take_costs(void) {
  Costs costs = {.at_us = now_us()};
  char path[64];
  double unused;
  for (size_t i = 0; i < plan.pid_count; i++) {
    double ran_s = 0, waited_s = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", plan.pids[i]);
    first_thread(path, &ran_s, &waited_s);
    costs.server_cpu_s += cpu_of(plan.pids[i]);
    costs.server_ran_s += ran_s;
    costs.server_waited_s += waited_s;
  }
  first_thread("/proc/self/schedstat", &unused, &costs.own_waited_s);
  struct rusage own;
  getrusage(RUSAGE_SELF, &own);
  costs.own_cpu_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                    (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
  unsigned long long t[8] = {0};
  FILE *file = fopen("/proc/stat", "r");
  if (file != NULL) {
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6, t + 7) < 8)
      t[7] = 0;
    fclose(file);
  }
  double hertz = (double)sysconf(_SC_CLK_TCK);
  costs.busy_s = (double)(t[0] + t[1] + t[2] + t[5] + t[6]) / hertz;
  costs.steal_s = (double)t[7] / hertz;
  costs.all_s = costs.busy_s + costs.steal_s + (double)(t[3] + t[4]) / hertz;
  return costs;
}

double taken_s(Costs before, Costs after) {
  /* Other threads of the server may have its core meanwhile: they are not somebody else. */
  double others_s = (after.server_cpu_s - before.server_cpu_s) - (after.server_ran_s - before.server_ran_s);
  double server_s = after.server_waited_s - before.server_waited_s - (others_s > 0 ? others_s : 0);
  return after.own_waited_s - before.own_waited_s + (server_s > 0 ? server_s : 0);
}

static long rss_kb_of(int pid) {
  char path[64], line[256];
  long kb = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL) if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
  fclose(file);
  return kb;
}

long server_rss_kb(void) {
  long kb = 0;
  for (size_t i = 0; i < plan.pid_count; i++) kb += rss_kb_of(plan.pids[i]);
  return kb;
}
