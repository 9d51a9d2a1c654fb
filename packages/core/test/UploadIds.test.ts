import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import * as Answer from "../src/Answer.js"
import * as Digest from "../src/Digest.js"
import * as Handler from "../src/Handler.js"
import * as Operation from "../src/Operation.js"
import type * as RegistryError from "../src/RegistryError.js"
import * as RepositoryName from "../src/RepositoryName.js"
import * as UploadIds from "../src/UploadIds.js"

const key = Redacted.make("a key of the test")
const issuer = ["test"]
const plain = UploadIds.make({ issuer, key })

const repositories = fc.stringMatching(/^[a-z0-9]{1,8}(\/[a-z0-9]{1,8}){0,2}$/).map((name) => RepositoryName.make(name))
const owners = fc.record({ repository: repositories, caller: fc.option(fc.string(), { nil: undefined }) })
/** Well-formed text. A URL is the most likely id. */
const texts = fc.oneof(
  fc.uuid(),
  fc.webUrl({ withQueryParameters: true }),
  fc.string({ unit: "grapheme", maxLength: 200 })
)
const sealed = fc.tuple(owners, texts)

const forms: ReadonlyArray<readonly [name: string, ids: UploadIds.UploadIds]> = [
  ["as text", plain],
  ["in URLs", UploadIds.urlSafe(plain)]
]

/** A property of all arguments. */
const holds = <T extends [unknown, ...Array<unknown>]>(
  name: string,
  given: { readonly [K in keyof T]: fc.Arbitrary<T[K]> },
  check: (given: T) => void
) => it(name, () => fc.assert(fc.property(fc.tuple<T>(...given), check)))

describe.each(forms)("sealed ids %s", (form, ids) => {
  holds("open for their owner", [sealed], ([[owner, id]]) => {
    expect(ids.open(owner, ids.seal(owner, id))).toBe(id)
  })

  holds("open for an issuer of the same name and key", [sealed], ([[owner, id]]) => {
    const same = UploadIds.make({ issuer: [...issuer], key: Redacted.make(Redacted.value(key)) })
    const again = form === "as text" ? same : UploadIds.urlSafe(same)
    expect(again.open(owner, ids.seal(owner, id))).toBe(id)
  })

  holds("do not open with another key, or for another issuer", [sealed], ([[owner, id]]) => {
    const text = ids.seal(owner, id)
    for (const other of [UploadIds.make({ issuer }), UploadIds.make({ issuer: ["test", ""], key })]) {
      expect((form === "as text" ? other : UploadIds.urlSafe(other)).open(owner, text)).toBeUndefined()
    }
  })

  holds("do not open for another repository", [sealed, repositories], ([[owner, id], repository]) => {
    fc.pre(repository !== owner.repository)
    expect(ids.open({ ...owner, repository }, ids.seal(owner, id))).toBeUndefined()
  })

  holds("do not open for another caller", [sealed, owners], ([[owner, id], { caller }]) => {
    fc.pre(caller !== owner.caller)
    expect(ids.open({ ...owner, caller }, ids.seal(owner, id))).toBeUndefined()
  })

  holds("do not open with another character, anywhere", [
    sealed,
    fc.nat(),
    fc.constantFrom(..."ABCDabcd0189-_.=/+% \n\u0000é")
  ], ([[owner, id], at, char]) => {
    const text = ids.seal(owner, id)
    const position = at % text.length
    fc.pre(text[position] !== char)
    const forged = text.slice(0, position) + char + text.slice(position + 1)
    expect(ids.open(owner, forged)).toBeUndefined()
  })

  holds("do not open in part, or with more", [sealed, fc.nat(), fc.string({ minLength: 1 })], ([
    [owner, id],
    at,
    more
  ]) => {
    const text = ids.seal(owner, id)
    expect(ids.open(owner, text.slice(0, at % text.length))).toBeUndefined()
    expect(ids.open(owner, text.slice(1 + at % text.length))).toBeUndefined()
    expect(ids.open(owner, text + more)).toBeUndefined()
    expect(ids.open(owner, more + text)).toBeUndefined()
  })

  holds("are never a text that was not sealed", [owners, fc.oneof(fc.string(), texts)], ([owner, text]) => {
    expect(ids.open(owner, text)).toBeUndefined()
  })
})

it("signs the owner and the id as separate fields", () => {
  const signatureOf = (repository: string, caller: string | undefined, id: string) =>
    plain.seal({ repository: RepositoryName.make(repository), caller }, id).split(".")[0]
  const signatures = [
    signatureOf("a", undefined, "/b"),
    signatureOf("a/b", undefined, ""),
    signatureOf("a", "", "/b"),
    signatureOf("a", "/b", "")
  ]
  expect(new Set(signatures).size).toBe(signatures.length)
})

describe("urlSafe", () => {
  const ids = UploadIds.urlSafe(plain)
  const owner = { repository: RepositoryName.make("a") }

  holds("returns a segment of a path", [sealed], ([[owner, id]]) => {
    expect(ids.seal(owner, id)).toMatch(/^[\w-]+$/)
  })

  it("does not open an id that is too long for the head of a request", () => {
    expect(ids.open(owner, ids.seal(owner, "x".repeat(6000)))).toHaveLength(6000)
    expect(ids.open(owner, ids.seal(owner, "x".repeat(6200)))).toBeUndefined()
  })
})

describe("make", () => {
  it("refuses an empty key", () => {
    expect(() => UploadIds.make({ issuer, key: Redacted.make("") })).toThrow(RangeError)
    expect(() => UploadIds.make({ issuer, key: [key, Redacted.make("")] })).toThrow(RangeError)
  })

  it("signs with the first of several keys, and accepts the ids of all", () => {
    const [old, next] = [Redacted.make("the old key of the test"), Redacted.make("the next key of the test")]
    const [before, published, rotated, after] = ([[old], [old, next], [next, old], [next]] as const).map((key) =>
      UploadIds.make({ issuer, key })
    )
    const owner = { repository: RepositoryName.make("a") }
    const opens = (from: typeof before, to: typeof before) => to!.open(owner, from!.seal(owner, "id")) === "id"
    expect([opens(before, published), opens(published, before)]).toEqual([true, true])
    expect([opens(published, rotated), opens(rotated, published)]).toEqual([true, true])
    expect([opens(rotated, after), opens(after, rotated)]).toEqual([true, true])
    expect([opens(before, after), opens(after, before)]).toEqual([false, false])
  })
})

describe("middleware", () => {
  const a = RepositoryName.make("a")
  const b = RepositoryName.make("b")
  const digest = Digest.fromBytes(new Uint8Array(0))

  /** A registry that does not check which repository an upload belongs to. */
  const careless = () => {
    const seen: Array<string> = []
    const upload = (id: string) => ({ id, offset: 0 })
    const handle: Handler.Handler = Handler.override(() => Effect.die("not called"), {
      StartUpload: () => Answer.succeed(upload("start")),
      MountBlob: ({ from }) =>
        Answer.succeed(
          from === undefined
            ? new Operation.UploadStarted({ upload: upload("mount") })
            : new Operation.Mounted({ digest })
        ),
      GetUpload: ({ id }) => Answer.succeed(upload(`${id}+`)),
      AppendUpload: ({ id }) => Answer.succeed(upload(`${id}+`)),
      CompleteUpload: ({ id }) => {
        seen.push(id)
        return Answer.succeed({ mediaType: "a/b", digest, size: 0 })
      },
      CancelUpload: ({ id }) => {
        seen.push(id)
        return Answer.succeed(Operation.done)
      }
    })
    return { handle: UploadIds.middleware(plain)(handle), seen }
  }

  const open = (handle: Handler.Handler) =>
    Effect.gen(function*() {
      const started = yield* handle(new Operation.StartUpload({ repository: a }))
      const mounted = yield* handle(new Operation.MountBlob({ repository: a, digest }))
      return [started.id, mounted._tag === "Mounted" ? "" : mounted.upload.id]
    })

  it.effect("accepts the newest id of an upload, in its repository", () =>
    Effect.gen(function*() {
      const { handle, seen } = careless()
      for (let id of yield* open(handle)) {
        id = (yield* handle(new Operation.GetUpload({ repository: a, id }))).id
        id = (yield* handle(new Operation.GetUpload({ repository: a, id }))).id
        yield* handle(new Operation.CompleteUpload({ repository: a, id, digest }))
        yield* handle(new Operation.CancelUpload({ repository: a, id }))
      }
      expect(seen).toEqual(["start++", "start++", "mount++", "mount++"])
    }))

  it.effect("fails with BlobUploadUnknown for an id of another repository, or one that it did not seal (T64)", () =>
    Effect.gen(function*() {
      const { handle, seen } = careless()
      const [firstId] = yield* open(handle)
      for (const [repository, id] of [[b, firstId!], [a, "start"], [a, ""]] as const) {
        const body = undefined as never
        const operations = [
          new Operation.GetUpload({ repository, id }),
          new Operation.AppendUpload({ repository, id, body }),
          new Operation.CompleteUpload({ repository, id, digest }),
          new Operation.CancelUpload({ repository, id })
        ]
        for (const operation of operations) {
          const error = yield* Effect.flip(handle(operation) as Effect.Effect<unknown, RegistryError.RegistryError>)
          expect(error).toMatchObject({ _tag: "OciBlobUploadUnknown", operation: operation._tag, repository })
          expect(error.message).not.toContain("start")
        }
      }
      expect(seen).toEqual([])
    }))

  it.effect("does not change the result of a mounted blob", () =>
    Effect.map(careless().handle(new Operation.MountBlob({ repository: a, digest, from: b })), (mounted) => {
      expect(mounted).toEqual(new Operation.Mounted({ digest }))
    }))
})
