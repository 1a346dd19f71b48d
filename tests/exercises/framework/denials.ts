/** What a file has tried to do without being allowed to, also where it catches the error. */

/**
 * Notes each refused permission from now on.
 *
 * @returns The messages so far, such as `Requires net access to "a.org:80"`; it grows
 */
export function watchDenials(): string[] {
  const denied: string[] = [];
  const { NotCapable } = Deno.errors;
  // Deno makes such an error for each refusal, and the error's class calls the class above it.
  class Noted extends Error {
    constructor(message?: string) {
      super(message);
      denied.push(String(message).split(", run again")[0]);
    }
  }
  Object.setPrototypeOf(NotCapable, Noted);
  Object.freeze(NotCapable);
  return denied;
}
