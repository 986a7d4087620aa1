// A component, as jco has transpiled it.

export async function start(file) {
  const { next, rate } = await import(file);
  return () => [next(), rate(2)];
}
