/** The languages of tasks, hints and reports. */

/** A text in each language. */
export interface Text {
  en: string;
  es: string;
}
/** The language of tasks, hints and reports. */
export type Language = keyof Text;

/** Spanish if the environment is, else English. */
export function environmentLanguage(): Language {
  const names = ["LC_ALL", "LC_MESSAGES", "LANG"];
  const locale = names.map((name) => Deno.env.get(name)).find(Boolean) ?? "";
  return locale.startsWith("es") ? "es" : "en";
}
