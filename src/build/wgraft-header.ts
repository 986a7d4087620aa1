// `wgraft.h`, which C replacements may include; `WGRAFT_…` are its only names. A text constant, so that it is in the package.

export const wgraftHeader = `#ifndef WGRAFT_H
#define WGRAFT_H

/*
 * Declares the original of a function that this patch replaces, under the name wgraft_original_NAME:
 *
 *   WGRAFT_ORIGINAL(int, add_item, (int id, int count));
 *   int add_item(int id, int count) { return count > 0 ? wgraft_original_add_item(id, count) : 0; }
 */
#define WGRAFT_ORIGINAL(type, name, params) WGRAFT_ORIGINAL_OF(#name, type, wgraft_original_##name, params)

/* The same for a function whose name in the program is no C name: reference is "NAME,N" or "#INDEX". */
#define WGRAFT_ORIGINAL_OF(reference, type, name, params) \\
  extern type name params __attribute__((import_module("original"), import_name(reference)))

/* Declares a function of the program whose name there is no C name, or stands there several times ("NAME,N"). */
#define WGRAFT_PROGRAM(reference, type, name, params) \\
  extern type name params __attribute__((import_module("target"), import_name(reference)))

/* In front of a definition: this is the replacement of the function with that reference. */
#define WGRAFT_REPLACES(reference) __attribute__((export_name(reference)))

#endif
`;
