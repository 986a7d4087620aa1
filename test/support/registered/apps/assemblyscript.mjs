// A package as AssemblyScript's compiler writes it, with its ES module bindings.

export async function start(file) {
  const { next, label, rate } = await import(file);
  return () => [next(), label(3), rate(2)];
}
