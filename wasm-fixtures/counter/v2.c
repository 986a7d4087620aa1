// A counter with a limit. It says how often it was refused, and why.

#define EXPORT(name) __attribute__((noinline, export_name(#name)))

static int counter;
static int limit = 3;
static int refused;
static const char *const reasons[] = {"", "at the limit", "still at the limit"};

static int length(const char *text) {
  int n = 0;
  while (text[n]) n++;
  return n;
}

EXPORT(next) int next(void) {
  if (counter >= limit) {
    refused++;
    return -length(reasons[refused > 1 ? 2 : 1]);
  }
  return ++counter;
}

EXPORT(value) int value(void) { return counter; }
EXPORT(set_limit) int set_limit(int new_limit) { return limit = new_limit; }
