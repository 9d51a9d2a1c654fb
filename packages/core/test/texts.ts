/** Texts of every grammar for property tests, and hostile texts for parsers. */
import * as fc from "fast-check"
import type * as Digest from "../src/Digest.js"
import * as Reference from "../src/Reference.js"
import type { RepositoryName } from "../src/RepositoryName.js"
import type { Tag } from "../src/Tag.js"

const letters = "abcdefghijklmnopqrstuvwxyz"
const digits = "0123456789"

const word = (characters: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength })

const alphanumerics = word(letters + digits, 1, 5)

const component = fc
  .tuple(
    alphanumerics,
    fc.array(fc.tuple(fc.constantFrom(".", "_", "__", "-", "---"), alphanumerics), { maxLength: 2 })
  )
  .map(([first, more]) => first + more.flat().join(""))

export const names = fc
  .array(component, { minLength: 1, maxLength: 4 })
  .map((components) => components.join("/") as RepositoryName)

const tagWord = letters + letters.toUpperCase() + digits + "_"

export const tags = fc
  .tuple(word(tagWord, 1, 1), fc.oneof(word(`${tagWord}.-`, 0, 12), word(`${tagWord}.-`, 127, 127)))
  .map(([first, rest]) => first + rest as Tag)

export const digests = fc
  .oneof(
    word("0123456789abcdef", 64, 64).map((hex) => `sha256:${hex}`),
    word("0123456789abcdef", 128, 128).map((hex) => `sha512:${hex}`),
    word(`${tagWord}=-`, 1, 40).map((encoded) => `sha256+b64u:${encoded}`)
  )
  .map((digest) => digest as Digest.Digest)

/** A label of a domain name. The text after `xn--` is Punycode, which random text rarely is. */
const label = fc.tuple(word(letters, 1, 3), fc.constantFrom("", "-", "--"), alphanumerics)
  .map((parts) => parts.join(""))
  .filter((text) => !text.startsWith("xn--"))

/** Normalized hosts. */
export const hosts = fc.oneof(
  fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => `${labels.join(".")}.io`),
  fc.tuple(label, fc.integer({ min: 1, max: 65_535 })).map(([name, port]) => `${name}:${port}`),
  fc.constantFrom("localhost", "docker.io", "index.docker.io", "[::1]", "[2001:db8::1]:5000"),
  fc.ipV4()
)

export const references = fc
  .record({
    registry: hosts,
    repository: fc.oneof(names, names.map((name) => `library/${name}` as RepositoryName)),
    tag: fc.option(fc.oneof(tags, fc.constant("latest" as Tag)), { nil: undefined }),
    digest: fc.option(digests, { nil: undefined })
  })
  .map(Reference.make)

const size = 65_536

/** Texts of 64 KiB that are not names, tags, digests or references. */
export const hostileTexts: ReadonlyArray<{ readonly name: string; readonly text: string }> = [
  { name: "letters", text: "a".repeat(size) },
  { name: "letters with a bad end", text: `${"a".repeat(size - 1)}!` },
  { name: "components", text: "a/".repeat(size / 2) },
  { name: "slashes", text: "/".repeat(size) },
  { name: "dots", text: `a${".".repeat(size - 1)}` },
  { name: "labels", text: "a.".repeat(size / 2) },
  { name: "dashes", text: `a${"-".repeat(size - 2)}a` },
  { name: "underscores", text: `a${"_".repeat(size - 2)}a` },
  { name: "separators", text: `a${"__-".repeat(size / 3)}a` },
  { name: "colons", text: ":".repeat(size) },
  { name: "at signs", text: "@".repeat(size) },
  { name: "brackets", text: "[".repeat(size) },
  { name: "an address", text: `[${":0".repeat(size / 2 - 4)}]:80/a` },
  { name: "a host", text: `${"a.".repeat(size / 2 - 4)}io/app` },
  { name: "a long port", text: `a:${"9".repeat(size - 4)}/a` },
  { name: "a long name", text: `a.b/${"a".repeat(size - 4)}` },
  { name: "a long tag", text: `a.b/a:${"a".repeat(size - 6)}` },
  { name: "a long digest", text: `a.b/a@sha256:${"0".repeat(size - 14)}` },
  { name: "an algorithm", text: `${"a+".repeat(size / 2 - 2)}a:00` },
  { name: "NULs", text: "\0".repeat(size) },
  { name: "lone surrogates", text: "\ud83d".repeat(size) }
]

/** Returns the shortest time of several runs, in milliseconds, so that a busy machine does not affect the result. */
export const quickest = (run: () => unknown): number => {
  let least = Infinity
  // Other processes may interrupt a run, so a slow result is measured again.
  for (let count = 0; count < 5 || (least > 4 && count < 100); count++) {
    const start = performance.now()
    run()
    least = Math.min(least, performance.now() - start)
  }
  return least
}
