// `wgraft.h`, which C replacements may include; `WGRAFT_…` are its only names. A text constant, so that it is in the package.

export const wgraftHeader = `#ifndef WGRAFT_H
#define WGRAFT_H

#include <stddef.h>
#include <stdint.h>

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

/*
 * In front of a definition: this is a callback of the patch, at most one of each kind and none static.
 *
 *   WGRAFT_PRE_PATCH int prepare(void) { return 0; }     anything but 0 refuses the patch
 *   WGRAFT_POST_PATCH void begin(void) { }
 *   WGRAFT_PRE_UNPATCH void end(void) { }
 *   WGRAFT_POST_UNPATCH void clean_up(void) { }
 */
#define WGRAFT_PRE_PATCH WGRAFT_CALLBACK(pre_patch)
#define WGRAFT_POST_PATCH WGRAFT_CALLBACK(post_patch)
#define WGRAFT_PRE_UNPATCH WGRAFT_CALLBACK(pre_unpatch)
#define WGRAFT_POST_UNPATCH WGRAFT_CALLBACK(post_unpatch)

/*
 * Linkers drop the second of two exports, and exports of static functions, without a word. A second function of one name
 * they do refuse, and the compiler a static one that is weak.
 */
#define WGRAFT_CALLBACK(kind) \\
  __attribute__((visibility("hidden"))) void wgraft_only_one_##kind(void); \\
  void wgraft_only_one_##kind(void) {} \\
  __attribute__((weak, export_name("__wgraft_" #kind)))

#define WGRAFT_RUNTIME(name) __attribute__((import_module("patch"), import_name(#name)))

/*
 * Shadow variables: data attached to an object under an id, shared by all patches of the program, gone only when freed.
 * New data is zero; then the constructor fills it, and anything but 0 from it means that nothing is stored.
 * Objects are addresses that the program does not reuse while the data is attached. All return 0 where there is nothing.
 */
typedef int (*wgraft_shadow_ctor)(void *object, void *data, void *ctor_data);
typedef void (*wgraft_shadow_dtor)(void *object, void *data);

WGRAFT_RUNTIME(shadow_get)
extern void *wgraft_shadow_get(const void *object, uint32_t id);
/* Where the object has data of that id already: 0, and a warning. */
WGRAFT_RUNTIME(shadow_alloc)
extern void *wgraft_shadow_alloc(const void *object, uint32_t id, size_t size, wgraft_shadow_ctor, void *ctor_data);
/* Where the object has data of that id already: that, and no constructor runs. */
WGRAFT_RUNTIME(shadow_get_or_alloc)
extern void *wgraft_shadow_get_or_alloc(const void *object, uint32_t id, size_t size, wgraft_shadow_ctor, void *ctor_data);
WGRAFT_RUNTIME(shadow_free)
extern void wgraft_shadow_free(const void *object, uint32_t id, wgraft_shadow_dtor);
/* The data of that id of all objects. */
WGRAFT_RUNTIME(shadow_free_all)
extern void wgraft_shadow_free_all(uint32_t id, wgraft_shadow_dtor);

/* Version + 1 of a system state: of this patch, and of what was applied before it. 0 for none. */
WGRAFT_RUNTIME(state_get)
extern uint32_t wgraft_state_get(uint32_t id);
WGRAFT_RUNTIME(state_previous)
extern uint32_t wgraft_state_previous(uint32_t id);

#endif
`;
