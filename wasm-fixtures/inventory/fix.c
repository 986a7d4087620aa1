// The fix of v1.c's check_quantity: a quantity must be at least 1. Built with
//   wgraft build --target inventory.slots.wasm --replace check_quantity=fix.c -o fix.wgp
// It calls the program's own `reject` and brings a string of its own.

struct item {
  struct item *next;
  char name[32];
  int stock;
};

void reject(const char *reason);

int check_quantity(const struct item *item, int quantity) {
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
