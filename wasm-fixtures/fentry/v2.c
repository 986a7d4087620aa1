// A kernel whose functions a compiler has marked (-finstrument-function-entry-bare): only those get slots.

#define EXPORT(name) __attribute__((noinline, export_name(#name)))
#define NOTRACE __attribute__((no_instrument_function))

static int values[8];
static int count;

EXPORT(add) int add(int value) {
  values[count++ % 8] = value;
  return count;
}

EXPORT(mean) int mean(void) {
  int sum = 0;
  for (int i = 0; i < count && i < 8; i++) sum += values[i];
  return count > 0 ? sum / count : 0;
}

// Never marked: the compiler keeps out of it, and so does wgraft.
NOTRACE EXPORT(fixed) int fixed(void) { return 7; }
