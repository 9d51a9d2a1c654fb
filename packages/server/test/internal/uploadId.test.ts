import { RepositoryName } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as uploadId from "../../src/internal/uploadId.js"

const key = new Uint8Array(32).fill(1)
const ids = uploadId.make(key)

const repositories = fc.stringMatching(/^[a-z0-9]{1,8}(\/[a-z0-9]{1,8}){0,2}$/).map((name) => RepositoryName.make(name))
/** What a registry may call an upload: well-formed text, of which a URL is the most likely. */
const texts = fc.oneof(
  fc.uuid(),
  fc.webUrl({ withQueryParameters: true }),
  fc.string({ unit: "grapheme", maxLength: 200 })
)
const sealed = fc.tuple(repositories, texts)

/** A test of what holds for anything given. */
const holds = <T extends [unknown, ...Array<unknown>]>(
  name: string,
  given: { readonly [K in keyof T]: fc.Arbitrary<T[K]> },
  check: (given: T) => void
) => it(name, () => fc.assert(fc.property(fc.tuple<T>(...given), check)))

describe("uploadId", () => {
  holds("what is sealed opens", [sealed], ([[repository, id]]) => {
    const text = ids.seal(repository, id)
    expect(ids.open(repository, text)).toBe(id)
    expect(text).toMatch(/^[\w-]*\.[\w-]{22}$/)
    expect(encodeURIComponent(text)).toBe(text)
  })

  holds("a server with the same key opens it, one with another does not", [sealed], ([[repository, id]]) => {
    const text = ids.seal(repository, id)
    expect(uploadId.make(Uint8Array.from(key)).open(repository, text)).toBe(id)
    expect(uploadId.make(uploadId.randomKey()).open(repository, text)).toBeUndefined()
  })

  holds("no other repository opens it", [sealed, repositories], ([[repository, id], other]) => {
    fc.pre(other !== repository)
    expect(ids.open(other, ids.seal(repository, id))).toBeUndefined()
  })

  holds("any other character, anywhere, and it does not open", [
    sealed,
    fc.nat(),
    fc.constantFrom(..."ABCDabcd0189-_.=/+% \n\u0000é")
  ], ([[repository, id], at, char]) => {
    const text = ids.seal(repository, id)
    const position = at % text.length
    fc.pre(text[position] !== char)
    const forged = text.slice(0, position) + char + text.slice(position + 1)
    expect(ids.open(repository, forged)).toBeUndefined()
  })

  holds("a part of it does not open, nor does more", [sealed, fc.nat(), fc.string({ minLength: 1 })], ([
    [repository, id],
    at,
    more
  ]) => {
    const text = ids.seal(repository, id)
    expect(ids.open(repository, text.slice(0, at % text.length))).toBeUndefined()
    expect(ids.open(repository, text.slice(1 + at % text.length))).toBeUndefined()
    expect(ids.open(repository, text + more)).toBeUndefined()
    expect(ids.open(repository, more + text)).toBeUndefined()
  })

  holds("what nobody sealed does not open", [repositories, fc.oneof(fc.string(), texts)], ([repository, text]) => {
    expect(ids.open(repository, text)).toBeUndefined()
  })

  it("the name and the id cannot run into each other", () => {
    const a = RepositoryName.make("a")
    const ab = RepositoryName.make("a/b")
    const signatureOf = (text: string) => text.slice(text.indexOf("."))
    expect(signatureOf(ids.seal(a, "/b"))).not.toBe(signatureOf(ids.seal(ab, "")))
  })

  it("one that is too long to be sent is not looked at", () => {
    const repository = RepositoryName.make("a")
    expect(ids.open(repository, ids.seal(repository, "x".repeat(6000)))).toHaveLength(6000)
    expect(ids.open(repository, ids.seal(repository, "x".repeat(6200)))).toBeUndefined()
  })
})
