import { Body, Caller, Descriptor, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Stream, TestClock } from "effect"
import * as fc from "fast-check"
import { Quota, QuotaLedger } from "../src/index.js"
import { index, inMemory, latest, repository, v1 } from "./policies.js"

const team = RepositoryName.make("team")
const other = RepositoryName.make("team/other")
const content = (size: number) => new Uint8Array(size).fill(size)
const descriptor = (size: number) => Descriptor.fromBytes(content(size))
const sizes = [100, 200, 300, 400, 500]
const indexes = Array.from({ length: 4 }, (_, at) => index(`number ${at}`))

/** Counts what a registry contains, by asking for everything that the tests push. */
const usedOf = ({ handle }: Registry.Service): QuotaLedger.Ledger["used"] => (prefix) => {
  const registry = Registry.fromHandler(handle)
  const sizeOf = (found: Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError>) =>
    Effect.orElseSucceed(Effect.map(found, ({ size }) => size), () => 0)
  const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((all, one) => all + one, 0)
  return Effect.gen(function*() {
    const names = Array.from(yield* Stream.runCollect(registry.listRepositories()))
      .filter((name) => prefix === undefined || name === prefix || name.startsWith(`${prefix}/`))
    const all = { bytes: 0, manifests: 0, tags: 0, repositories: names.length }
    for (const name of names) {
      const manifests = yield* Effect.forEach(
        indexes,
        ({ digest }) => sizeOf(registry.resolveManifest(name, digest))
      )
      const blobs = yield* Effect.forEach(sizes, (size) => sizeOf(registry.resolveBlob(name, descriptor(size).digest)))
      all.bytes += sum([...blobs, ...manifests])
      all.manifests += manifests.filter((size) => size > 0).length
      all.tags += Array.from(yield* Stream.runCollect(registry.listTags(name))).length
    }
    return all
  })
}

/** Puts a quota around the registry in the context. */
const quota = (limits: Quota.Options["limits"], options: Partial<Quota.Options> = {}) =>
  Effect.map(Registry, (registry) =>
    Registry.fromHandler(
      Quota.middleware({ limits, ledger: QuotaLedger.local(usedOf(registry)), ...options })(registry.handle)
    ))

const pushBlob = (registry: Registry.Service, size: number, name = repository) =>
  registry.pushBlob(name, descriptor(size), Body.bytes(content(size)))

const pushIndex = (registry: Registry.Service, at: number, ...tags: ReadonlyArray<Tag.Tag>) =>
  registry.pushManifest(repository, { mediaType: indexes[at]!.descriptor.mediaType, bytes: indexes[at]!.bytes, tags })

const outcome = <A, R>(effect: Effect.Effect<A, RegistryError.RegistryError, R>) =>
  Effect.merge(Effect.mapBoth(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "pushed" as const }))

describe("a limit of bytes", () => {
  it.effect("refuses a blob by its size, with the numbers", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ prefix: team, bytes: 600 }])
      yield* pushBlob(registry, 400)
      const error = yield* Effect.flip(pushBlob(registry, 300, other))
      expect(error._tag).toBe("OciDenied")
      expect(error.message).toContain(`the quota of "team" is 600 bytes: 400 are used, and this push needs 300 more`)
      expect(yield* outcome(pushBlob(registry, 200))).toBe("pushed")
    })))

  it.effect("counts a blob in each repository that has it, also if it is mounted", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 700 }])
      yield* pushBlob(registry, 300)
      yield* registry.mountBlob(other, descriptor(300).digest, { from: repository })
      const third = RepositoryName.make("third")
      expect(yield* outcome(registry.mountBlob(third, descriptor(300).digest, { from: repository }))).toBe("OciDenied")
    })))

  it.effect("starts an upload session instead of a mount whose size is not known", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 1000 }])
      yield* pushBlob(registry, 300)
      for (const from of [undefined, RepositoryName.make("unknown")]) {
        expect((yield* registry.mountBlob(other, descriptor(300).digest, { from }))._tag).toBe("UploadStarted")
      }
    })))

  it.effect("refuses an upload session at its first request that does not fit", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 500 }])
      yield* pushBlob(registry, 300)
      const { id } = yield* registry.startUpload(repository)
      expect(yield* outcome(registry.appendUpload(repository, id, Body.bytes(content(400))))).toBe("OciDenied")
      const stream = Body.stream(Stream.make(content(400)))
      const next = yield* registry.appendUpload(repository, id, stream)
      const complete = registry.completeUpload(repository, next.id, descriptor(400).digest)
      expect(yield* outcome(complete)).toBe("OciDenied")
      yield* pushBlob(registry, 200)
      expect(yield* outcome(registry.startUpload(repository))).toBe("OciDenied")
    })))

  it.effect("counts the last chunk of an upload session, with and without a declared size", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 300 }])
      for (const body of [Body.bytes(content(400)), Body.stream(Stream.make(content(400)))]) {
        const { id } = yield* registry.startUpload(repository)
        const complete = registry.completeUpload(repository, id, descriptor(400).digest, { body })
        expect(yield* outcome(complete)).toBe("OciDenied")
      }
      const { id } = yield* registry.startUpload(repository)
      const body = Body.stream(Stream.make(content(300)))
      expect(yield* outcome(registry.completeUpload(repository, id, descriptor(300).digest, { body }))).toBe("pushed")
    })))

  it.effect("lets content pass that the repository has", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 300 }])
      yield* pushBlob(registry, 300)
      expect(yield* outcome(pushBlob(registry, 300))).toBe("pushed")
      expect(yield* outcome(registry.mountBlob(repository, descriptor(300).digest, { from: repository }))).toBe(
        "pushed"
      )
    })))

  it.effect("gets space back from deletes", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 300 }])
      yield* pushBlob(registry, 300)
      expect(yield* outcome(pushBlob(registry, 200))).toBe("OciDenied")
      yield* registry.deleteBlob(repository, descriptor(300).digest)
      expect(yield* outcome(pushBlob(registry, 200))).toBe("pushed")
    })))
})

describe("other limits", () => {
  it.effect("of tags count new tags only", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ prefix: team, tags: 1 }])
      expect(yield* outcome(pushIndex(registry, 0, v1, latest))).toBe("OciDenied")
      expect(yield* outcome(pushIndex(registry, 0, v1, v1))).toBe("pushed")
      expect(yield* outcome(pushIndex(registry, 1, v1))).toBe("pushed")
      expect(yield* outcome(pushIndex(registry, 1, latest))).toBe("OciDenied")
      yield* registry.deleteTag(repository, v1)
      expect(yield* outcome(pushIndex(registry, 1, latest))).toBe("pushed")
    })))

  it.effect("of manifests count new manifests only", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ manifests: 1 }])
      expect(yield* outcome(pushIndex(registry, 0))).toBe("pushed")
      expect(yield* outcome(pushIndex(registry, 0, v1, latest))).toBe("pushed")
      expect(yield* outcome(pushIndex(registry, 1))).toBe("OciDenied")
    })))

  it.effect("of repositories count names", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ prefix: team, repositories: 1 }])
      expect(yield* outcome(pushBlob(registry, 100))).toBe("pushed")
      expect(yield* outcome(pushBlob(registry, 200))).toBe("pushed")
      expect(yield* outcome(pushBlob(registry, 100, other))).toBe("OciDenied")
      expect(yield* outcome(registry.pushBlob(other, Descriptor.fromBytes(content(0)), Body.bytes(content(0))))).toBe(
        "OciDenied"
      )
      expect(yield* outcome(pushBlob(registry, 100, RepositoryName.make("teams")))).toBe("pushed")
    })))

  it.effect("all apply, and may depend on the repository and the caller", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota(({ caller, repository }) => [
        { bytes: 500 },
        { prefix: RepositoryName.make(repository.split("/")[0]!), bytes: caller.name === "alice" ? 400 : 200 }
      ])
      const alice = Effect.provideService(Caller.Caller, { name: "alice", claims: {} })
      expect(yield* outcome(pushBlob(registry, 300))).toBe("OciDenied")
      expect(yield* outcome(alice(pushBlob(registry, 300)))).toBe("pushed")
      expect(yield* outcome(pushBlob(registry, 200, RepositoryName.make("others")))).toBe("pushed")
      expect(yield* outcome(alice(pushBlob(registry, 100)))).toBe("OciDenied")
    })))
})

describe("a reservation", () => {
  it.effect("is held until its push ends, and another push waits a little for its space", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 500 }])
      const arrived = yield* Deferred.make<Uint8Array>()
      const body = Body.stream(Stream.fromEffect(Deferred.await(arrived)), { size: 300 })
      const slow = yield* Effect.fork(registry.pushBlob(repository, descriptor(300), body))
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      const refused = yield* Effect.fork(Effect.flip(pushBlob(registry, 400)))
      yield* TestClock.adjust("2 seconds")
      expect((yield* Fiber.join(refused)).message).toContain("0 are used, 300 are reserved for other pushes")
      yield* Fiber.interrupt(slow)
      expect(yield* outcome(pushBlob(registry, 400))).toBe("pushed")
    })))

  it.effect("ends with its lease, and the push fails", () =>
    inMemory(Effect.gen(function*() {
      const registry = yield* quota([{ bytes: 500 }], { lease: "10 minutes" })
      const push = yield* Effect.fork(Effect.flip(
        registry.pushBlob(repository, descriptor(300), Body.stream(Stream.never, { size: 300 }))
      ))
      yield* TestClock.adjust("10 minutes")
      expect((yield* Fiber.join(push))._tag).toBe("OciUnavailable")
    })))

  it.effect("that the ledger cannot make refuses the push", () =>
    inMemory(Effect.gen(function*() {
      const failed = () => Effect.fail(new Error("no connection"))
      const registry = yield* quota([{ bytes: 500 }], { ledger: { used: failed, reserve: failed } })
      expect(yield* outcome(pushBlob(registry, 100))).toBe("OciUnavailable")
      expect(yield* outcome(registry.startUpload(repository))).toBe("OciUnavailable")
      expect(yield* outcome(pushIndex(yield* quota([]), 0, v1))).toBe("pushed")
    })))
})

/** A clock whose sleeps end at once. */
const impatient = Object.assign(Clock.make(), { sleep: () => Effect.yieldNow() })

it("is never exceeded by 16 clients that push and delete at the same time", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          size: fc.constantFrom(...sizes),
          name: fc.constantFrom(repository, other, team),
          at: fc.nat(3),
          kind: fc.constantFrom("blob", "manifest", "delete", "upload")
        }),
        { minLength: 20, maxLength: 60 }
      ),
      (steps) =>
        Effect.gen(function*() {
          const behind = yield* Registry
          const slow: Registry.Service = Registry.fromHandler((operation) =>
            Effect.zipRight(Effect.yieldNow(), Effect.suspend(() => behind.handle(operation))) as never
          )
          const limit = { prefix: team, bytes: 1000, manifests: 2, tags: 2, repositories: 2 }
          const registry = yield* Effect.provideService(quota([limit]), Registry, slow)
          const exceeds = Effect.map(
            usedOf(behind)(team),
            (used) => used.bytes > 1000 || used.manifests > 2 || used.tags > 2 || used.repositories > 2
          )
          yield* Effect.forEach(steps, ({ at, kind, name, size }) =>
            Effect.gen(function*() {
              const { digest } = descriptor(size)
              if (kind === "blob") yield* Effect.exit(pushBlob(registry, size, name))
              else if (kind === "manifest") yield* Effect.exit(pushIndex(registry, at, Tag.make(`v${at}`)))
              else if (kind === "delete") yield* Effect.exit(registry.deleteBlob(name, digest))
              else {
                const upload = yield* Effect.exit(registry.startUpload(name))
                if (Exit.isSuccess(upload)) {
                  yield* Effect.exit(
                    registry.completeUpload(name, upload.value.id, digest, { body: Body.bytes(content(size)) })
                  )
                }
              }
              expect(yield* exceeds).toBe(false)
            }), { concurrency: 16, discard: true })
        }).pipe(inMemory, Effect.withClock(impatient), Effect.runPromise)
    ),
    { numRuns: 20, seed: 20_261_121 }
  ))
