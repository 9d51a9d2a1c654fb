import { Answer, BlobContent, Body, Descriptor, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Layer, Stream, TestClock } from "effect"
import { Cache, Retry, Union } from "../src/index.js"

const { repository, tag } = samples

const large = new Uint8Array(300_000).map((_, index) => index % 251)
const small = new TextEncoder().encode("a small blob")
const wrong = (content: Uint8Array) => content.map((byte, index) => index === 5 ? byte ^ 1 : byte)
const cut = 123_456

const down = new RegistryError.TransportError({ reason: "the connection broke" })

interface Options {
  /** The bytes that the member returns. */
  readonly content?: Uint8Array
  /** How many bytes it sends before it fails. */
  readonly breaksAfter?: number
  readonly error?: RegistryError.RegistryError
  /** How the bytes arrive. */
  readonly native?: boolean
  readonly verified?: boolean
  readonly size?: number
}

/** Creates a member that serves one blob and records the requests. */
const serving = (blob: Descriptor.Descriptor, options: Options = {}) => {
  const { content = large, error = down, native = false, verified = false } = options
  const seen: Array<string> = []
  let open = 0
  const bodyOf = (from: number, to: number) => {
    const size = to - from
    const last = options.breaksAfter === undefined ? to : Math.min(to, from + options.breaksAfter)
    const pieces: Array<Uint8Array> = []
    for (let at = from; at < last; at += 50_000) pieces.push(content.slice(at, Math.min(at + 50_000, last)))
    const fails = last < to
    if (!native) {
      const sent = Stream.fromIterable(pieces)
      return Body.stream(fails ? Stream.concat(sent, Stream.fail(error)) : sent, { size })
    }
    return Body.fromSource((sink) => {
      let over = false
      let at = 0
      const pump = () => {
        while (!over) {
          const piece = pieces[at++]
          if (piece === undefined) {
            over = true
            if (fails) sink.fail(error)
            else sink.end()
          } else if (!sink.data(piece)) return
        }
      }
      queueMicrotask(pump)
      return {
        resume: () => queueMicrotask(pump),
        cancel: () => {
          over = true
        }
      }
    }, { size })
  }
  const handle = Handler.fromTable({
    ...samples.answers,
    ResolveBlob: () => Answer.succeed(blob),
    GetBlob: ({ digest, range }) =>
      digest !== blob.digest
        ? Answer.fail(new RegistryError.BlobUnknown({}))
        : Effect.acquireRelease(
          Effect.sync(() => {
            open++
            seen.push(range === undefined ? "whole" : `from ${range.offset}`)
            const at = range?.offset ?? 0
            const span = range === undefined ? undefined : { offset: at, length: range.length ?? blob.size - at }
            return new BlobContent.BlobContent({
              descriptor: { ...blob, size: options.size ?? blob.size },
              range: span,
              body: bodyOf(span?.offset ?? 0, span === undefined ? blob.size : span.offset + span.length),
              verified: verified && span === undefined
            })
          }),
          () => Effect.sync(() => void open--)
        )
  })
  return { handle, seen, isOpen: () => open > 0 }
}

const member = (
  name: string,
  { handle }: { readonly handle: Handler.Handler },
  more?: Partial<Union.Member<Registry["Type"]>>
): Union.Member<Registry["Type"]> => ({ name, registry: Registry.fromHandler(handle), ...more })

const union = (members: ReadonlyArray<Union.Member<Registry["Type"]>>, options?: Union.Options): Handler.Handler =>
  Effect.runSync(Effect.provide(Registry, Union.layer(members, options))).handle

const empty = { handle: samples.always(Answer.fail(new RegistryError.BlobUnknown({}))) }

const blob = Descriptor.fromBytes(large)
const smallBlob = Descriptor.fromBytes(small)

/** Reads all bytes of a blob, and the error at their end. */
const read = (handle: Handler.Handler, of = blob, range?: { readonly offset: number; readonly length?: number }) =>
  Effect.gen(function*() {
    const got: Array<Uint8Array> = []
    const exit = yield* Effect.exit(
      Effect.scoped(
        Effect.flatMap(
          handle(new Operation.GetBlob({ repository, digest: of.digest, range })),
          ({ body }) => Body.forEachChunk(body, (piece) => void got.push(piece.slice()))
        )
      )
    )
    return {
      bytes: new Uint8Array(Buffer.concat(got)),
      error: exit._tag === "Success" ? undefined : Cause.squash(exit.cause) as RegistryError.RegistryError
    }
  })

const transient: Union.Options = { passOver: RegistryError.isTransient }

describe("Union, when a member fails within a blob,", () => {
  it.effect.each<{ name: string; mirror: Options; options?: Union.Options; origin?: Options }>([
    { name: "a stream", mirror: {} },
    { name: "a native body", mirror: { native: true }, origin: { native: true } },
    { name: "an early end", mirror: { content: large.subarray(0, cut) } },
    { name: "with any error", mirror: { error: new RegistryError.Denied({}) }, options: { passOver: () => true } }
  ])(
    "continues at the next member from the first missing byte: $name",
    ({ mirror, options = transient, origin }) =>
      Effect.gen(function*() {
        const one = serving(blob, { breaksAfter: cut, ...mirror })
        const other = serving(blob, origin)
        const handle = union([member("mirror", one), member("none", empty), member("origin", other)], options)
        const { bytes, error } = yield* read(handle)
        expect(error).toBeUndefined()
        expect(Descriptor.fromBytes(bytes).digest).toBe(blob.digest)
        expect([one.seen, other.seen]).toEqual([["whole"], [`from ${cut}`]])
        expect([one.isOpen(), other.isOpen()]).toEqual([false, false])
      })
  )

  it.effect("continues a range", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { breaksAfter: 1000 })
      const origin = serving(blob)
      const handle = union([member("mirror", mirror), member("origin", origin)], transient)
      const { bytes } = yield* read(handle, blob, { offset: 100, length: 5000 })
      expect(Buffer.compare(bytes, large.subarray(100, 5100))).toBe(0)
      expect(origin.seen).toEqual(["from 1100"])
    }))

  it.effect("continues more than once, and skips a member with another size", () =>
    Effect.gen(function*() {
      const members = [
        serving(blob, { breaksAfter: 50_000 }),
        serving(blob, { size: 299_999 }),
        serving(blob, { breaksAfter: 50_000 }),
        serving(blob)
      ]
      const handle = union(members.map((each, index) => member(`${index}`, each)), { passOver: () => true })
      const { bytes } = yield* read(handle)
      expect(Descriptor.fromBytes(bytes).digest).toBe(blob.digest)
      expect(members.map(({ seen }) => seen)).toEqual([["whole"], ["from 50000"], ["from 50000"], ["from 100000"]])
    }))

  it.effect("reads the next member's blob from its start if the first member has verified its own bytes", () =>
    Effect.gen(function*() {
      const store = serving(blob, { breaksAfter: cut, verified: true })
      const origin = serving(blob)
      const handle = union([member("store", store), member("origin", origin)], transient)
      const { bytes } = yield* read(handle)
      expect(Descriptor.fromBytes(bytes).digest).toBe(blob.digest)
      expect(origin.seen).toEqual(["whole"])
      const liar = serving(blob, { content: wrong(large) })
      const bad = yield* read(union([member("store", store), member("liar", liar)], transient))
      expect(bad.error?._tag).toBe("OciDigestInvalid")
      expect(bad.bytes.byteLength).toBeLessThan(blob.size)
    }))

  it.effect("fails with the answer of each member if no member can continue", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { breaksAfter: cut })
      const handle = union([member("mirror", mirror), member("origin", empty)], transient)
      const { bytes, error } = yield* read(handle)
      expect(Buffer.compare(bytes, large.subarray(0, cut))).toBe(0)
      expect(error).toMatchObject({ _tag: "OciTransportError", repository })
      expect(error?.reason).toBe("mirror: the connection broke; origin: blob unknown to registry")
    }))

  it.effect("fails at once with an error that passOver does not select", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { breaksAfter: cut })
      const origin = serving(blob)
      const { error } = yield* read(union([member("mirror", mirror), member("origin", origin)]))
      expect(error).toMatchObject({ _tag: "OciTransportError", reason: "the connection broke" })
      expect(origin.seen).toEqual([])
    }))

  it.effect("closes the member that broke before it opens the next", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { breaksAfter: cut })
      const origin = serving(blob)
      const open: Array<boolean> = []
      const noting: Handler.Handler = (operation) => {
        open.push(mirror.isOpen())
        return origin.handle(operation)
      }
      yield* read(union([member("mirror", mirror), member("origin", { handle: noting })], transient))
      expect(open).toEqual([false])
    }))
})

describe("Union, when a member returns wrong content,", () => {
  it.effect.each<{ name: string; options: Union.Options }>([
    { name: "in order", options: {} },
    { name: "in a race", options: { read: "race" } }
  ])("returns the small blob of the next member: $name", ({ options }) =>
    Effect.gen(function*() {
      const mirror = serving(smallBlob, { content: wrong(small) })
      const origin = serving(smallBlob, { content: small })
      const handle = union([member("mirror", mirror), member("origin", origin)], options)
      const { bytes, error } = yield* read(handle, smallBlob)
      expect(error).toBeUndefined()
      expect(bytes).toEqual(small)
      expect(mirror.isOpen()).toBe(false)
    }))

  it.effect("withholds the last byte of a large blob, names the member, and asks it last for a time", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { content: wrong(large) })
      const origin = serving(blob)
      const handle = union([member("mirror", mirror), member("origin", origin)], { cooldown: "1 minute" })
      const { bytes, error } = yield* read(handle)
      expect(error).toMatchObject({ _tag: "OciDigestInvalid", repository })
      expect(error?.reason).toMatch(/^wrong content from mirror: /)
      expect(bytes.byteLength).toBeLessThan(blob.size)
      expect(origin.seen).toEqual([])
      // The reader tries again.
      expect(Descriptor.fromBytes((yield* read(handle)).bytes).digest).toBe(blob.digest)
      yield* TestClock.adjust("59 seconds")
      expect((yield* read(handle)).error).toBeUndefined()
      expect(mirror.seen).toEqual(["whole"])
      yield* TestClock.adjust("1 second")
      expect((yield* read(handle)).error?._tag).toBe("OciDigestInvalid")
    }))

  it.effect("names all members that sent bytes", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { content: wrong(large), breaksAfter: cut })
      const handle = union([member("mirror", mirror), member("origin", serving(blob))], transient)
      const { bytes, error } = yield* read(handle)
      expect(error?._tag).toBe("OciDigestInvalid")
      expect(error?.reason).toMatch(/^wrong content from mirror, then origin: /)
      expect(bytes.byteLength).toBeLessThan(blob.size)
    }))

  it.effect("still asks the member if no other member has the content", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { breaksAfter: cut })
      const handle = union([member("mirror", mirror), member("origin", empty)], transient)
      yield* read(handle)
      yield* read(handle)
      expect(mirror.seen).toEqual(["whole", "whole"])
    }))

  it.scoped("stores no wrong content in a cache, and a retry returns the right content", () =>
    Effect.gen(function*() {
      const mirror = serving(blob, { content: wrong(large) })
      const origin = serving(blob)
      const store = Context.get(yield* Layer.build(Memory.layer()), Registry)
      const middleware = yield* Cache.middleware({ store })
      const retry = Retry.middleware({ delay: 0, jitter: false })
      const handle = middleware(retry(union([member("mirror", mirror), member("origin", origin)])))
      const edge = Registry.fromHandler(handle)
      const content = (registry: Registry["Type"]) =>
        Effect.map(
          read(registry.handle),
          ({ bytes, error }) => error === undefined ? Descriptor.fromBytes(bytes).digest : undefined
        )
      // The first reader receives the right content or an error, depending on how far it has read.
      expect([undefined, blob.digest]).toContain(yield* content(edge))
      expect(yield* content(edge)).toBe(blob.digest)
      expect(yield* content(store)).toBe(blob.digest)
      expect(mirror.seen).toEqual(["whole"])
    }))

  it.effect("returns the manifest or descriptor of the next member", () =>
    Effect.gen(function*() {
      const other = Descriptor.fromBytes(small, samples.descriptor.mediaType)
      const liar = { handle: Handler.fromTable({ ...samples.answers, ResolveBlob: () => Answer.succeed(other) }) }
      const handle = union([member("mirror", liar), member("origin", { handle: samples.known })])
      expect(yield* handle(samples.operations.ResolveBlob)).toEqual(samples.descriptor)
      const alone = yield* Effect.flip(
        union([member("mirror", liar), member("origin", empty)])(samples.operations.ResolveBlob)
      )
      expect(alone._tag).toBe("OciDigestInvalid")
    }))
})

describe("Union, a member in its cooldown", () => {
  const counted = (handle: Handler.Handler) => {
    const seen: Array<string> = []
    const counting: Handler.Handler = (operation) => {
      seen.push(operation._tag)
      return handle(operation)
    }
    return { handle: counting, seen }
  }
  const unavailable = samples.always(Answer.fail(new RegistryError.Unavailable({})))
  const byTag = new Operation.ResolveManifest({ repository, reference: tag })

  it.effect.each([samples.operations.ResolveBlob, byTag])(
    "is asked last for 30 seconds: $_tag",
    (operation) =>
      Effect.gen(function*() {
        const mirror = counted(unavailable)
        const handle = union([member("mirror", mirror), member("origin", { handle: samples.known })], transient)
        yield* handle(operation)
        yield* handle(operation)
        yield* TestClock.adjust("29 seconds")
        yield* handle(operation)
        expect(mirror.seen.length).toBe(1)
        yield* TestClock.adjust("1 second")
        yield* handle(operation)
        expect(mirror.seen.length).toBe(2)
      })
  )

  it.effect("is asked in the usual order with a cooldown of 0, and after a refusal", () =>
    Effect.gen(function*() {
      const denied = samples.always(Answer.fail(new RegistryError.Denied({})))
      for (const [answer, options] of [[unavailable, { cooldown: 0 }], [denied, {}]] as const) {
        const mirror = counted(answer)
        const handle = union([member("mirror", mirror), member("origin", { handle: samples.known })], {
          passOver: () => true,
          ...options
        })
        yield* handle(byTag)
        yield* handle(byTag)
        expect(mirror.seen.length).toBe(2)
      }
    }))

  it.effect("still resolves tags first after wrong content, since a less trusted member may name another manifest", () =>
    Effect.gen(function*() {
      const liar = serving(blob, { content: wrong(large) })
      const trusted = counted(liar.handle)
      const other = counted(samples.known)
      const handle = union([member("trusted", trusted), member("other", other)], transient)
      yield* read(handle)
      yield* handle(byTag)
      expect([trusted.seen, other.seen]).toEqual([["GetBlob", "ResolveManifest"], []])
    }))

  it.effect("is left out of a race, unless no other member has the content", () =>
    Effect.gen(function*() {
      const mirror = counted(unavailable)
      const handle = union([member("mirror", mirror), member("origin", { handle: samples.suspended(samples.known) })], {
        read: "race",
        ...transient
      })
      yield* handle(samples.operations.ResolveBlob)
      yield* handle(samples.operations.ResolveBlob)
      expect(mirror.seen.length).toBe(1)
      const both = union([member("mirror", mirror), member("origin", empty)], { read: "race", ...transient })
      for (const _ of [1, 2]) {
        expect((yield* Effect.flip(both(samples.operations.ResolveBlob)))._tag).toBe("OciUnavailable")
      }
      expect(mirror.seen.length).toBe(3)
    }))
})

describe("Union, an authoritative member", () => {
  const teapot = samples.always(Answer.fail(new RegistryError.UnknownCode({ code: "TEAPOT", status: 418 })))
  const denied = samples.always(Answer.fail(new RegistryError.Denied({ reason: "not for you" })))
  const options: ReadonlyArray<Union.Options> = [
    { passOver: () => true },
    { passOver: () => true, read: "race", tags: "agree" }
  ]
  const reads = [
    samples.operations.ResolveBlob,
    new Operation.ResolveManifest({ repository, reference: tag }),
    new Operation.GetManifest({ repository, reference: tag }),
    samples.operations.GetManifest
  ]

  it.effect("decides the error, also if other members fail", () =>
    Effect.gen(function*() {
      for (const option of options) {
        for (const operation of reads) {
          const of = (origin: Handler.Handler) =>
            union(
              [member("mirror", { handle: teapot }), member("origin", { handle: origin }, { authoritative: true })],
              option
            )
          expect((yield* samples.answerOf(of(samples.known), operation))._tag).toBe("Success")
          const missing = yield* Effect.flip(Effect.flatten(samples.answerOf(of(empty.handle), operation)))
          expect(missing).toMatchObject({ _tag: "OciBlobUnknown" })
          expect(missing.reason).toMatch(/mirror: .*; origin: /)
          const refused = yield* Effect.flip(Effect.flatten(samples.answerOf(of(denied), operation)))
          expect(refused).toMatchObject({ _tag: "OciDenied" })
        }
      }
    }))

  it.effect("ends the search: no later member is asked", () =>
    Effect.gen(function*() {
      const handle = union([
        member("origin", empty, { authoritative: true }),
        member("other", { handle: samples.known })
      ])
      expect((yield* Effect.flip(handle(samples.operations.ResolveBlob)))._tag).toBe("OciBlobUnknown")
    }))

  it.effect("is never left out of a list silently", () =>
    Effect.gen(function*() {
      const lists = [samples.operations.ListTags, samples.operations.ListReferrers, samples.operations.ListRepositories]
      for (const operation of lists) {
        const of = (mirror: Handler.Handler, origin: Handler.Handler) =>
          samples.answerOf(
            union(
              [member("mirror", { handle: mirror }), member("origin", { handle: origin }, { authoritative: true })],
              {
                passOver: () => true
              }
            ),
            operation
          )
        expect((yield* of(teapot, samples.known))._tag).toBe("Success")
        expect((yield* Effect.flip(Effect.flatten(of(samples.known, denied))))._tag).toBe("OciDenied")
      }
    }))
})
