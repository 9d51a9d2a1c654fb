import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit } from "effect"
import { BlobContent } from "../src/BlobContent.js"
import * as Body from "../src/Body.js"
import * as Digest from "../src/Digest.js"
import type { Handler } from "../src/Handler.js"
import * as Manifest from "../src/Manifest.js"
import * as MediaType from "../src/MediaType.js"
import * as Middleware from "../src/Middleware.js"
import * as Operation from "../src/Operation.js"
import { DigestInvalid, Unsupported } from "../src/RegistryError.js"
import * as RepositoryName from "../src/RepositoryName.js"
import * as Tag from "../src/Tag.js"

const text = (content: string): Uint8Array => new TextEncoder().encode(content)

const repository = RepositoryName.make("team/app")
const content = text("content")
const digest = Digest.fromBytes(content)
const other = Digest.fromBytes(text("other"))
const descriptor = { mediaType: "application/octet-stream", digest, size: content.byteLength }

const noLimit = { limit: Number.MAX_SAFE_INTEGER, onLimit: () => "no limit" }

/** A registry that returns the same result for every operation. */
const answering = (answer: unknown): Handler => () => Effect.succeed(answer) as never

const broken: Handler = (operation) => Effect.fail(new Unsupported(Operation.errorFields(operation)))

describe("Middleware.compose", () => {
  /** A wrapper that records its name before and after the next handler. */
  const noting = (name: string, notes: Array<string>): Middleware.Middleware => (next) => (operation) => {
    notes.push(`${name} in`)
    return Effect.onExit(next(operation), () => Effect.sync(() => notes.push(`${name} out`)))
  }

  it.effect("makes the last wrapper the outermost, as a pipe does", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const wrap = Middleware.compose(noting("inner", notes), noting("middle", notes), noting("outer", notes))
      yield* Effect.exit(wrap(broken)(new Operation.ResolveBlob({ repository, digest })))
      expect(notes).toEqual(["outer in", "middle in", "inner in", "inner out", "middle out", "outer out"])
    }))

  it("without wrappers is the identity", () => {
    expect(Middleware.compose()(broken)).toBe(broken)
    expect(Middleware.identity(broken)).toBe(broken)
  })

  it.effect("is associative", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const [a, b, c] = ["a", "b", "c"].map((name) => noting(name, notes)) as [
        Middleware.Middleware,
        Middleware.Middleware,
        Middleware.Middleware
      ]
      const operation = new Operation.ResolveBlob({ repository, digest })
      const run = (wrap: Middleware.Middleware) =>
        Effect.zipRight(Effect.exit(wrap(broken)(operation)), Effect.sync(() => notes.splice(0)))
      const flat = yield* run(Middleware.compose(a, b, c))
      expect(yield* run(Middleware.compose(Middleware.compose(a, b), c))).toEqual(flat)
      expect(yield* run(Middleware.compose(a, Middleware.compose(b, c)))).toEqual(flat)
    }))
})

describe("Middleware.verified", () => {
  const failure = (name: string, found: Digest.Digest) =>
    `${name} team/app@${digest}: the registry answered with ${found}`

  describe("on content", () => {
    const get = (answer: BlobContent, operation = new Operation.GetBlob({ repository, digest })) =>
      Middleware.verified(answering(answer))(operation)
    const bytes = (body: Body.Body) => Effect.exit(Body.toBytes(body, noLimit))

    it.scoped("verifies unverified content", () =>
      Effect.gen(function*() {
        const right = yield* get(new BlobContent({ descriptor, body: Body.bytes(content), verified: false }))
        expect(right).toMatchObject({ descriptor, range: undefined, verified: true })
        expect(yield* bytes(right.body)).toEqual(Exit.succeed(content))
        const wrong = yield* get(new BlobContent({ descriptor, body: Body.bytes(text("CONTENT")), verified: false }))
        const error = yield* Effect.flip(yield* bytes(wrong.body))
        expect(error).toBeInstanceOf(DigestInvalid)
        expect((error as DigestInvalid).message).toBe(
          `GetBlob team/app@${digest}: content does not match its digest, it has ${Digest.fromBytes(text("CONTENT"))}`
        )
      }))

    it.scoped.each([
      {
        name: "content that is verified",
        answer: new BlobContent({ descriptor, body: Body.bytes(text("CONTENT")), verified: true })
      },
      {
        name: "a range",
        answer: new BlobContent({
          descriptor,
          range: { offset: 0, length: 3 },
          body: Body.bytes(text("con")),
          verified: false
        })
      }
    ])("leaves $name alone", ({ answer }) =>
      Effect.gen(function*() {
        expect(yield* get(answer)).toBe(answer)
      }))

    it.scoped.each([
      { name: "verified", fields: { verified: true } },
      { name: "unverified", fields: { verified: false } },
      { name: "a range", fields: { verified: true, range: { offset: 0, length: 1 } } }
    ])("refuses content of another digest: $name", ({ fields }) =>
      Effect.gen(function*() {
        const answer = new BlobContent({
          descriptor: { ...descriptor, digest: other },
          body: Body.bytes(text("other")),
          ...fields
        })
        const error = yield* Effect.flip(get(answer))
        expect(error).toBeInstanceOf(DigestInvalid)
        expect(error.message).toBe(failure("GetBlob", other))
      }))
  })

  describe("on descriptors", () => {
    const tag = Tag.make("v1")

    it.effect.each([
      { operation: new Operation.ResolveBlob({ repository, digest }) },
      { operation: new Operation.ResolveManifest({ repository, reference: digest }) }
    ])("refuses one of another digest: $operation._tag", ({ operation }) =>
      Effect.gen(function*() {
        const resolve = (answer: object) => Effect.exit(Middleware.verified(answering(answer))(operation))
        expect(yield* resolve(descriptor)).toEqual(Exit.succeed(descriptor))
        const error = yield* Effect.flip(yield* resolve({ ...descriptor, digest: other }))
        expect(error).toBeInstanceOf(DigestInvalid)
        expect(error.message).toBe(failure(operation._tag, other))
      }))

    it.effect("accepts any digest for a tag", () =>
      Effect.gen(function*() {
        const operation = new Operation.ResolveManifest({ repository, reference: tag })
        const answer = { ...descriptor, digest: other }
        expect(yield* Middleware.verified(answering(answer))(operation)).toBe(answer)
      }))
  })

  describe("on manifests", () => {
    const bytes = text("{}")
    const manifest = Either.getOrThrow(Manifest.make({ mediaType: MediaType.index, bytes }))
    const get = (reference: Operation.TagOrDigest) =>
      Effect.exit(Middleware.verified(answering(manifest))(new Operation.GetManifest({ repository, reference })))

    it.effect("accepts any digest for a tag", () =>
      Effect.gen(function*() {
        expect(yield* get(Tag.make("v1"))).toEqual(Exit.succeed(manifest))
      }))

    it.effect("accepts the requested manifest", () =>
      Effect.gen(function*() {
        expect(yield* get(manifest.descriptor.digest)).toEqual(Exit.succeed(manifest))
      }))

    it.effect("returns a manifest requested by another algorithm under the requested digest", () =>
      Effect.gen(function*() {
        const sha512 = Digest.fromBytes(bytes, "sha512")
        const found = yield* yield* get(sha512)
        expect(found.descriptor).toEqual({ ...manifest.descriptor, digest: sha512 })
        expect(found.bytes).toBe(bytes)
      }))

    it.effect.each([
      { name: "of another digest", requested: other },
      { name: "of another digest of another algorithm", requested: Digest.fromBytes(text("other"), "sha512") },
      { name: "that cannot be checked", requested: Digest.make("md5:00") }
    ])("refuses one $name", ({ requested }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(yield* get(requested))
        expect(error).toBeInstanceOf(DigestInvalid)
        expect(error.message.startsWith(`GetManifest team/app@${requested}: `)).toBe(true)
      }))
  })

  it.effect("does not change other operations, and failures", () =>
    Effect.gen(function*() {
      for (
        const operation of [
          new Operation.ResolveBlob({ repository, digest }),
          new Operation.ResolveManifest({ repository, reference: digest }),
          new Operation.GetManifest({ repository, reference: digest })
        ]
      ) {
        expect(yield* Effect.exit(Middleware.verified(broken)(operation))).toEqual(
          Exit.fail(new Unsupported(Operation.errorFields(operation)))
        )
      }
      const list = new Operation.ListRepositories({})
      expect(yield* Middleware.verified(answering("a list"))(list)).toBe("a list")
    }))
})
