import * as Fixtures from "@effect-oci/conformance/Fixtures"
import {
  Answer,
  BlobContent,
  Body,
  Caller,
  Descriptor,
  Handler,
  Manifest,
  MediaType,
  Operation,
  ReferenceSet,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Deferred, Effect, Exit, Fiber, Layer, Stream, TestClock } from "effect"
import { Filter, Union } from "../src/index.js"

const { bytes, descriptor, digest, repository, tag } = samples

const member = (
  name: string,
  handle: Handler.Handler,
  more?: Partial<Union.Member<Registry["Type"]>>
): Union.Member<Registry["Type"]> => ({ name, registry: Registry.fromHandler(handle), ...more })

/** Creates a union without a registry behind it. */
const union = (members: ReadonlyArray<Union.Member<Registry["Type"]>>, options?: Union.Options): Handler.Handler =>
  Effect.runSync(Effect.provide(Registry, Union.layer(members, options))).handle

const seeing = (seen: Array<string>, name: string, next: Handler.Handler): Handler.Handler => (operation) => {
  seen.push(`${name} ${operation._tag}`)
  return next(operation)
}

const missing: Handler.Handler = (operation) => {
  const fields = Operation.errorFields(operation)
  return Answer.fail(
    operation._tag === "ResolveBlob" || operation._tag === "GetBlob"
      ? new RegistryError.BlobUnknown(fields)
      : new RegistryError.ManifestUnknown(fields)
  )
}
const down = samples.always(Answer.fail(new RegistryError.TransportError({ reason: "connection refused" })))
const refusing = samples.always(Answer.fail(new RegistryError.Denied({})))

const reads = [
  samples.operations.ResolveBlob,
  new Operation.GetBlob({ repository, digest }),
  samples.operations.ResolveManifest,
  new Operation.ResolveManifest({ repository, reference: digest }),
  samples.operations.GetManifest,
  new Operation.GetManifest({ repository, reference: tag })
].map((operation) => ({ operation, name: `${operation._tag} ${"reference" in operation ? operation.reference : ""}` }))

const transient = { passOver: RegistryError.isTransient }

/** Creates a handler that answers after some milliseconds, and counts what is open and how it ends. */
class Slow {
  open = 0
  interrupted = 0
  constructor(readonly millis: number, readonly next: Handler.Handler) {}

  readonly handle: Handler.Handler = ((operation: Operation.Operation) => {
    const answer = Effect.zipRight(Effect.sleep(this.millis), Effect.suspend(() => this.next(operation))).pipe(
      Effect.onInterrupt(() => Effect.sync(() => void this.interrupted++))
    )
    if (operation._tag !== "GetBlob") return answer
    return Effect.zipRight(
      Effect.acquireRelease(Effect.sync(() => void this.open++), () => Effect.sync(() => void this.open--)),
      answer
    )
  }) as Handler.Handler
}

describe("Union, reading", () => {
  describe.each(reads)("$name", ({ operation }) => {
    it.effect.each<{ name: string; options: Union.Options }>([
      { name: "in order", options: {} },
      { name: "in a race", options: { read: "race" } }
    ])("returns content of any member, $name", ({ options }) =>
      Effect.gen(function*() {
        const handle = union([member("a", missing), member("b", samples.known), member("c", missing)], options)
        const { descriptor: of } = { descriptor: yield* digestOf(handle, operation) }
        expect(of).toBe(digest)
      }))

    it.effect("asks no member after the first that has the content", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const handle = union([
          member("a", seeing(seen, "a", missing)),
          member("b", seeing(seen, "b", samples.known)),
          member("c", seeing(seen, "c", samples.known))
        ])
        expect(yield* digestOf(handle, operation)).toBe(digest)
        expect(seen).toEqual(
          operation._tag === "GetManifest" && operation.reference === tag
            ? ["a ResolveManifest", "b ResolveManifest", "a GetManifest", "b GetManifest"]
            : [`a ${operation._tag}`, `b ${operation._tag}`]
        )
      }))

    it.effect("returns another failure, and asks no further member", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const handle = union([member("a", missing), member("b", down), member("c", seeing(seen, "c", samples.known))])
        const error = yield* Effect.flip(digestOf(handle, operation))
        expect(error).toMatchObject({ _tag: "OciTransportError", ...Operation.errorFields(operation) })
        expect(error.reason).toMatch(/^a: .* unknown to registry; b: connection refused$/)
        expect(seen).toEqual([])
      }))

    it.effect("skips a member with an outage if passOver selects it", () =>
      Effect.gen(function*() {
        const handle = union([member("a", down), member("b", samples.known)], transient)
        expect(yield* digestOf(handle, operation)).toBe(digest)
        const error = yield* Effect.flip(
          digestOf(union([member("a", refusing), member("b", samples.known)], transient), operation)
        )
        expect(error._tag).toBe("OciDenied")
      }))

    it.effect("fails with the outage if no other member has the content", () =>
      Effect.gen(function*() {
        const handle = union([member("a", down), member("b", missing)], transient)
        const error = yield* Effect.flip(digestOf(handle, operation))
        expect(error._tag).toBe("OciTransportError")
        expect(error.message).toMatch(/: a: connection refused; b: .* unknown to registry$/)
      }))

    it.effect("fails with the answer of each member if no member has the content", () =>
      Effect.gen(function*() {
        const handle = union([member("a", missing), member("b", missing)])
        const error = yield* Effect.flip(digestOf(handle, operation))
        expect(RegistryError.isNotFound(error)).toBe(true)
        expect(error.reason).toMatch(/^a: (\w+) unknown to registry; b: \1 unknown to registry$/)
      }))
  })

  it("returns a result at once that is available at once", () => {
    const operation = samples.operations.ResolveBlob
    for (const read of ["order", "race"] as const) {
      const handle = union([member("a", missing), member("b", samples.known)], { read })
      expect(Exit.isExit(handle(operation))).toBe(true)
    }
    expect(Exit.isExit(union([member("a", missing), member("b", missing)])(operation))).toBe(true)
    const agreeing = union([member("a", samples.known), member("b", samples.known)], { tags: "agree" })
    expect(Exit.isExit(agreeing(samples.operations.ResolveManifest))).toBe(true)
  })

  describe("in a race", () => {
    it.effect("interrupts the losers, and closes what they have opened", () =>
      Effect.gen(function*() {
        const winner = new Slow(10, samples.known)
        const losers = [new Slow(20, samples.known), new Slow(30, missing), new Slow(1e9, samples.known)]
        const handle = union([winner, ...losers].map((each, index) => member(`${index}`, each.handle)), {
          read: "race"
        })
        const fiber = yield* Effect.fork(
          Effect.scoped(Effect.flatMap(handle(reads[1]!.operation as Operation.GetBlob), () =>
            Effect.map(Effect.sleep(1), () => {
              expect(winner.open).toBe(1)
              expect(losers.map(({ interrupted, open }) => [interrupted, open])).toEqual([[1, 0], [1, 0], [1, 0]])
            })))
        )
        yield* TestClock.adjust(10)
        yield* TestClock.adjust(1)
        yield* Fiber.join(fiber)
        expect(winner.open).toBe(0)
      }))

    it.effect("interrupts all members if the caller is interrupted", () =>
      Effect.gen(function*() {
        const all = [new Slow(20, samples.known), new Slow(30, samples.known)]
        const handle = union(all.map((each, index) => member(`${index}`, each.handle)), { read: "race" })
        const fiber = yield* Effect.fork(Effect.scoped(handle(new Operation.GetBlob({ repository, digest }))))
        yield* TestClock.adjust(10)
        expect(all.map(({ open }) => open)).toEqual([1, 1])
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust(0)
        expect(all.map(({ interrupted, open }) => [interrupted, open])).toEqual([[1, 0], [1, 0]])
      }))

    it.effect("continues after a failure, and does not wait for a stalled member", () =>
      Effect.gen(function*() {
        const handle = union([
          member("stalled", () => Effect.never),
          member("down", down),
          member("slow", new Slow(100, samples.known).handle)
        ], { read: "race" })
        const fiber = yield* Effect.fork(handle(samples.operations.ResolveBlob))
        yield* TestClock.adjust(100)
        expect(yield* Fiber.join(fiber)).toBe(descriptor)
      }))

    const other = Descriptor.fromBytes(new TextEncoder().encode("other"), descriptor.mediaType)
    const evil: Handler.Handler = Handler.fromTable({
      ...samples.answers,
      ResolveBlob: () => Answer.succeed(other),
      ResolveManifest: () => Answer.succeed(other),
      GetManifest: () =>
        Exit.mapError(
          Exit.fromEither(Manifest.make({ mediaType: descriptor.mediaType, bytes: new TextEncoder().encode("{}") })),
          (error) => error
        ),
      GetBlob: () =>
        Effect.succeed(
          new BlobContent.BlobContent({
            descriptor,
            body: Body.stream(Stream.make(bytes.map((byte) => byte ^ 1)), { size: bytes.byteLength }),
            verified: false
          })
        )
    })
    it.effect.each(reads.filter(({ operation }) => !("reference" in operation) || operation.reference === digest))(
      "does not let a fast wrong answer win: $name",
      ({ operation }) =>
        Effect.gen(function*() {
          const handle = union([
            member("good", new Slow(50, samples.known).handle),
            member("evil", evil)
          ], { read: "race" })
          const fiber = yield* Effect.fork(contentOf(handle, operation))
          yield* TestClock.adjust(50)
          expect(yield* Fiber.join(fiber)).toEqual(yield* contentOf(samples.known, operation))
        })
    )

    it.effect("fails with the error of the member that got furthest", () =>
      Effect.gen(function*() {
        const handle = union([member("a", missing), member("b", refusing), member("c", down)], { read: "race" })
        const error = yield* Effect.flip(handle(samples.operations.ResolveBlob))
        expect(error).toMatchObject({
          _tag: "OciDenied",
          message:
            `ResolveBlob team/app@${digest}: a: blob unknown to registry; b: requested access to the resource is denied; c: connection refused`
        })
      }))

    it.effect("dies with a defect of a member", () =>
      Effect.gen(function*() {
        const handle = union([member("a", missing), member("b", () => Effect.die("boom"))], { read: "race" })
        const exit = yield* Effect.exit(handle(samples.operations.ResolveBlob))
        expect(exit).toMatchObject({ cause: { _tag: "Die", defect: "boom" } })
      }))
  })

  it.effect("closes the connection of a failed member before it asks the next", () =>
    Effect.gen(function*() {
      const first = new Slow(0, missing)
      const seen: Array<number> = []
      const handle = union([
        member("a", first.handle),
        member("b", (operation) => {
          seen.push(first.open)
          return samples.known(operation)
        })
      ])
      const fiber = yield* Effect.fork(Effect.scoped(handle(new Operation.GetBlob({ repository, digest }))))
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
      expect(seen).toEqual([0])
    }))

  describe("tags", () => {
    const other = Descriptor.fromBytes(new TextEncoder().encode("{}"), descriptor.mediaType)
    const moved: Handler.Handler = Handler.fromTable({
      ...samples.answers,
      ResolveManifest: () => Answer.succeed(other)
    })
    const resolve = new Operation.ResolveManifest({ repository, reference: tag })
    const get = new Operation.GetManifest({ repository, reference: tag })

    it.effect.each([resolve, get])("resolve to the answer of the first member", (operation) =>
      Effect.gen(function*() {
        const handle = union([member("a", samples.known), member("b", moved)])
        expect(yield* digestOf(handle, operation)).toBe(digest)
      }))

    it.effect.each([resolve, get])(
      "agree: resolves a tag that is equal on all members, or unknown to some",
      (operation) =>
        Effect.gen(function*() {
          const members = [member("a", missing), member("b", samples.known), member("c", samples.known)]
          expect(yield* digestOf(union(members, { tags: "agree" }), operation)).toBe(digest)
        })
    )

    it.effect.each([resolve, get])(
      "agree: fails with a conflict on a difference, with any passOver",
      (operation) =>
        Effect.gen(function*() {
          const members = [member("a", samples.known), member("b", missing), member("c", moved)]
          const error = yield* Effect.flip(digestOf(union(members, { tags: "agree", passOver: () => true }), operation))
          expect(error).toMatchObject({
            _tag: "OciTagConflict",
            operation: operation._tag,
            tag,
            members: [{ name: "a", digest }, { name: "b", digest: undefined }, { name: "c", digest: other.digest }],
            reason: `the members disagree about the tag "v1": a: ${digest}; b: none; c: ${other.digest}`
          })
        })
    )

    it.effect.each([resolve, get])(
      "agree: fails on an outage, or skips the member with passOver",
      (operation) =>
        Effect.gen(function*() {
          const members = [member("a", samples.known), member("b", down)]
          const error = yield* Effect.flip(digestOf(union(members, { tags: "agree" }), operation))
          expect(error).toMatchObject({ _tag: "OciTransportError", reason: "connection refused" })
          expect(yield* digestOf(union(members, { tags: "agree", ...transient }), operation)).toBe(digest)
        })
    )
  })

  describe("the manifest of a tag", () => {
    const selectV = ReferenceSet.tags("v*")
    const pushed = (text: string) =>
      Effect.gen(function*() {
        const registry = Context.get(yield* Layer.build(Memory.layer()), Registry)
        const manifest = Fixtures.document(MediaType.index, { manifests: [], annotations: { text } })
        const { digest } = yield* registry.pushManifest(repository, { ...manifest, tags: [tag] })
        return { handle: registry.handle, digest }
      })
    const get = new Operation.GetManifest({ repository, reference: tag })
    const resolved = new Operation.ResolveManifest({ repository, reference: tag })

    it.scoped.each<{ name: string; options: Union.Options }>([
      { name: "first", options: {} },
      { name: "agree", options: { tags: "agree" } },
      {
        name: "agree, in a race, with passOver for all failures",
        options: { tags: "agree", read: "race", passOver: () => true }
      }
    ])("is served by a member that filters by tags, tags: $name", ({ options }) =>
      Effect.gen(function*() {
        const a = yield* pushed("a")
        const filtered = Filter.middleware({ select: selectV })(a.handle)
        const handle = union([member("a", filtered), member("b", missing)], options)
        expect(yield* digestOf(handle, resolved)).toBe(a.digest)
        expect(yield* digestOf(handle, get)).toBe(a.digest)
        // Only the tag is visible.
        expect(
          (yield* Effect.flip(digestOf(handle, new Operation.GetManifest({ repository, reference: a.digest }))))._tag
        )
          .toBe("OciManifestUnknown")
      }))

    it.scoped("never comes from a less trusted member, even if the first member resolves the tag and cannot serve it", () =>
      Effect.gen(function*() {
        const trusted = yield* pushed("trusted")
        const other = yield* pushed("less trusted")
        const inner = union([
          member("notary", trusted.handle, { capabilities: ["resolve"] }),
          member("mirror", missing, { capabilities: ["pull"] })
        ])
        for (const more of [{}, { capabilities: ["resolve"] as const }]) {
          const handle = union([member("inner", inner, more), member("other", other.handle)])
          expect(yield* digestOf(handle, resolved)).toBe(trusted.digest)
          const error = yield* Effect.flip(digestOf(handle, get))
          expect(error).toMatchObject({ _tag: "OciManifestUnknown", reference: tag })
        }
        const all = union([
          member("notary", trusted.handle, { capabilities: ["resolve"] }),
          member("other", other.handle),
          member("mirror", trusted.handle, { capabilities: ["pull"] })
        ])
        expect(yield* digestOf(all, get)).toBe(trusted.digest)
      }))

    it.scoped("has the media type that the tag resolves to, although another member has the same bytes with another type", () =>
      Effect.gen(function*() {
        const typed = (mediaType: string, tags: ReadonlyArray<Tag.Tag>) =>
          Effect.gen(function*() {
            const registry = Context.get(yield* Layer.build(Memory.layer()), Registry)
            yield* registry.pushManifest(repository, { mediaType, bytes: new TextEncoder().encode("{}"), tags })
            return registry.handle
          })
        const one = yield* typed("application/vnd.example.one+json", [tag])
        const two = yield* typed("application/vnd.example.two+json", [Tag.make("other")])
        const typeOf = (handle: Handler.Handler) =>
          Effect.map(Registry.fromHandler(handle).getManifest(repository, tag), (found) => found.descriptor.mediaType)
        expect(yield* typeOf(union([member("two", two), member("one", one)]))).toBe("application/vnd.example.one+json")
        const apart = union([
          member("mirror", two, { capabilities: ["pull"] }),
          member("notary", one, { capabilities: ["resolve"] })
        ])
        expect(yield* Effect.flip(typeOf(apart))).toMatchObject({ _tag: "OciManifestUnknown", reference: tag })
      }))

    it.scoped("is the current manifest of the tag if the resolved one was deleted meanwhile", () =>
      Effect.gen(function*() {
        const old = yield* pushed("old")
        const now = yield* pushed("now")
        let current = old.handle
        const moving: Handler.Handler = (operation) => {
          const answer = current(operation)
          if (operation._tag === "ResolveManifest") current = now.handle
          return answer
        }
        const handle = union([member("a", moving), member("b", missing)])
        expect(yield* digestOf(handle, get)).toBe(now.digest)
      }))
  })

  describe("capabilities", () => {
    it.effect("asks a mirror without `resolve` only by digest, also for the manifest of a tag", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const handle = union([
          member("mirror", seeing(seen, "mirror", samples.known), { capabilities: ["pull"] }),
          member("origin", seeing(seen, "origin", samples.known))
        ])
        yield* handle(new Operation.GetManifest({ repository, reference: tag }))
        yield* handle(new Operation.ResolveManifest({ repository, reference: tag }))
        yield* handle(new Operation.GetManifest({ repository, reference: digest }))
        yield* Stream.runDrain(yield* handle(samples.operations.ListTags))
        yield* handle(samples.operations.PushManifest)
        expect(seen).toEqual([
          "origin ResolveManifest",
          "mirror GetManifest",
          "origin ResolveManifest",
          "mirror GetManifest",
          "origin ListTags",
          "origin PushManifest"
        ])
      }))

    it.effect("gets the manifest of a tag from a member with `pull` after another member resolved the tag", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const handle = union([
          member("notary", seeing(seen, "notary", samples.known), { capabilities: ["resolve"] }),
          member("mirror", seeing(seen, "mirror", samples.known), { capabilities: ["pull"] })
        ])
        yield* handle(new Operation.GetManifest({ repository, reference: tag }))
        expect(seen).toEqual(["notary ResolveManifest", "mirror GetManifest"])
      }))

    it.effect.each(samples.tags)("no member with the capability: %s", (of) =>
      Effect.gen(function*() {
        const handle = union([
          member("a", samples.known, { capabilities: [] }),
          member("b", samples.known, { capabilities: [] })
        ])
        const error = yield* Effect.flip(Effect.flatten(samples.answerOf(handle, samples.operations[of])))
        expect(error).toMatchObject({ _tag: "OciUnsupported", operation: of })
        expect(error.reason).toMatch(/^no member of the union has the capability "/)
      }))

    it.effect("contains nothing without members", () =>
      Effect.gen(function*() {
        expect(yield* Effect.flip(union([])(samples.operations.ResolveBlob))).toMatchObject({ _tag: "OciBlobUnknown" })
      }))
  })

  describe("select", () => {
    const select = ReferenceSet.tags("v*")
    const members = (seen: Array<string>) => [
      member("releases", seeing(seen, "releases", samples.known), { select }),
      member("others", seeing(seen, "others", samples.known), { select: ReferenceSet.prefix("team/") })
    ]
    it.effect.each([
      {
        name: "a tag in the first member's selection",
        operation: new Operation.ResolveManifest({ repository, reference: tag }),
        at: "releases"
      },
      {
        name: "a tag outside the first member's selection",
        operation: new Operation.ResolveManifest({ repository, reference: Tag.make("main") }),
        at: "others"
      },
      { name: "a blob, by its repository", operation: samples.operations.ResolveBlob, at: "releases" },
      { name: "a delete", operation: new Operation.DeleteTag({ repository, tag: Tag.make("main") }), at: "others" }
    ])("$name", ({ at, operation }) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        yield* samples.answerOf(union(members(seen)), operation)
        expect(seen).toEqual([`${at} ${operation._tag}`])
      }))

    it.effect("reports not found for a repository of no member", () =>
      Effect.gen(function*() {
        const handle = union(members([]).slice(1))
        const elsewhere = RepositoryName.make("elsewhere")
        const error = yield* Effect.flip(handle(new Operation.ListTags({ repository: elsewhere })))
        expect(error._tag).toBe("OciNameUnknown")
        const push = yield* Effect.flip(handle(new Operation.StartUpload({ repository: elsewhere })))
        expect(push.message).toBe(
          "StartUpload elsewhere: no member of the union is selected for this repository (option select)"
        )
      }))
  })

  describe("layers", () => {
    it.effect("builds a member once that is also used elsewhere, with its own requirements", () =>
      Effect.gen(function*() {
        let built = 0
        class Token extends Context.Tag("Token")<Token, string>() {}
        const registry = Layer.effect(
          Registry,
          Effect.map(Token, () => {
            built++
            return Registry.fromHandler(samples.known)
          })
        )
        const layer: Layer.Layer<Registry, never, Token> = Union.layer([
          { name: "a", registry },
          { name: "b", registry },
          { name: "c", registry: Registry.fromHandler(missing) }
        ])
        const wrapped = registry.pipe(Union.wrap([{ name: "a", registry }]))
        yield* Effect.provide(Registry, Layer.merge(layer, wrapped).pipe(Layer.provide(Layer.succeed(Token, "t"))))
        expect(built).toBe(1)
      }))

    it.effect("makes the registry of a pipe the last member", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const layer = Registry.layerHandler(seeing(seen, "behind", samples.known)).pipe(
          Union.wrap([member("first", seeing(seen, "first", missing))])
        )
        const { resolveBlob } = yield* Effect.provide(Registry, layer)
        yield* resolveBlob(repository, digest)
        expect(seen).toEqual(["first ResolveBlob", "behind ResolveBlob"])
      }))

    it.effect("provides the caller to members", () =>
      Effect.gen(function*() {
        const callers: Array<string | undefined> = []
        const noting: Handler.Handler = (operation) =>
          Effect.flatMap(Caller.Caller, ({ name }) => {
            callers.push(name)
            return samples.known(operation)
          })
        const done = yield* Deferred.make<void>()
        const handle = union([member("a", noting), member("b", noting)])
        const list = yield* Effect.provideService(handle(samples.operations.ListTags), Caller.Caller, {
          name: "alice",
          claims: {}
        })
        yield* Effect.ensuring(Stream.runDrain(list), Deferred.succeed(done, undefined))
        expect(callers).toEqual(["alice", "alice"])
      }))
  })
})

const contentOf = (handle: Handler.Handler, operation: Operation.Operation) =>
  Effect.flatMap(Effect.flatten(samples.answerOf(handle, operation)), (answer) => {
    const { content, descriptor: of, digest: at } = answer as {
      readonly content?: ReadonlyArray<number>
      readonly descriptor?: Descriptor.Descriptor
      readonly digest?: string
    }
    return Effect.succeed({ content: content ?? Chunk.empty(), digest: of?.digest ?? at })
  })

/** Returns the digest in the answer to a read. */
const digestOf = (handle: Handler.Handler, operation: Operation.Operation) =>
  Effect.map(contentOf(handle, operation), (content) => content.digest)
