// An emergency measure while the real fix is being made: statements that drop tables are refused. It wraps SQLite's own
// sqlite3_prepare_v2, which keeps doing the work.

#include "wgraft.h"

WGRAFT_ORIGINAL(int, sqlite3_prepare_v2, (void *db, const char *sql, int length, void **statement, const char **tail));

// SQLite has no way to set its error message from outside, but it will say the name of a table that it cannot find.
static const char refusal[] = "SELECT 1 FROM \"dropping tables is switched off\"";

static int starts_with(const char *text, const char *lower) {
  while (*text == ' ' || *text == '\t' || *text == '\n') text++;
  while (*lower) {
    if ((*text | 0x20) != *lower) return 0;
    text++, lower++;
  }
  return *text == ' ';
}

int sqlite3_prepare_v2(void *db, const char *sql, int length, void **statement, const char **tail) {
  if (starts_with(sql, "drop")) return wgraft_original_sqlite3_prepare_v2(db, refusal, -1, statement, tail);
  return wgraft_original_sqlite3_prepare_v2(db, sql, length, statement, tail);
}
