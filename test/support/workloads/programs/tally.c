// Counters behind locks in shared memory, as a program that is built for threads has them: atomic instructions, passive
// segments that the first thread copies, wait and notify. No libc.

#include <stdint.h>

#define SLOTS 512

struct counter {
  uint32_t key;
  _Atomic uint32_t count;
};

static _Atomic int lock;
static struct counter counters[SLOTS];
static _Atomic uint64_t total;
static const uint16_t weights[64] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3, 3, 8, 3};

void waited(int microseconds) __attribute__((import_module("host"), import_name("waited")));

static void acquire(void) {
  int expected = 0;
  while (!__atomic_compare_exchange_n((int *)&lock, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    __builtin_wasm_memory_atomic_wait32((int *)&lock, 1, 1000);
    waited(1);
    expected = 0;
  }
}

static void release(void) {
  __atomic_store_n((int *)&lock, 0, __ATOMIC_RELEASE);
  __builtin_wasm_memory_atomic_notify((int *)&lock, 1);
}

__attribute__((noinline)) static struct counter *find(uint32_t key) {
  for (uint32_t i = key * 2654435761u % SLOTS, tries = 0; tries < SLOTS; i = (i + 1) % SLOTS, tries++) {
    if (counters[i].key == key) return &counters[i];
    if (counters[i].key == 0) {
      counters[i].key = key;
      return &counters[i];
    }
  }
  __builtin_trap();
}

__attribute__((export_name("add"))) uint32_t add(uint32_t key, uint32_t amount) {
  acquire();
  struct counter *counter = find(key);
  release();
  __atomic_fetch_add((uint64_t *)&total, amount * weights[key % 64], __ATOMIC_SEQ_CST);
  return __atomic_add_fetch((uint32_t *)&counter->count, amount, __ATOMIC_SEQ_CST);
}

__attribute__((export_name("run"))) uint32_t run(uint32_t rounds) {
  uint32_t mixed = 0;
  for (uint32_t i = 0; i < rounds; i++) mixed = mixed * 31 + add(1 + i * i % 301, i & 7);
  return mixed;
}

// Takes the lock, so that the next `add` has to wait until `unlock`; called by the host.
__attribute__((export_name("block"))) void block(void) { acquire(); }
__attribute__((export_name("unlock"))) void unlock(void) { release(); }
__attribute__((export_name("sum"))) uint64_t sum(void) { return total; }
__attribute__((export_name("reset"))) void reset(void) {
  __builtin_memset(counters, 0, sizeof counters);
  total = 0;
}
