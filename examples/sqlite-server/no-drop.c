// An emergency measure while the real fix is being made: statements that drop tables are refused. It wraps SQLite's own
// sqlite3_prepare_v2, which keeps doing the work.

#include "wgraft.h"

WGRAFT_ORIGINAL(int, sqlite3_prepare_v2, (void *db, const char *sql, int length, void **statement, const char **tail))

#define SQLITE_AUTH 23

static int starts_with(const char *text, const char *lower) {
  while (*text == ' ' || *text == '\t' || *text == '\n') text++;
  while (*lower) {
    if ((*text | 0x20) != *lower) return 0;
    text++, lower++;
  }
  return *text == ' ';
}

int sqlite3_prepare_v2(void *db, const char *sql, int length, void **statement, const char **tail) {
  if (starts_with(sql, "drop")) {
    *statement = 0;
    return SQLITE_AUTH;
  }
  return original_sqlite3_prepare_v2(db, sql, length, statement, tail);
}
