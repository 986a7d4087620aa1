// 88 multifile: static names that kernel.c, or third.c, has too.
#include "kernel.h"

static int total = 2000;
static NOINLINE int step(int x) { return x + 2; }
EXPORT(second_step) int second_step(int x) { return total = step(total) + x; }
int shared_total(void) { return total; }
