// A counter with a limit. The mistake: the limit is checked after counting, so the counter goes one beyond it.

#define EXPORT(name) __attribute__((noinline, export_name(#name)))

static int counter;
static int limit = 3;

EXPORT(next) int next(void) {
  counter++;
  if (counter > limit) return -1;
  return counter;
}

EXPORT(value) int value(void) { return counter; }
EXPORT(set_limit) int set_limit(int new_limit) { return limit = new_limit; }
