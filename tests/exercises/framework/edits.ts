/** The edits of today's script that make an exercise's start file, its solution and its wrong answers. */

/**
 * What stands in the place of the TODO: a text or, if there are several TODOs, one for each. It is indented as the TODO is.
 */
export type Code = string | string[];

/** Marks the place of a TODO in the code of an edit. */
export const todo = "/*TODO*/";
const end = "/*END*/";

/** A change of a script; throws an EditError if the script has no such place. */
export type Edit = (source: string) => string;

/** An edit that does not fit today's script. */
export class EditError extends Error {
  override name = "EditError";
}

/**
 * Puts code in the place of the body of a function, or of a method written `Class.method`.
 *
 * @param options.keep Leave the old body below the TODO, for an exercise that changes it.
 */
export function body(name: string, code = todo, { keep = false } = {}): Edit {
  return (source) => {
    const lines = source.split("\n");
    const { first, last } = findBody(lines, name);
    const indent = /^ */.exec(lines[first - 1])![0] + "  ";
    const old = lines.slice(first, last);
    const kept = keep ? [indent + todo, ...old, indent + end] : indentLines(code, indent);
    return [...lines.slice(0, first), ...kept, ...lines.slice(last)].join("\n");
  };
}

/** Adds declarations in front of the script's program, `export const main`. */
export function append(code: string): Edit {
  return (source) => {
    const anchor = /^export const main = /m.exec(source);
    if (!anchor) {
      throw new EditError("the script has no line that begins with 'export const main ='");
    }
    return `${source.slice(0, anchor.index)}${dedent(code)}\n\n${source.slice(anchor.index)}`;
  };
}

/** Replaces a text that the script has exactly once. */
export function replace(old: string, by: string): Edit {
  return (source) => {
    const parts = source.split(old);
    if (parts.length !== 2) {
      throw new EditError(`the script has ${parts.length - 1} times, not once, the text '${old}'`);
    }
    return parts.join(by);
  };
}

/** Adds an import, or names to the import that the script has from that module. */
export function imports(names: string, from: string): Edit {
  return (source) => {
    const escaped = from.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    const old = new RegExp(`^import \\{([^}]*)\\} from "${escaped}";`, "m").exec(source);
    const own = old ? old[1].split(",").map((name) => name.trim()).filter(Boolean) : [];
    const all = [...new Set([...own, ...names.split(",").map((name) => name.trim())])].sort();
    const line = `import { ${all.join(", ")} } from "${from}";`;
    if (old) return source.replace(old[0], () => line);
    const first = source.search(/^import /m);
    if (first < 0) throw new EditError("the script has no import");
    return `${source.slice(0, first)}${line}\n${source.slice(first)}`;
  };
}

/** The lines from `first` up to `last` are a body; the code is formatted, so it ends where its indentation does. */
function findBody(lines: string[], name: string) {
  const [owner, method] = name.split(".");
  let start = 0;
  if (method) {
    start = lines.findIndex((line) =>
      RegExp(`^(export )?(abstract )?class ${owner}\\b`).test(line)
    );
    if (start < 0) throw new EditError(`the script has no class ${owner}`);
  }
  const head = method
    ? RegExp(`^  (static )?(async )?(get )?${method}\\(`)
    : RegExp(`^(export )?(async )?function ${owner}\\b`);
  const declared = lines.findIndex((line, i) => i >= start && head.test(line));
  const classEnd = method ? lines.findIndex((line, i) => i > start && line === "}") : Infinity;
  if (declared < 0 || declared > classEnd) throw new EditError(`the script has no ${name}()`);
  const first = lines.findIndex((line, i) => i >= declared && line.endsWith("{")) + 1;
  const indent = method ? "  " : "";
  const last = lines.findIndex((line, i) => i >= first && line === `${indent}}`);
  if (first === 0 || last < 0) throw new EditError(`the body of ${name}() has no end`);
  return { first, last };
}

/** The text without the indentation that its lines have in common, nor empty lines around. */
export function dedent(text: string): string {
  const lines = text.replace(/^\s*\n|\s+$/g, "").split("\n");
  const indents = lines.filter((line) => line.trim()).map((line) => /^ */.exec(line)![0].length);
  const common = Math.min(...indents);
  return lines.map((line) => line.slice(Math.min(common, /^ */.exec(line)![0].length))).join("\n");
}

function indentLines(code: string, indent: string): string[] {
  return dedent(code).split("\n").map((line) => line && indent + line);
}

/** Makes the edits and puts code in the place of each TODO; `old` is the body that it keeps, if any. */
export function fill(
  source: string,
  start: Edit[],
  codeOf: (i: number, count: number, old: string) => string,
): string {
  const text = start.reduce((text, edit) => edit(text), source);
  const hole = /^( *)\/\*TODO\*\/\n(?:([\s\S]*?)\n *\/\*END\*\/\n)?/gm;
  // A kept body belongs to the nearest TODO above its end.
  const holes = [...text.matchAll(hole)].length;
  if (holes === 0) throw new EditError("the edits leave no place for a TODO");
  let i = 0;
  return text.replace(hole, (_, indent: string, old: string | undefined) => {
    const code = codeOf(i++, holes, old ? dedent(old) : "");
    return indentLines(code, indent).join("\n") + "\n";
  });
}
