#define NOINLINE __attribute__((noinline))
#define EXPORT(name) __attribute__((noinline, export_name(#name)))

int shared_total(void);
