// An inventory server: one request a line on stdin, one reply a line on stdout, all state in memory.
//
//   ADD name quantity    puts units in          TAKE name quantity    takes units out
//   STOCK name           how many there are     TOTAL                 items, units, requests so far
//
// Every reply starts with the number of its request, so that a client sees when one was lost.
// It never returns from `serve` while its client stays.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
  struct item *next;
  char name[32];
  int stock;
};

static struct item *items;
static long requests;

__attribute__((noinline)) void reply(const char *text) { printf("%ld %s\n", requests, text); }

__attribute__((noinline)) void reject(const char *reason) {
  char text[96];
  snprintf(text, sizeof text, "ERR %s", reason);
  reply(text);
}

// May so many units be taken? Says why not.
__attribute__((noinline)) int check_quantity(const struct item *item, int quantity) {
  if (quantity < 1) {
    reject("quantity must be at least 1");
    return 0;
  }
  if (quantity > item->stock) {
    reject("not enough in stock");
    return 0;
  }
  return 1;
}

static struct item *find(const char *name) {
  for (struct item *item = items; item; item = item->next)
    if (strcmp(item->name, name) == 0) return item;
  return NULL;
}

static struct item *find_or_make(const char *name) {
  struct item *item = find(name);
  if (item) return item;
  item = calloc(1, sizeof *item);
  if (!item) return NULL;
  snprintf(item->name, sizeof item->name, "%s", name);
  item->next = items;
  return items = item;
}

__attribute__((noinline)) void report_stock(const struct item *item) {
  char text[64];
  snprintf(text, sizeof text, "OK %s %d", item->name, item->stock);
  reply(text);
}

static void add(const char *name, int quantity) {
  struct item *item = find_or_make(name);
  if (!item) return reject("out of memory");
  item->stock += quantity;
  report_stock(item);
}

static void take(const char *name, int quantity) {
  struct item *item = find(name);
  if (!item) return reject("no such item");
  if (!check_quantity(item, quantity)) return;
  item->stock -= quantity;
  report_stock(item);
}

static void total(void) {
  int kinds = 0, units = 0;
  for (struct item *item = items; item; item = item->next) kinds++, units += item->stock;
  char text[96];
  snprintf(text, sizeof text, "OK %d items %d units %ld requests", kinds, units, requests);
  reply(text);
}

__attribute__((noinline)) void handle(const char *line) {
  char verb[8] = "", name[32] = "";
  int quantity = 0;
  int words = sscanf(line, "%7s %31s %d", verb, name, &quantity);
  requests++;
  if (words == 3 && strcmp(verb, "ADD") == 0) return add(name, quantity);
  if (words == 3 && strcmp(verb, "TAKE") == 0) return take(name, quantity);
  if (words == 2 && strcmp(verb, "STOCK") == 0) {
    const struct item *item = find(name);
    return item ? report_stock(item) : reject("no such item");
  }
  if (words == 1 && strcmp(verb, "TOTAL") == 0) return total();
  reject("unknown request");
}

__attribute__((noinline)) void serve(void) {
  char line[128];
  while (fgets(line, sizeof line, stdin)) handle(line);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  serve();
  return 0;
}
