/** Random histories of callers with different rights behind one cache, and the law that the cache must keep. */
import {
  Body,
  Caller,
  Descriptor,
  Handler,
  Operation,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import { Clock, Duration, Effect, Redacted, Stream, TestClock, TestContext } from "effect"
import type { Scope } from "effect"
import * as fc from "fast-check"
import { collect, image, memory, sum, text } from "./cache.js"

export const repositories = [RepositoryName.make("team/app"), RepositoryName.make("team/app-private")] as const
export const tags = [Tag.make("v1"), Tag.make("v2")] as const
export const images = [image(text("one")), image(text("two"))] as const

const basic = (username: string): Caller.Presentation => ({
  _tag: "Basic",
  username,
  password: Redacted.make("secret")
})

/** Callers with a name, and callers whom only the credentials distinguish that they present. */
const callers = [
  { identity: { name: "alice", claims: {} }, presented: undefined },
  { identity: { name: "bob", claims: {} }, presented: undefined },
  { identity: Caller.anonymous, presented: basic("carol") },
  { identity: Caller.anonymous, presented: basic("dave") },
  { identity: Caller.anonymous, presented: undefined }
] as const

export const as = (caller: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.provideService(Caller.Caller, callers[caller]!.identity),
    Effect.provideService(Caller.Presented, callers[caller]!.presented)
  )

const whoIs = Effect.zipWith(
  Caller.Caller,
  Caller.Presented,
  ({ name }, presented) => name ?? (presented?._tag === "Basic" ? presented.username : "anonymous")
)
const names = ["alice", "bob", "carol", "dave", "anonymous"]

/** What a caller may read: a whole repository, or one tag or digest in it. */
interface Right {
  readonly caller: number
  readonly repository: number
  /** The tags, then the manifests, then the blobs. */
  readonly reference: number | undefined
}

interface Read {
  readonly caller: number
  readonly repository: number
  readonly reference: number
  readonly how: "resolve" | "get" | "range"
}

type Step =
  | { readonly _tag: "Grant" | "Revoke"; readonly right: Right }
  | {
    readonly _tag: "Push"
    readonly repository: number
    readonly image: number
    readonly tag: number
    readonly by: By
  }
  | { readonly _tag: "Delete"; readonly repository: number; readonly reference: number; readonly by: By }
  | { readonly _tag: "Mount"; readonly caller: number; readonly from: number; readonly image: number }
  | { readonly _tag: "List"; readonly caller: number; readonly repository: number }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Down"; readonly isDown: boolean }
  | { readonly _tag: "Read"; readonly reads: ReadonlyArray<Read> }
  | { readonly _tag: "ReadAgain" }

/** Another client of the upstream, or a caller through the cache. */
type By = number | undefined

const references = [
  ...tags,
  ...images.map(({ descriptor }) => descriptor.digest),
  ...images.map(({ blob }) => blob.digest)
]
const isBlob = (reference: number) => reference >= 4

export const timeToLive = 60_000

const caller = fc.nat({ max: callers.length - 1 })
const repository = fc.nat({ max: 1 })
const reference = fc.nat({ max: references.length - 1 })
const by = fc.option(caller, { nil: undefined })
const read: fc.Arbitrary<Read> = fc.record({
  caller,
  repository,
  reference,
  how: fc.constantFrom<Read["how"][]>("resolve", "get", "get", "range")
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("Grant" as const),
      right: fc.record({ caller, repository, reference: fc.option(reference, { nil: undefined, freq: 1 }) })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("Revoke" as const),
      right: fc.record({ caller, repository, reference: fc.option(reference, { nil: undefined, freq: 1 }) })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("Push" as const),
      repository,
      image: fc.nat({ max: 1 }),
      tag: fc.nat({ max: 1 }),
      by
    })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Delete" as const), repository, reference, by }) },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("Mount" as const), caller, from: repository, image: fc.nat({ max: 1 }) })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("List" as const), caller, repository }) },
  {
    weight: 2,
    arbitrary: fc.record({ _tag: fc.constant("Wait" as const), millis: fc.constantFrom(1, 20_000, timeToLive) })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Down" as const), isDown: fc.boolean() }) },
  { weight: 6, arbitrary: fc.constant({ _tag: "ReadAgain" as const }) },
  {
    weight: 8,
    arbitrary: fc.record({ _tag: fc.constant("Read" as const), reads: fc.array(read, { minLength: 1, maxLength: 4 }) })
  }
)

/** Histories after which each repository contains an image, and one caller may read one of them. */
export const histories: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(step, { minLength: 5, maxLength: 25 }).map((
  steps
) => [
  { _tag: "Push", repository: 0, image: 0, tag: 0, by: undefined },
  { _tag: "Push", repository: 1, image: 1, tag: 0, by: undefined },
  { _tag: "Grant", right: { caller: 0, repository: 0, reference: undefined } },
  ...steps
])

const rightKey = (caller: string, repository: string, reference = "*") => `${caller} ${repository} ${reference}`

/** The operation of a read. */
const operationOf = ({ how, reference, repository }: Read) => {
  const name = repositories[repository]!
  const at = references[reference]!
  if (isBlob(reference)) {
    const digest = at as Descriptor.Descriptor["digest"]
    if (how === "resolve") return new Operation.ResolveBlob({ repository: name, digest })
    return new Operation.GetBlob({ repository: name, digest, range: how === "range" ? { offset: 1 } : undefined })
  }
  return how === "resolve"
    ? new Operation.ResolveManifest({ repository: name, reference: at })
    : new Operation.GetManifest({ repository: name, reference: at })
}

/** An upstream whose answers depend on the rights of the caller, and its state. */
const makeUpstream = Effect.gen(function*() {
  const base = yield* memory({ deleteReferenced: true })
  const rights = new Set<string>()
  const state = { isDown: false }
  const may = (who: string, repository: string, reference?: string) =>
    rights.has(rightKey(who, repository)) ||
    (reference !== undefined && rights.has(rightKey(who, repository, reference)))

  const decide = (who: string, operation: Operation.Operation): boolean => {
    if (operation._tag === "ListRepositories") return true
    const { repository } = operation
    switch (operation._tag) {
      case "ResolveBlob":
      case "GetBlob":
        return may(who, repository, operation.digest)
      case "ResolveManifest":
      case "GetManifest":
        return may(who, repository, operation.reference)
      case "MountBlob":
        return may(who, repository) && (operation.from === undefined || may(who, operation.from, operation.digest))
      default:
        return may(who, repository)
    }
  }

  const handle: Handler.Handler = (operation) =>
    Effect.flatMap(Effect.zipLeft(whoIs, Effect.yieldNow()), (who) => {
      const fields = Operation.errorFields(operation)
      if (state.isDown) return Effect.fail(new RegistryError.Unavailable(fields))
      if (decide(who, operation)) return base.handle(operation)
      return Effect.fail(
        who === "anonymous" ? new RegistryError.Unauthorized(fields) : new RegistryError.NameUnknown(fields)
      )
    }) as never

  /** Returns the digests that the upstream has, by repository and reference. */
  const contents = Effect.gen(function*() {
    const found: Array<readonly [repository: string, reference: string, digest: string]> = []
    for (const repository of repositories) {
      for (const [index, reference] of references.entries()) {
        const resolved = yield* Effect.option(
          isBlob(index)
            ? base.resolveBlob(repository, reference as never)
            : base.resolveManifest(repository, reference)
        )
        if (resolved._tag === "Some") found.push([repository, reference, resolved.value.digest])
      }
    }
    return found
  })

  /** Returns what each caller can read now: the digest by caller, repository and reference. */
  const tableOf = (found: Effect.Effect.Success<typeof contents>): ReadonlyMap<string, string> =>
    new Map(
      state.isDown ?
        [] :
        found.flatMap(([repository, reference, digest]) =>
          names.filter((who) => may(who, repository, reference))
            .map((who) => [rightKey(who, repository, reference), digest] as const)
        )
    )
  return { base, handle: Handler.dependingOnCaller(handle), rights, state, contents, tableOf }
})

export type Wrapper = Effect.Effect<Middleware.Middleware, never, Scope.Scope>

/**
 * How long a decision of the upstream may be used, and whether the cache must also serve everything that the upstream grants
 * now.
 */
export interface Law {
  readonly timeToLive: number
  readonly isComplete: boolean
}

/** Runs a history, and fails with the first read that breaks the law. */
export const lawful = (wrapper: Wrapper, history: ReadonlyArray<Step>, law: Law): Promise<void> =>
  Effect.gen(function*() {
    const upstream = yield* makeUpstream
    const cache = Registry.fromHandler((yield* wrapper)(upstream.handle))
    const snapshots: Array<{ readonly from: number; readonly table: ReadonlyMap<string, string> }> = []
    let contents = yield* upstream.contents
    const snapshot = Effect.map(Clock.currentTimeMillis, (from) => {
      snapshots.push({ from, table: upstream.tableOf(contents) })
    })

    /** Returns what the caller could read at the upstream at some time since the time to live began. */
    const readable = (key: string, now: number): ReadonlySet<string> =>
      new Set(
        snapshots
          .filter((_, index) => (snapshots[index + 1]?.from ?? Infinity) > now - law.timeToLive)
          .flatMap(({ table }) => table.get(key) ?? [])
      )

    const check = (step: Read) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const key = rightKey(names[step.caller]!, repositories[step.repository]!, references[step.reference])
        const exit = yield* Effect.exit(as(step.caller)(Effect.scoped(answerTo(cache, step))))
        const allowed = readable(key, now)
        const current = snapshots.at(-1)?.table.get(key)
        const shown = `${names[step.caller]} reads ${key} (${step.how}) at ${now}`
        if (law.isComplete && exit._tag === "Failure" && current !== undefined) {
          return yield* Effect.die(`${shown}: fails, but the upstream grants it: ${String(exit.cause)}`)
        }
        if (exit._tag === "Success" && !allowed.has(exit.value)) {
          return yield* Effect.die(`${shown}: receives ${exit.value}, but the upstream granted ${[...allowed].join()}`)
        }
      })

    const registryOf = (by: By) => by === undefined ? upstream.base : cache
    const actAs = (by: By) => <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.exit(by === undefined ? effect : as(by)(effect))

    yield* snapshot
    let reads: ReadonlyArray<Read> = []
    for (const step of history) {
      switch (step._tag) {
        case "Grant":
        case "Revoke": {
          const { caller, reference, repository } = step.right
          const key = rightKey(
            names[caller]!,
            repositories[repository]!,
            reference === undefined ? undefined : references[reference]
          )
          if (step._tag === "Grant") upstream.rights.add(key)
          else upstream.rights.delete(key)
          break
        }
        case "Push": {
          const { blob, bytes, content, mediaType } = images[step.image]!
          const registry = registryOf(step.by)
          const name = repositories[step.repository]!
          yield* actAs(step.by)(Effect.zipRight(
            registry.pushBlob(name, blob, Body.bytes(content)),
            registry.pushManifest(name, { mediaType, bytes, tags: [tags[step.tag]!] })
          ))
          break
        }
        case "Delete": {
          const registry = registryOf(step.by)
          const name = repositories[step.repository]!
          const at = references[step.reference]!
          yield* actAs(step.by)(
            isBlob(step.reference)
              ? registry.deleteBlob(name, at as never)
              : step.reference < 2
              ? registry.deleteTag(name, at as never)
              : registry.deleteManifest(name, at as never)
          )
          break
        }
        case "Mount": {
          const { digest } = images[step.image]!.blob
          const [from, to] = step.from === 0 ? repositories : [repositories[1], repositories[0]]
          const could = snapshots.at(-1)!.table.has(rightKey(names[step.caller]!, from, digest))
          const exit = yield* actAs(step.caller)(cache.mountBlob(to, digest, { from }))
          if (exit._tag === "Success" && exit.value._tag === "Mounted" && !could) {
            return yield* Effect.die(`${names[step.caller]} mounts ${digest} from ${from}`)
          }
          break
        }
        case "List": {
          const name = repositories[step.repository]!
          const through = yield* actAs(step.caller)(Stream.runCollect(cache.listTags(name)))
          const direct = yield* actAs(step.caller)(
            Stream.runCollect(Registry.fromHandler(upstream.handle).listTags(name))
          )
          const shown = (exit: typeof direct) => exit._tag === "Success" ? [...exit.value].join() : "refused"
          if (shown(through) !== shown(direct)) {
            return yield* Effect.die(`${names[step.caller]} lists ${shown(through)}, not ${shown(direct)}`)
          }
          break
        }
        case "Wait":
          yield* TestClock.adjust(Duration.millis(step.millis))
          continue
        case "Down":
          upstream.state.isDown = step.isDown
          break
        case "Read":
          reads = step.reads
          yield* Effect.forEach(reads, check, { concurrency: "unbounded", discard: true })
          continue
        case "ReadAgain":
          yield* Effect.forEach(reads, check, { concurrency: "unbounded", discard: true })
          continue
      }
      if (step._tag === "Push" || step._tag === "Delete" || step._tag === "Mount") contents = yield* upstream.contents
      yield* snapshot
    }
  }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext), Effect.runPromise)

/** Reads through the cache, and returns the digest of what it received. */
const answerTo = (cache: Registry["Type"], step: Read) => {
  const operation = operationOf(step)
  switch (operation._tag) {
    case "ResolveBlob":
      return Effect.map(cache.resolveBlob(operation.repository, operation.digest), ({ digest }): string => digest)
    case "ResolveManifest":
      return Effect.map(
        cache.resolveManifest(operation.repository, operation.reference),
        ({ digest }): string => digest
      )
    case "GetManifest":
      return Effect.map(
        cache.getManifest(operation.repository, operation.reference),
        ({ bytes }): string => Descriptor.fromBytes(bytes).digest
      )
    case "GetBlob": {
      const whole = images.find(({ blob }) => blob.digest === operation.digest)!.content
      const wanted = sum(operation.range === undefined ? whole : whole.subarray(1))
      return Effect.flatMap(
        cache.getBlob(operation.repository, operation.digest, { range: operation.range }),
        ({ stream }) => Effect.map(collect(stream), (found): string => found === wanted ? operation.digest : found)
      )
    }
  }
}
