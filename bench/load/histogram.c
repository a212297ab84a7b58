/* Latencies in buckets that are 1/32 of their value wide. */
#include "load.h"
#include <string.h>

#define SUB_BUCKETS 64
#define BUCKETS (SUB_BUCKETS * 40)

static uint64_t buckets[BUCKETS], total;

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

void forget_latencies(void) {
  memset(buckets, 0, sizeof buckets);
  total = 0;
}

void add_latency(uint64_t us) {
  buckets[bucket_of(us)]++;
  total++;
}

double percentile_ms(double share) {
  uint64_t rank = (uint64_t)((double)total * share), seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += buckets[i];
    if (seen > rank) return bucket_us(i) / 1000.0;
  }
  return 0;
}
