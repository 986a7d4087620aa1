// The program that the kpatch cases patch, one part a case. Numbers are those of test/conformance/README.md.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "kernel.h"

// 38 meminfo-string, 112 clang-lstr
EXPORT(meminfo) const char *meminfo(void) { return "VmallocChunk"; }

// 39 cmdline-string
NOINLINE int seq_puts(int x) { return x + 1; }
NOINLINE int seq_printf(int x) { return x + 1000; }
EXPORT(cmdline) int cmdline(int x) { return seq_puts(x) * 2; }
EXPORT(version) int version(int x) { return seq_printf(x) * 2; }

// 40 data-new
EXPORT(meminfo_proc_show) int meminfo_proc_show(int x) { return x; }

// 41 data-read-mostly
static int read_mostly __attribute__((section(".data..read_mostly"))) = 7;
EXPORT(set_read_mostly) void set_read_mostly(int x) { read_mostly = x; }
EXPORT(use_read_mostly) int use_read_mostly(int x) { return read_mostly + x; }

// 42 new-function
EXPORT(n_tty_write) int n_tty_write(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) sum += seq_puts(i);
  return sum;
}

// 43 new-globals, 45 module-call-external: see also second.c
EXPORT(cmdline_proc_init) int cmdline_proc_init(int x) { return x * 5; }

// 51-55: a dense switch (br_table), and one that becomes a table of constants
EXPORT(dispatch) int dispatch(int op, int x) {
  switch (op) {
    case 0: return seq_puts(x);
    case 1: return seq_printf(x);
    case 2: return x * x;
    case 3: return cmdline(x);
    case 4: return -x;
    case 5: return version(x);
    default: return 0;
  }
}
EXPORT(weekday) int weekday(int day) {
  switch (day) {
    case 0: return 31; case 1: return 41; case 2: return 59; case 3: return 26; case 4: return 53; case 5: return 58;
    default: return 0;
  }
}

// 56-58: a clone that the compiler makes for the one value its parameter has
static NOINLINE int clone(int x, int k) { return seq_puts(x) * k; }
EXPORT(use_clone) int use_clone(int x) { return clone(x, 3); }

// 59-64 static local variables
EXPORT(count_a) int count_a(void) { static int count = 100; return ++count; }
EXPORT(count_b) int count_b(void) { static int count = 200; return ++count; }
static inline int twin(void) { static int seen; return ++seen; }
EXPORT(twin_a) int twin_a(void) { return twin() * 10; }
EXPORT(twin_b) int twin_b(void) { return twin() * 100; }

// 65, 66 special-static, 113
EXPORT(where) const char *where(int x) {
  static char warned;
  if (x < 0) warned++;
  return x < 0 ? __func__ : warned ? "warned" : "quiet";
}

// 67 replace-section-references
static int table[8] = {1, 2, 3, 4, 5, 6, 7, 8};
EXPORT(middle) int *middle(void) { return &table[3]; }
EXPORT(pick) int pick(int i) { return ++table[i - 1]; }

// 70 warn-detect, 76-78
EXPORT(checked) int checked(int x) {
  assert(x != 77);
  return x * 3;
}

// 79-85 cold parts
void cold_path(int) __attribute__((cold, noinline));
static int cold_calls;
void cold_path(int x) { cold_calls += x; }
EXPORT(cold_count) int cold_count(void) { return cold_calls; }
EXPORT(parent) int parent(int x) {
  if (__builtin_expect(x > 1000, 0)) {
    cold_path(x); cold_path(x + 1); cold_path(x + 2); cold_path(x + 3);
    return -1;
  }
  return x + 1;
}

// 86 convert-global-local
NOINLINE int scope(int x) { return seq_puts(x) ^ 1; }
EXPORT(use_scope) int use_scope(int x) { return scope(x) + 1; }

// 87 function-ptr-new
typedef int (*handler)(int);
static handler registered;
EXPORT(set_handler) void set_handler(int x) { registered = x ? seq_puts : 0; }
EXPORT(call_handler) int call_handler(int x) { return registered ? registered(x) : -1; }

// 90 static-local-size-mismatch, 71-72: a changed initial value
static int limit = 10;
EXPORT(over_limit) int over_limit(int x) { return x > limit; }
EXPORT(set_limit) void set_limit(int x) { limit = x; }
static char history[4];
EXPORT(remember) int remember(int i) { return ++history[i & 3]; }

// 91 static-local-moved-subfunction
EXPORT(moved) int moved(void) { static int calls = 0; return ++calls; }

// 106 zero-page-rela: what nobody defines is at address 0
extern int absent __attribute__((weak));
EXPORT(has_absent) int has_absent(void) { return &absent != 0; }

// 107 sec-addralign
EXPORT(aligned) int aligned(int i) { return i; }

// 108 data-rel
struct op { const char *name; handler run; int *state; };
static int op_state = 1;
static struct op ops[2] = {{"first", seq_puts, &op_state}, {"second", seq_printf, &op_state}};
EXPORT(run_op) int run_op(int i, int x) { return ops[i].run(x) + ++*ops[i].state; }
EXPORT(op_name) const char *op_name(int i) { return ops[i].name; }
EXPORT(rename_op) void rename_op(int i) { ops[i].name = "renamed"; }

// 111 import-ns
__attribute__((import_module("env"), import_name("clock"))) int clock_ms(void);
__attribute__((import_module("env"), import_name("random"))) int random_number(void);
EXPORT(now) int now(void) { return clock_ms(); }

// 114 clang-unnamed
EXPORT(unnamed) int unnamed(int i) { return ((const int[]){2, 3, 5, 7, 11, 13, 17, 19})[i & 7]; }
static int *const places = (int[]){1, 2, 3, 4};
EXPORT(literal) int literal(int i) { return ++places[i & 3]; }
