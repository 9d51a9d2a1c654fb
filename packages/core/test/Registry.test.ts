import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Exit, Layer, Ref, Schedule, Scope, Stream } from "effect"
import { BlobContent } from "../src/BlobContent.js"
import * as Body from "../src/Body.js"
import * as ByteRange from "../src/ByteRange.js"
import { anonymous, Caller } from "../src/Caller.js"
import * as Digest from "../src/Digest.js"
import type { Handler } from "../src/Handler.js"
import type { Middleware } from "../src/Middleware.js"
import * as Operation from "../src/Operation.js"
import { Registry } from "../src/Registry.js"
import { DigestInvalid, Unavailable, Unsupported } from "../src/RegistryError.js"
import * as RepositoryName from "../src/RepositoryName.js"
import * as Tag from "../src/Tag.js"

const text = (content: string): Uint8Array => new TextEncoder().encode(content)

const repository = RepositoryName.make("team/app")
const from = RepositoryName.make("team/base")
const content = text("content")
const digest = Digest.fromBytes(content)
const tag = Tag.make("v1")
const body = Body.bytes(content)
const descriptor = { mediaType: "application/octet-stream", digest, size: content.byteLength }
const range = ByteRange.from(1)
const id = "upload-1"
const manifest = { mediaType: "application/json", bytes: text("{}") }

const broken: Handler = (operation) => Effect.fail(new Unsupported(Operation.errorFields(operation)))

/** An empty registry that records its operations. */
const recording = (seen: Array<Operation.Operation>): Handler => (operation) => {
  seen.push(operation)
  return broken(operation)
}

/** Returns the same result for every operation. */
const answering = (answer: unknown): Handler => () => Effect.succeed(answer) as never

type Call = (registry: Registry.Service) => Effect.Effect<unknown, unknown, Scope.Scope>

const drained = <A, E>(stream: Stream.Stream<A, E>) => Stream.runCollect(stream)

const calls: ReadonlyArray<{ readonly name: string; readonly call: Call; readonly asks: Operation.Operation }> = [
  {
    name: "resolveBlob",
    call: (r) => r.resolveBlob(repository, digest),
    asks: new Operation.ResolveBlob({ repository, digest })
  },
  {
    name: "getBlob",
    call: (r) => r.getBlob(repository, digest),
    asks: new Operation.GetBlob({ repository, digest })
  },
  {
    name: "getBlob, a range",
    call: (r) => r.getBlob(repository, digest, { range }),
    asks: new Operation.GetBlob({ repository, digest, range })
  },
  {
    name: "resolveManifest",
    call: (r) => r.resolveManifest(repository, tag),
    asks: new Operation.ResolveManifest({ repository, reference: tag })
  },
  {
    name: "getManifest",
    call: (r) => r.getManifest(repository, digest),
    asks: new Operation.GetManifest({ repository, reference: digest })
  },
  {
    name: "pushBlob",
    call: (r) => r.pushBlob(repository, descriptor, body),
    asks: new Operation.PushBlob({ repository, descriptor, body })
  },
  {
    name: "mountBlob",
    call: (r) => r.mountBlob(repository, digest),
    asks: new Operation.MountBlob({ repository, digest })
  },
  {
    name: "mountBlob, from a repository",
    call: (r) => r.mountBlob(repository, digest, { from }),
    asks: new Operation.MountBlob({ repository, digest, from })
  },
  {
    name: "startUpload",
    call: (r) => r.startUpload(repository),
    asks: new Operation.StartUpload({ repository })
  },
  {
    name: "startUpload, by an algorithm",
    call: (r) => r.startUpload(repository, { algorithm: "sha512" }),
    asks: new Operation.StartUpload({ repository, algorithm: "sha512" })
  },
  { name: "getUpload", call: (r) => r.getUpload(repository, id), asks: new Operation.GetUpload({ repository, id }) },
  {
    name: "appendUpload",
    call: (r) => r.appendUpload(repository, id, body),
    asks: new Operation.AppendUpload({ repository, id, body })
  },
  {
    name: "appendUpload, at an offset",
    call: (r) => r.appendUpload(repository, id, body, { offset: 7 }),
    asks: new Operation.AppendUpload({ repository, id, body, offset: 7 })
  },
  {
    name: "completeUpload",
    call: (r) => r.completeUpload(repository, id, digest),
    asks: new Operation.CompleteUpload({ repository, id, digest })
  },
  {
    name: "completeUpload, with a last chunk",
    call: (r) => r.completeUpload(repository, id, digest, { offset: 7, body }),
    asks: new Operation.CompleteUpload({ repository, id, digest, offset: 7, body })
  },
  {
    name: "cancelUpload",
    call: (r) => r.cancelUpload(repository, id),
    asks: new Operation.CancelUpload({ repository, id })
  },
  {
    name: "pushManifest",
    call: (r) => r.pushManifest(repository, manifest),
    asks: new Operation.PushManifest({ repository, ...manifest, tags: [] })
  },
  {
    name: "pushManifest, with all that may be said of it",
    call: (r) => r.pushManifest(repository, { ...manifest, digest, tags: [tag], ifAbsent: true }),
    asks: new Operation.PushManifest({ repository, ...manifest, digest, tags: [tag], ifAbsent: true })
  },
  {
    name: "pushManifest, from another manifest",
    call: (r) => r.pushManifest(repository, { ...manifest, tags: [tag], ifMatch: digest }),
    asks: new Operation.PushManifest({ repository, ...manifest, tags: [tag], ifMatch: digest })
  },
  {
    name: "deleteBlob",
    call: (r) => r.deleteBlob(repository, digest),
    asks: new Operation.DeleteBlob({ repository, digest })
  },
  {
    name: "deleteManifest",
    call: (r) => r.deleteManifest(repository, digest),
    asks: new Operation.DeleteManifest({ repository, digest })
  },
  { name: "deleteTag", call: (r) => r.deleteTag(repository, tag), asks: new Operation.DeleteTag({ repository, tag }) },
  {
    name: "listRepositories",
    call: (r) => drained(r.listRepositories()),
    asks: new Operation.ListRepositories({})
  },
  {
    name: "listRepositories, a part",
    call: (r) => drained(r.listRepositories({ last: from, limit: 2 })),
    asks: new Operation.ListRepositories({ last: from, limit: 2 })
  },
  { name: "listTags", call: (r) => drained(r.listTags(repository)), asks: new Operation.ListTags({ repository }) },
  {
    name: "listTags, a part",
    call: (r) => drained(r.listTags(repository, { last: tag, limit: 2 })),
    asks: new Operation.ListTags({ repository, last: tag, limit: 2 })
  },
  {
    name: "listReferrers",
    call: (r) => drained(r.listReferrers(repository, digest)),
    asks: new Operation.ListReferrers({ repository, digest })
  },
  {
    name: "listReferrers, of a type",
    call: (r) => drained(r.listReferrers(repository, digest, { artifactType: "application/x" })),
    asks: new Operation.ListReferrers({ repository, digest, artifactType: "application/x" })
  }
]

describe("a method of a registry", () => {
  it.scoped.each(calls)("runs and fails like its operation: $name", ({ asks, call }) =>
    Effect.gen(function*() {
      const seen: Array<Operation.Operation> = []
      const exit = yield* Effect.exit(call(Registry.fromHandler(recording(seen))))
      expect(seen).toHaveLength(1)
      expect(seen[0]).toStrictEqual(asks)
      expect(exit).toEqual(Exit.fail(new Unsupported(Operation.errorFields(asks))))
    }))

  it("exists for every operation", () => {
    const methods = new Set(calls.map(({ name }) => name.replace(/,.*/, "")))
    expect(new Set(Object.keys(Registry.fromHandler(broken)))).toEqual(new Set([...methods, "handle"]))
    expect(new Set(calls.map(({ asks }) => asks._tag))).toEqual(new Set(Object.keys(Operation.traits)))
  })

  it.scoped.each(calls)(
    "calls the handler each time it is run: $name",
    ({ call }) =>
      Effect.gen(function*() {
        const seen: Array<Operation.Operation> = []
        const effect = call(Registry.fromHandler(recording(seen)))
        expect(seen).toHaveLength(0)
        yield* Effect.exit(Effect.retry(effect, Schedule.recurs(2)))
        expect(seen).toHaveLength(3)
      })
  )

  it.effect("returns a list as a stream", () =>
    Effect.gen(function*() {
      const registry = Registry.fromHandler(answering(Stream.make(tag)))
      expect(yield* drained(registry.listTags(repository))).toEqual(Chunk.of(tag))
    }))
})

describe("Registry.getBlob", () => {
  const get = (answer: BlobContent, options?: { readonly range: ByteRange.ByteRange }) =>
    Effect.flatMap(
      Registry.fromHandler(answering(answer)).getBlob(repository, digest, options),
      (found) => Effect.exit(Body.toBytes(found.body, { limit: 100, onLimit: () => "too much" }))
    )
  const wrong = Body.bytes(text("CONTENT"))

  it.scoped("verifies unverified content", () =>
    Effect.gen(function*() {
      expect(yield* get(new BlobContent({ descriptor, body, verified: false }))).toEqual(Exit.succeed(content))
      const error = yield* Effect.flip(yield* get(new BlobContent({ descriptor, body: wrong, verified: false })))
      expect(error).toBeInstanceOf(DigestInvalid)
      expect(error).toMatchObject({ operation: "GetBlob", repository, reference: digest })
    }))

  it.scoped("does not verify verified content again", () =>
    Effect.gen(function*() {
      const exit = yield* get(new BlobContent({ descriptor, body: wrong, verified: true }))
      expect(exit).toEqual(Exit.succeed(text("CONTENT")))
    }))

  it.scoped("does not verify a range", () =>
    Effect.gen(function*() {
      const part = { descriptor, range: { offset: 1, length: 6 }, body: Body.bytes(text("ontent")), verified: false }
      expect(yield* get(new BlobContent(part), { range })).toEqual(Exit.succeed(text("ontent")))
    }))

  it.scoped("the handler itself does not verify content", () =>
    Effect.gen(function*() {
      const answer = new BlobContent({ descriptor, body: wrong, verified: false })
      const { handle } = Registry.fromHandler(answering(answer))
      expect(yield* handle(new Operation.GetBlob({ repository, digest }))).toBe(answer)
    }))

  it.effect("keeps the content open until its scope closes", () =>
    Effect.gen(function*() {
      let open = 0
      const handler = (() =>
        Effect.acquireRelease(
          Effect.sync(() => {
            open++
            return new BlobContent({ descriptor, body, verified: true })
          }),
          () => Effect.sync(() => open--)
        )) as unknown as Handler
      const scope = yield* Scope.make()
      yield* Scope.extend(Registry.fromHandler(handler).getBlob(repository, digest), scope)
      expect(open).toBe(1)
      yield* Scope.close(scope, Exit.void)
      expect(open).toBe(0)
    }))
})

describe("layers of registries", () => {
  const base = (seen: Array<Operation.Operation>) => Registry.layerHandler(recording(seen))

  /** Records its name for each operation. */
  const noting = (name: string, notes: Array<string>): Middleware => (next) => (operation) => {
    notes.push(name)
    return next(operation)
  }

  const resolve = Effect.flatMap(Registry, (registry) => Effect.exit(registry.resolveBlob(repository, digest)))

  it.effect("Registry.layerMiddleware wraps the registry that it depends on", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      yield* Effect.provide(resolve, Layer.provide(Registry.layerMiddleware(noting("wrapper", notes)), base([])))
      expect(notes).toEqual(["wrapper"])
    }))

  it.effect("Registry.wrap makes the last wrapper in a pipe the outermost", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const seen: Array<Operation.Operation> = []
      const registry = base(seen).pipe(
        Registry.wrap(noting("inner", notes)),
        Registry.wrap(noting("outer", notes))
      )
      yield* Effect.provide(resolve, registry)
      expect(notes).toEqual(["outer", "inner"])
      expect(seen).toEqual([new Operation.ResolveBlob({ repository, digest })])
    }))

  it.effect("one wrapper used twice runs twice", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const wrap = Registry.wrap(noting("wrapper", notes))
      yield* Effect.provide(resolve, base([]).pipe(wrap, wrap))
      expect(notes).toEqual(["wrapper", "wrapper"])
    }))

  class Limit extends Context.Tag("Limit")<Limit, number>() {}

  /** A wrapper with state: it lets a limited number of operations pass, and records when it is closed. */
  const limited = (notes: Array<string>) =>
    Effect.gen(function*() {
      const left = yield* Effect.flatMap(Limit, Ref.make)
      notes.push("opened")
      yield* Effect.addFinalizer(() => Effect.sync(() => notes.push("closed")))
      const middleware: Middleware = (next) => (operation) =>
        Effect.flatMap(
          Ref.getAndUpdate(left, (count) => count - 1),
          (count) => count > 0 ? next(operation) : Effect.fail(new Unavailable({ reason: "enough" }))
        )
      return middleware
    })

  it.effect("a wrapper can be an effect, with state, a scope and dependencies", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const seen: Array<Operation.Operation> = []
      const registry = base(seen).pipe(Registry.wrap(limited(notes)), Layer.provide(Layer.succeed(Limit, 2)))
      yield* Effect.provide(Effect.zipRight(Effect.zip(resolve, resolve), resolve), registry)
      expect(seen).toHaveLength(2)
      expect(notes).toEqual(["opened", "closed"])
    }))

  it.effect("an effect of a wrapper that is used twice has separate states", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const seen: Array<Operation.Operation> = []
      const wrap = Registry.wrap(limited(notes))
      const registry = base(seen).pipe(wrap, wrap, Layer.provide(Layer.succeed(Limit, 2)))
      yield* Effect.provide(Effect.zipRight(Effect.zip(resolve, resolve), resolve), registry)
      expect(seen).toHaveLength(2)
      expect(notes).toEqual(["opened", "opened", "closed", "closed"])
    }))

  it.effect("a wrapper whose effect fails makes the layer fail", () =>
    Effect.gen(function*() {
      const registry = base([]).pipe(Registry.wrap(Effect.fail("no wrapper" as const)))
      expect(yield* Effect.flip(Effect.provide(resolve, registry))).toBe("no wrapper")
    }))

  it.effect("a registry used by two wrappers is built once", () =>
    Effect.gen(function*() {
      let built = 0
      const shared = Layer.sync(Registry, () => {
        built++
        return Registry.fromHandler(broken)
      })
      const one = shared.pipe(Registry.wrap((next) => next))
      const both = Layer.merge(one, Layer.provide(Registry.facets, shared))
      yield* Effect.provide(resolve, both)
      expect(built).toBe(1)
    }))

  it.effect("read the caller at each operation", () =>
    Effect.gen(function*() {
      const callers: Array<string | undefined> = []
      const asking: Middleware = (next) => (operation) =>
        Effect.zipRight(Effect.map(Caller, ({ name }) => callers.push(name)), next(operation))
      const as = (name: string) => Effect.provideService(Caller, { ...anonymous, name })
      const program = Effect.zipRight(resolve, as("alice")(resolve))
      yield* Effect.provide(program, base([]).pipe(Registry.wrap(asking)))
      yield* Effect.provide(resolve, base([]).pipe(Registry.wrap(asking))).pipe(as("bob"))
      expect(callers).toEqual([undefined, "alice", "bob"])
    }))
})

describe("Registry.facets", () => {
  const facets = [
    { name: "Reader", tag: Registry.Reader, access: "read" },
    { name: "Writer", tag: Registry.Writer, access: "write" },
    { name: "Deleter", tag: Registry.Deleter, access: "delete" },
    { name: "Lister", tag: Registry.Lister, access: "list" }
  ] as const

  const methodOf = (tag: string) => tag.charAt(0).toLowerCase() + tag.slice(1)

  it.effect.each(facets)("$name has only its own methods", ({ access, tag }) =>
    Effect.gen(function*() {
      const methods = Object.entries(Operation.traits).filter(([, trait]) => trait.access === access)
      const facet = yield* Effect.provide(
        tag as typeof Registry.Reader,
        Layer.provide(Registry.facets, Registry.layerHandler(broken))
      )
      expect(Object.keys(facet)).toEqual(methods.map(([name]) => methodOf(name)))
    }))

  it.scoped.each(calls)("run the same operation as the registry: $name", ({ asks, call }) =>
    Effect.gen(function*() {
      const seen: Array<Operation.Operation> = []
      const methods = Effect.all([Registry.Reader, Registry.Writer, Registry.Deleter, Registry.Lister]).pipe(
        Effect.map((facets) => Object.assign({}, ...facets) as Registry.Service)
      )
      const layer = Layer.provide(Registry.facets, Registry.layerHandler(recording(seen)))
      yield* Effect.exit(Effect.provide(Effect.flatMap(methods, call), layer))
      expect(seen).toStrictEqual([asks])
    }))

  it.scoped("verify content as the registry does", () =>
    Effect.gen(function*() {
      const handler = answering(new BlobContent({ descriptor, body: Body.bytes(text("CONTENT")), verified: false }))
      const layer = Layer.provide(Registry.facets, Registry.layerHandler(handler))
      const found = yield* Effect.provide(
        Effect.flatMap(Registry.Reader, (reader) => reader.getBlob(repository, digest)),
        layer
      )
      expect(yield* Effect.flip(Stream.runDrain(found.stream))).toBeInstanceOf(DigestInvalid)
    }))
})
