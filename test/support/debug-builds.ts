// Small programs with debug information, for tests of what is read of it.

import { type CompileOptions, compileC } from './compile-c.ts';

const library = ['-Wl,--emit-relocs', '-nostdlib', '-Wl,--no-entry'];

/** A C source without libc to a module; `flags` choose the debug information. */
export function compileDebug(
  text: string,
  flags: readonly string[],
  options: CompileOptions = {},
): Promise<Uint8Array> {
  return compileC(text, { ...options, flags: [...library, ...flags] });
}

/** All that C has in structs. */
export const everyMember = `typedef unsigned char byte;
typedef struct { int left, right; } pair;
enum colour { red, green };
union number { int i; float f; char text[12]; };
struct bits { unsigned a : 3, b : 7; int : 4; signed c : 20; byte d; };
struct node {
  struct node *next;
  const byte *name;
  pair corners[2];
  enum colour colour;
  struct { short x; union { int whole; struct { short low, high; } half; }; } place;
  struct { long long big; };
  double (*compute)(int);
  volatile float weights[3][4];
  union number value;
  struct bits flags;
  _Bool last;
  char rest[];
};

static struct node nodes[2];

__attribute__((export_name("sum"), noinline))
int sum(struct node *n) {
  struct local { int of; } l = { n->corners[0].left };
  return l.of + n->flags.c + n->place.half.high;
}

__attribute__((export_name("first"))) int first(int i) {
  nodes[i & 1].flags.b = i;
  return sum(nodes);
}
`;

/** And what C++ adds: bases, virtual ones too, templates, namespaces, types in types. */
export const everyClass = `namespace shop {
class Base {
 public:
  virtual ~Base();
  virtual int price() const;
 protected:
  int base_;
  static int count;
};
Base::~Base() {}
int Base::price() const { return base_; }
int Base::count = 3;
struct Mixin { short kind; };
template <class T> struct Box { T value; char tag; };
class Item : public Base, Mixin {
 public:
  struct Tag { char text[3]; };
  int price() const override;
  Item(int &r) : ref(r) {}
  Tag tag;
  int &ref;
  Box<double> box;
  int Base::*member;
};
int Item::price() const { return ref + box.tag + kind + base_; }
namespace { struct Hidden { int x; }; Hidden hidden; }
}
struct V : virtual shop::Mixin { int own; };
void operator delete(void *) noexcept {}
void operator delete(void *, unsigned long) noexcept {}
extern "C" __attribute__((export_name("run"))) int run(int a) {
  shop::Item i(a);
  V v;
  v.kind = a;
  shop::hidden.x = a;
  shop::Base &b = i;
  return b.price() + v.kind + shop::hidden.x;
}
`;

export const cPlusPlus = { fileName: 'main.cc' } as const;
export const cPlusPlusFlags: readonly string[] = ['-g', '-fno-exceptions', '-fno-rtti'];
