// A formula interpreter that reports errors by longjmp, as PNG libraries, Lua or PostgreSQL do. Compiled with
// WebAssembly exceptions, longjmp becomes `throw` and setjmp a catch in the function that called it.

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum error { NONE, SYNTAX, DIVISION, DEPTH };

struct parser {
  const char *at;
  int depth;
  jmp_buf failed;
};

static char line[4096];
static int failures[4];

static long sum(struct parser *p);

void report(int why) __attribute__((import_module("host"), import_name("report")));

_Noreturn static void fail(struct parser *p, enum error why) {
  failures[why]++;
  report(why);
  longjmp(p->failed, why);
}

static long factor(struct parser *p) {
  if (++p->depth > 60) fail(p, DEPTH);
  long value;
  if (*p->at == '(') {
    p->at++;
    value = sum(p);
    if (*p->at++ != ')') fail(p, SYNTAX);
  } else if (*p->at == '-') {
    p->at++;
    value = -factor(p);
  } else {
    char *end;
    value = strtol(p->at, &end, 10);
    if (end == p->at) fail(p, SYNTAX);
    p->at = end;
  }
  p->depth--;
  return value;
}

static long product(struct parser *p) {
  long value = factor(p);
  while (*p->at == '*' || *p->at == '/') {
    char operator= *p->at++;
    long right = factor(p);
    if (operator== '/' && right == 0) fail(p, DIVISION);
    value = operator== '*' ? value * right : value / right;
  }
  return value;
}

static long sum(struct parser *p) {
  long value = product(p);
  while (*p->at == '+' || *p->at == '-') value = *p->at++ == '+' ? value + product(p) : value - product(p);
  return value;
}

__attribute__((export_name("line"))) char *input(void) { return line; }

// The value, or 1 000 000 + the error where the text is not a formula.
__attribute__((export_name("evaluate"))) long evaluate(void) {
  struct parser p = {.at = line, .depth = 0};
  enum error why = setjmp(p.failed);
  if (why != NONE) return 1000000 + why;
  long value = sum(&p);
  if (*p.at != 0) fail(&p, SYNTAX);
  return value;
}

// Tries all ways to put one operator between digits; most of them fail deep inside the parser.
__attribute__((export_name("search"))) long search(long wanted, long rounds) {
  long found = 0;
  for (long i = 0; i < rounds; i++) {
    snprintf(line, sizeof line, "%ld%c(%ld%c%ld)%c%ld", i % 13, "+-*/"[i % 4], i % 7, "*/-(+"[i % 5], i % 3, ")+*/"[i / 3 % 4],
             i % 11);
    found += evaluate() == wanted;
  }
  return found;
}

__attribute__((export_name("failed"))) int failed(int why) { return failures[why]; }
