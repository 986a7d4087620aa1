// 88 multifile: static names that second.c has too.
#include "kernel.h"

static int total = 3000;
static NOINLINE int step(int x) { return x + 3; }
EXPORT(third_step) int third_step(int x) { return total = step(total) + x; }
EXPORT(sum) int sum(void) { return total + shared_total(); }
