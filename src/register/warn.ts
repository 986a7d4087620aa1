// What the hook has to say to whoever runs the program: Node's own warnings, which can be listened to and switched off.

export function warn(message: string): void {
  process.emitWarning(message, { type: 'WgraftWarning' });
}

export function reasonFor(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
