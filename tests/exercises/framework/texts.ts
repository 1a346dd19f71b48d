/** The fixed sentences of the reports, in English and Spanish. */
import type { Language } from "./language.ts";

const en = {
  notStarted: "the TODO is still there",
  doesNotLoad: (message: string) => `the file does not load: ${message}`,
  missing: (name: string, file: string) => `${file} does not export ${name}`,
  throws: (what: string, message: string) => `${what} throws ${message}`,
  wrongShape: (what: string, expected: string, received: string) =>
    `${what}: wrong shape: expected ${expected}, received ${received}`,
  nan: (what: string, at: string, received: string) =>
    `${what}: ${received} where a number is expected${at}`,
  wrongValue: (what: string, at: string, expected: string, received: string) =>
    `${what}: wrong value${at}: expected ${expected}, received ${received}`,
  wrongGradient: (what: string, at: string, expected: string, received: string) =>
    `${what}: wrong gradient${at}: expected ${expected}, received ${received}`,
  cost: (what: string, most: string, received: string) =>
    `${what}: too much work: ${received}, at most ${most} needed`,
  at: (index: string) => ` at ${index}`,
  differ: (shape: string, different: number, of: number, tolerance: string) =>
    `shape ${shape} is right; ${different} of ${of} values differ${different === 1 ? "s" : ""}` +
    ` (tolerance ${tolerance})`,
  multiplications: "multiplications",
  products: "matrix products",
  nothing: "nothing (undefined)",
  elements: (n: number) => `${n} element${n === 1 ? "" : "s"}`,
  endless: (seconds: number) =>
    `no answer after ${seconds} seconds, so it was stopped: is there a loop that never ends?`,
  forbidden: (what: string) => `the file tried what no answer needs: ${what}`,
  crash: (why: string) => `the process ended in the middle of the check: ${why}`,
  exit: (code: number) => `exit code ${code}`,
  memory: (limit: number) => `it needed more than ${limit} MB`,
  flood: "it printed too much",
  input: "input",
  means: "means",
  next: "next",
  hint: "hint",
  check: "check",
  passed: "all checks pass",
  watching: (file: string) => `Checking ${file} at each save; end with ctrl-C.`,
  notBegun: (file: string, name: string) =>
    `There is no ${file} yet: begin with deno task exercise ${name}`,
  types: "types",
  sign: "all values have the wrong sign",
  factor: (factor: string) => `all values are ${factor} times the expected ones`,
  offset: (offset: string) => `all values are off by the same number, ${offset}`,
  transposed: "rows and columns are exchanged",
  unknown: "the values are not those of the formula: work out the first that differs by hand",
  unknownShape: "the result does not have the size that the task asks for",
  unknownNaN:
    "a division by 0, a logarithm of 0 or an exp that overflows: find the first operation that gives it",
  unknownThrow: "the code breaks off before there is a result",
  unknownEndless: "a loop's condition stays true, or a call calls itself without end",
  unknownForbidden: "an answer needs no network, environment, other program or file: take it out",
  unknownCrash: "the code ends the whole process, or takes all memory",
  unknownLoad: "Deno cannot read the file as a program: mend the line that is named first",
  unknownLoadThrow: "the code outside of all functions breaks off while the file is loaded",
  unknownMissing: "the check calls this name: keep it, and keep the word export in front",
  unknownStart: "nothing is wrong: this exercise waits for your code",
  unknownCost: "the result is right, but not found in the way that the task asks for",
};

const es: typeof en = {
  notStarted: "el TODO sigue ahí",
  doesNotLoad: (message) => `el fichero no se puede cargar: ${message}`,
  missing: (name, file) => `${file} no exporta ${name}`,
  throws: (what, message) => `${what} lanza ${message}`,
  wrongShape: (what, expected, received) =>
    `${what}: forma incorrecta: se esperaba ${expected}, se ha recibido ${received}`,
  nan: (what, at, received) => `${what}: ${received} donde se esperaba un número${at}`,
  wrongValue: (what, at, expected, received) =>
    `${what}: valor incorrecto${at}: se esperaba ${expected}, se ha recibido ${received}`,
  wrongGradient: (what, at, expected, received) =>
    `${what}: gradiente incorrecto${at}: se esperaba ${expected}, se ha recibido ${received}`,
  cost: (what, most, received) =>
    `${what}: demasiado trabajo: ${received}, bastan ${most} como máximo`,
  at: (index) => ` en ${index}`,
  differ: (shape, different, of, tolerance) =>
    `la forma ${shape} es correcta; ${different} de ${of} valores ` +
    `${different === 1 ? "es distinto" : "son distintos"} (tolerancia ${tolerance})`,
  multiplications: "multiplicaciones",
  products: "productos de matrices",
  nothing: "nada (undefined)",
  elements: (n) => `${n} elemento${n === 1 ? "" : "s"}`,
  endless: (seconds) =>
    `sin respuesta tras ${seconds} segundos, así que se ha parado: ¿hay un bucle que no acaba?`,
  forbidden: (what: string) =>
    `el fichero ha intentado algo que ninguna respuesta necesita: ${what}`,
  crash: (why) => `el proceso ha terminado en mitad de la comprobación: ${why}`,
  exit: (code) => `código de salida ${code}`,
  memory: (limit) => `necesitaba más de ${limit} MB`,
  flood: "escribía demasiado",
  input: "entrada",
  means: "significa",
  next: "sigue por",
  hint: "pista",
  check: "comprueba",
  passed: "pasa todas las comprobaciones",
  watching: (file) => `Se comprueba ${file} cada vez que lo guardes; termina con ctrl-C.`,
  notBegun: (file, name) => `No hay ningún ${file} todavía: empieza con deno task exercise ${name}`,
  types: "tipos",
  sign: "todos los valores tienen el signo contrario",
  factor: (factor) => `todos los valores son ${factor} veces los esperados`,
  offset: (offset) => `a todos los valores les sobra el mismo número, ${offset}`,
  transposed: "las filas y las columnas están intercambiadas",
  unknown: "los valores no son los de la fórmula: calcula a mano el primero que es distinto",
  unknownShape: "el resultado no tiene el tamaño que pide el enunciado",
  unknownNaN:
    "una división por 0, un logaritmo de 0 o una exp que se desborda: busca la primera operación que lo da",
  unknownThrow: "el código se interrumpe antes de dar un resultado",
  unknownEndless:
    "la condición de un bucle es siempre cierta o una función se llama a sí misma sin fin",
  unknownForbidden: "una respuesta no necesita red, entorno, otros programas ni ficheros: quítalo",
  unknownCrash: "el código termina el proceso entero o consume toda la memoria",
  unknownLoad: "Deno no puede leer el fichero como programa: corrige primero la línea indicada",
  unknownLoadThrow: "el código que está fuera de las funciones se interrumpe al cargar el fichero",
  unknownMissing: "la comprobación usa este nombre: consérvalo, con la palabra export delante",
  unknownStart: "no hay ningún error: este ejercicio espera tu código",
  unknownCost: "el resultado es correcto, pero no se obtiene como pide el enunciado",
};

/** The sentences by language. */
export const texts: Record<Language, typeof en> = { en, es };
