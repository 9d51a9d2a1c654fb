import type { Handler } from "@effect-oci/core"
import { Digest, Manifest, Operation, Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import * as Faulty from "@effect-oci/laws/Faulty"
import { Cache, Retry, Union } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Either, Fiber, Layer, Stream } from "effect"
import * as fc from "fast-check"
import type { Claim, Event } from "../src/Linearizability.js"
import * as Linearizability from "../src/Linearizability.js"
import { hop } from "../src/NodeHop.js"
import type { Racer } from "./racers.js"
import { racers } from "./racers.js"

const repository = RepositoryName.make("team/app")
const tag = Tag.make("v1")
const bytes = (text: string) => new TextEncoder().encode(text)
const a = Digest.fromBytes(bytes("a"))
const b = Digest.fromBytes(bytes("b"))
const c = Digest.fromBytes(bytes("c"))

const at = (invoked: number, responded: number, claim: Claim): Event => ({ repository, tag, claim, invoked, responded })

const pushed = (digest: Digest.Digest): Claim => ({ _tag: "Pushed", digest })
const ifAbsent = (digest: Digest.Digest): Claim => ({ _tag: "PushedFrom", digest, from: "nothing" })
const ifMatch = (from: Digest.Digest, digest: Digest.Digest): Claim => ({ _tag: "PushedFrom", digest, from })
const taken = (digest: Digest.Digest): Claim => ({ _tag: "Taken", digest, from: "nothing" })
const moved = (from: Digest.Digest, digest: Digest.Digest): Claim => ({ _tag: "Taken", digest, from })
const found = (digest: Digest.Digest): Claim => ({ _tag: "Found", digest })
const manifestDeleted = (digest: Digest.Digest): Claim => ({ _tag: "ManifestDeleted", digest })
const manifestMissing = (digest: Digest.Digest): Claim => ({ _tag: "ManifestMissing", digest })
const missing: Claim = { _tag: "Missing" }
const listed: Claim = { _tag: "Listed" }
const deleted: Claim = { _tag: "Deleted" }

/** Creates sequential events. */
const sequence = (...claims: ReadonlyArray<Claim>) => claims.map((claim, index) => at(2 * index, 2 * index + 1, claim))

type Row = readonly [name: string, history: Linearizability.History]

const linearizable: ReadonlyArray<Row> = [
  ["nothing", []],
  ["a read of nothing", sequence(missing)],
  ["what one client does and sees", sequence(pushed(a), found(a), listed, pushed(b), found(b), deleted, missing)],
  ["a push that others do not see until it is answered", [
    at(0, 9, pushed(a)),
    at(1, 2, missing),
    at(3, 4, missing),
    at(10, 11, found(a))
  ]],
  ["a push that others see before it is answered", [at(0, 9, pushed(a)), at(1, 2, found(a)), at(3, 4, found(a))]],
  ["two pushes at once, either of them last", [
    at(0, 9, pushed(a)),
    at(0, 9, pushed(b)),
    at(10, 11, found(a)),
    at(12, 13, found(a))
  ]],
  ["a response at the same time as a request", [at(0, 5, pushed(a)), at(5, 6, missing)]],
  ["a push if absent, and the same again", sequence(ifAbsent(a), ifAbsent(a), taken(b), found(a))],
  ["a push if absent after a delete", sequence(pushed(a), deleted, ifAbsent(b), taken(a))],
  ["a push from a manifest, and the same again", sequence(pushed(a), ifMatch(a, b), ifMatch(a, b), found(b))],
  ["pushes from a manifest that the tag does not point at", sequence(moved(a, b), pushed(b), moved(a, c), found(b))],
  ["of two pushes if absent at once, one fails because the tag exists", [
    at(0, 9, ifAbsent(a)),
    at(1, 8, taken(b)),
    at(10, 11, found(a))
  ]],
  ["a push without a response that is seen late", [
    at(0, Infinity, pushed(a)),
    at(1, 2, missing),
    at(3, 4, found(a))
  ]],
  ["a push without a response that is never seen", [at(0, Infinity, pushed(a)), at(1, 2, missing)]],
  ["a delete without a response and without a tag", [at(0, Infinity, deleted), at(1, 2, missing)]],
  ["a deleted manifest whose tag is deleted", sequence(pushed(a), manifestDeleted(a), missing)],
  [
    "a deleted manifest whose tag has moved before",
    sequence(pushed(a), pushed(b), manifestDeleted(a), found(b))
  ],
  ["a delete of a missing manifest", sequence(manifestMissing(a), pushed(b), manifestMissing(a), found(b))]
]

const notLinearizable: ReadonlyArray<Row> = [
  ["a read of a manifest that was never pushed", sequence(found(a))],
  ["a push that is not seen", sequence(pushed(a), missing)],
  ["a push that is not in the list", [at(0, 1, pushed(a)), at(2, 3, missing)]],
  ["a list with a tag that was never pushed", sequence(listed)],
  ["a read of the previous manifest", sequence(pushed(a), pushed(b), found(a))],
  ["a tag that moves back for the client that saw it move", [
    at(0, 9, pushed(b)),
    at(-2, -1, pushed(a)),
    at(1, 2, found(b)),
    at(3, 4, found(a))
  ]],
  ["a tag that moves back for another client", [
    at(-2, -1, pushed(a)),
    at(0, 9, pushed(b)),
    at(1, 3, found(b)),
    at(4, 5, found(a))
  ]],
  ["two clients that see two pushes in different orders", [
    at(0, 9, pushed(a)),
    at(0, 9, pushed(b)),
    at(1, 2, found(a)),
    at(3, 4, found(b)),
    at(1, 2, found(a)),
    at(5, 6, found(a))
  ]],
  ["two pushes if absent that both succeed", [at(0, 9, ifAbsent(a)), at(0, 9, ifAbsent(b))]],
  ["two pushes from one manifest that both succeed", [
    ...sequence(pushed(a)),
    at(2, 9, ifMatch(a, b)),
    at(2, 9, ifMatch(a, c))
  ]],
  ["a push from a manifest that the tag never pointed at", sequence(ifMatch(a, b))],
  ["a push from a manifest that fails although the tag points at it", sequence(pushed(a), moved(a, b))],
  ["a push if absent that is lost", sequence(ifAbsent(a), missing)],
  ["a push if absent that fails although the tag does not exist", sequence(taken(a))],
  ["a push if absent that fails although the tag points at the same manifest", sequence(pushed(a), taken(a))],
  ["a delete of nothing", sequence(deleted)],
  ["two deletes of one push", [at(0, 1, pushed(a)), at(2, 9, deleted), at(2, 9, deleted)]],
  ["a delete that is not seen", sequence(pushed(a), deleted, found(a))],
  ["a push without a response that appears and disappears", [
    at(0, Infinity, pushed(a)),
    at(1, 2, found(a)),
    at(3, 4, missing)
  ]],
  ["a deleted manifest whose tag remains", sequence(pushed(a), manifestDeleted(a), found(a))],
  [
    "a deleted manifest whose tag had moved and is deleted",
    sequence(pushed(a), pushed(b), manifestDeleted(a), missing)
  ],
  ["a missing manifest that a tag points at", sequence(pushed(a), manifestMissing(a), found(a))]
]

const check = (history: Linearizability.History) => Either.getLeft(Linearizability.check(history))

describe("check", () => {
  it.each(linearizable)("explains %s", (_, history) => {
    expect(check(history)).toMatchObject({ _tag: "None" })
  })

  it.each(notLinearizable)("does not explain %s", (_, history) => {
    expect(check(history)).toMatchObject({ _tag: "Some", value: { _tag: "NotLinearizable" } })
  })

  it("checks each tag of each repository separately", () => {
    const elsewhere = [
      { ...at(0, 1, pushed(b)), tag: Tag.make("v2") },
      { ...at(0, 1, pushed(b)), repository: RepositoryName.make("team/other") }
    ]
    expect(check([...sequence(pushed(a), found(a)), ...elsewhere])).toMatchObject({ _tag: "None" })
    expect(check([...elsewhere, ...sequence(pushed(a), found(b))])).toMatchObject({ value: { repository, tag } })
  })

  it("reports the longest explained part of the history", () => {
    const error = Either.getOrThrow(Either.flip(Linearizability.check([
      at(0, 1, pushed(a)),
      at(2, Infinity, pushed(b)),
      at(3, 4, found(b)),
      at(5, 6, found(a)),
      at(7, 8, found(b))
    ])))
    expect(error.message).toBe(
      `team/app:v1 is not linearizable. After these operations:
  [0, 1] Pushed sha256:ca978112…
  [2, …] Pushed sha256:3e23e816…
  [3, 4] Found sha256:3e23e816…
none of these operations can come next:
  [5, 6] Found sha256:ca978112…`
    )
  })

  it("fails with Undecided if too many operations are concurrent", () => {
    const many = Array.from({ length: 12 }, (_, index) => at(index, 100, pushed(index % 2 === 0 ? a : b)))
    const history = [...many, at(200, 201, missing)]
    expect(Either.flip(Linearizability.check(history, { maxStates: 50 }))).toMatchObject({
      right: { _tag: "Undecided", repository, tag, maxStates: 50 }
    })
    expect(check(history)).toMatchObject({ value: { _tag: "NotLinearizable" } })
  })

  it("checks a long history with few concurrent operations", () => {
    const long = Array.from({ length: 2000 }, (_, index) => {
      const digest = index % 4 < 2 ? a : b
      return at(10 * index, 10 * index + 12, index % 2 === 0 ? pushed(digest) : found(digest))
    })
    expect(check(long)).toMatchObject({ _tag: "None" })
    expect(check([...long, at(30_000, 30_001, missing)])).toMatchObject({ value: { _tag: "NotLinearizable" } })
  })
})

/** Tries every order of the events, with and without each event that has no response. Slow, but simple. */
const explainable = (events: ReadonlyArray<Event>): boolean => {
  const apply = (
    state: Digest.Digest | undefined,
    { claim }: Event
  ): { state: Digest.Digest | undefined } | undefined => {
    switch (claim._tag) {
      case "Pushed":
        return { state: claim.digest }
      case "PushedFrom":
        return [claim.from, claim.digest].includes(state ?? "nothing") ? { state: claim.digest } : undefined
      case "Taken":
        return [claim.from, claim.digest].includes(state ?? "nothing") ? undefined : { state }
      case "Found":
        return state === claim.digest ? { state } : undefined
      case "Listed":
        return state !== undefined ? { state } : undefined
      case "Missing":
        return state === undefined ? { state } : undefined
      case "Deleted":
        return state !== undefined ? { state: undefined } : undefined
      case "ManifestDeleted":
        return { state: state === claim.digest ? undefined : state }
      case "ManifestMissing":
        return state === claim.digest ? undefined : { state }
    }
  }
  const go = (left: ReadonlyArray<Event>, state: Digest.Digest | undefined): boolean =>
    left.every(({ responded }) => responded === Infinity) ||
    left.some((event) => {
      const rest = left.filter((other) => other !== event)
      if (rest.some(({ responded }) => responded < event.invoked)) return false
      const next = apply(state, event)
      return next !== undefined && go(rest, next.state)
    })
  return go(events, undefined)
}

describe("check and a search of all orders", () => {
  const digest = fc.constantFrom(a, b)
  const claim: fc.Arbitrary<Claim> = fc.oneof(
    digest.chain((digest) => fc.constantFrom(pushed(digest), ifAbsent(digest), found(digest), taken(digest))),
    fc.constantFrom(ifMatch(a, b), ifMatch(b, a), moved(a, b), moved(b, a)),
    fc.constantFrom(missing, listed, deleted),
    digest.chain((digest) => fc.constantFrom(manifestDeleted(digest), manifestMissing(digest)))
  )
  const event = fc.tuple(fc.nat(12), fc.nat(8), claim, fc.nat(9)).map(([invoked, took, claim, answered]) =>
    at(invoked, answered === 0 ? Infinity : invoked + took, claim)
  )

  it("agree", () => {
    let explained = 0
    fc.assert(
      fc.property(fc.array(event, { maxLength: 6 }), (history) => {
        const expected = explainable(history)
        if (expected && history.length > 2) explained++
        expect(Either.isRight(Linearizability.check(history))).toBe(expected)
      }),
      { numRuns: 3000, seed: 1 }
    )
    expect(explained).toBeGreaterThan(100)
  })
})

describe("recorder", () => {
  const manifest = Either.getOrThrow(Manifest.make({ mediaType: "a/b", bytes: bytes("a") }))
  const refused = (error: RegistryError.RegistryError) => () => Effect.fail(error)
  const gone = new RegistryError.ManifestUnknown({})
  const denied = new RegistryError.Denied({})
  const broken = new RegistryError.TransportError({ method: "PUT", url: "http://registry.example/" })
  const other = Tag.make("v2")
  const push = (fields?: Partial<Pick<Operation.PushManifest, "tags" | "ifAbsent" | "ifMatch">>) =>
    new Operation.PushManifest({ repository, mediaType: "a/b", bytes: bytes("a"), tags: [tag], ...fields })
  const done = { ...manifest.descriptor, tags: [tag] }
  const listTags = (fields?: { readonly last?: Tag.Tag; readonly limit?: number }) =>
    new Operation.ListTags({ repository, ...fields })

  /** The request, the registry's answer, and what the history records: the tags, the claims, and whether it is settled. */
  const rows: ReadonlyArray<
    readonly [
      name: string,
      operation: Operation.Operation,
      answer: () => Effect.Effect<unknown, RegistryError.RegistryError>,
      written: ReadonlyArray<readonly [tag: string, claim: Claim, settled: boolean]>
    ]
  > = [
    ["a push", push(), () => Effect.succeed(done), [["v1", pushed(a), true]]],
    [
      "a push of two tags",
      push({ tags: [tag, other] }),
      () => Effect.succeed({ ...done, tags: [tag, other] }),
      [["v1", pushed(a), true], ["v2", pushed(a), true]]
    ],
    [
      "a push of two tags that set one of them",
      push({ tags: [tag, other] }),
      () => Effect.succeed(done),
      [["v1", pushed(a), true]]
    ],
    ["a push if absent", push({ ifAbsent: true }), () => Effect.succeed(done), [["v1", ifAbsent(a), true]]],
    ["a push if absent of an existing tag", push({ ifAbsent: true }), refused(denied), [["v1", taken(a), true]]],
    [
      "a push if absent of two tags; one of them exists",
      push({ ifAbsent: true, tags: [tag, other] }),
      refused(denied),
      [["v1", ifAbsent(a), false], ["v2", ifAbsent(a), false]]
    ],
    ["a push from a manifest", push({ ifMatch: b }), () => Effect.succeed(done), [["v1", ifMatch(b, a), true]]],
    ["a push from a manifest, refused", push({ ifMatch: b }), refused(denied), [["v1", moved(b, a), true]]],
    ["a push without a response", push(), refused(broken), [["v1", pushed(a), false]]],
    ["a push that dies", push(), () => Effect.die("no"), [["v1", pushed(a), false]]],
    ["a pull", new Operation.GetManifest({ repository, reference: tag }), () => Effect.succeed(manifest), [
      ["v1", found(a), true]
    ]],
    ["a pull of nothing", new Operation.GetManifest({ repository, reference: tag }), refused(gone), [
      ["v1", missing, true]
    ]],
    ["a pull without a response", new Operation.GetManifest({ repository, reference: tag }), refused(broken), []],
    ["a pull by digest", new Operation.GetManifest({ repository, reference: a }), () => Effect.succeed(manifest), []],
    [
      "a resolve",
      new Operation.ResolveManifest({ repository, reference: tag }),
      () => Effect.succeed(manifest.descriptor),
      [["v1", found(a), true]]
    ],
    [
      "a resolve by digest",
      new Operation.ResolveManifest({ repository, reference: a }),
      () => Effect.succeed(manifest.descriptor),
      []
    ],
    ["a delete", new Operation.DeleteTag({ repository, tag }), () => Effect.succeed(Operation.done), [
      ["v1", deleted, true]
    ]],
    ["a delete of nothing", new Operation.DeleteTag({ repository, tag }), refused(gone), [["v1", missing, true]]],
    ["a delete without a response", new Operation.DeleteTag({ repository, tag }), refused(broken), [
      ["v1", deleted, false]
    ]],
    ["a blob", new Operation.ResolveBlob({ repository, digest: a }), () => Effect.succeed(manifest.descriptor), []],
    ["a list", listTags(), () => Effect.succeed(Stream.make(tag)), [["v1", listed, true]]],
    ["a list that fails", listTags(), refused(gone), []],
    ["a truncated list", listTags(), () => Effect.succeed(Stream.concat(Stream.make(tag), Stream.fail(gone))), []]
  ]
  it.effect.each(rows)("%s", ([, operation, answer, written]) =>
    Effect.gen(function*() {
      const { history, middleware } = yield* Linearizability.recorder
      const handle = middleware((() => answer()) as Handler.Handler)
      yield* ask(handle, operation)
      const events = yield* history
      expect(events.map(({ claim, responded, tag }) => [tag, claim, responded !== Infinity])).toEqual(written)
      expect(events.every((event) => event.repository === repository && event.invoked < event.responded)).toBe(true)
    }))

  const ask = (handle: Handler.Handler, operation: Operation.Operation): Effect.Effect<unknown> =>
    Effect.exit(Effect.scoped(
      operation._tag === "ListTags"
        ? Effect.flatMap(handle(operation), Stream.runCollect)
        : handle(operation) as Effect.Effect<unknown, RegistryError.RegistryError>
    ))

  const names = ["a", "b", "c", "d"].map((name) => Tag.make(name))
  const windows: ReadonlyArray<
    readonly [name: string, list: Operation.ListTags, items: string, listed: string, missing: string]
  > = [
    ["a list covers all tags", listTags(), "bd", "bd", "ac"],
    ["a list covers the tags after `last`", listTags({ last: Tag.make("b") }), "d", "d", "c"],
    ["a list with a limit covers the tags up to its end", listTags({ limit: 2 }), "ac", "ac", "b"],
    ["a list shorter than its limit covers all tags", listTags({ limit: 3 }), "ac", "ac", "bd"],
    ["a list with limit 0 covers no tag", listTags({ limit: 0 }), "", "", ""]
  ]
  it.effect.each(windows)("%s", ([, operation, items, listed, missing]) =>
    Effect.gen(function*() {
      const { history, middleware } = yield* Linearizability.recorder
      const handle = middleware(
        ((operation: Operation.Operation) =>
          operation._tag === "ListTags"
            ? Effect.succeed(Stream.fromIterable(names.filter((name) => items.includes(name))))
            : Effect.succeed({ ...done, tags: names })) as Handler.Handler
      )
      yield* ask(handle, push({ tags: names }))
      yield* ask(handle, operation)
      const events = (yield* history).filter(({ claim }) => claim._tag !== "Pushed")
      const of = (which: Claim["_tag"]) =>
        events.filter(({ claim }) => claim._tag === which).map(({ tag }) => tag).join("")
      expect([of("Listed"), of("Missing"), events.length]).toEqual([listed, missing, listed.length + missing.length])
    }))

  it.effect("the history records a deleted manifest for every tag, also for later ones", () =>
    Effect.gen(function*() {
      const { history, middleware } = yield* Linearizability.recorder
      const handle = middleware(
        ((operation: Operation.Operation) =>
          operation._tag === "DeleteManifest"
            ? Effect.succeed(Operation.done)
            : Effect.succeed(done)) as Handler.Handler
      )
      yield* ask(handle, new Operation.DeleteManifest({ repository, digest: b }))
      yield* ask(handle, push())
      expect((yield* history).map(({ claim, tag }) => [tag, claim])).toEqual([
        ["v1", manifestDeleted(b)],
        ["v1", pushed(a)]
      ])
    }))

  it.effect("an interrupted operation may have been performed", () =>
    Effect.gen(function*() {
      const { history, middleware } = yield* Linearizability.recorder
      const started = yield* Deferred.make<void>()
      const handle = middleware(
        () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)
      )
      const fiber = yield* Effect.fork(ask(handle, push()))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      expect(yield* history).toMatchObject([{ claim: pushed(a), responded: Infinity }])
    }))

  it.effect("concurrent requests overlap in the history", () =>
    Effect.gen(function*() {
      const { history, middleware } = yield* Linearizability.recorder
      const answer = yield* Deferred.make<void>()
      const handle = middleware(
        ((operation: Operation.Operation) =>
          operation._tag === "PushManifest"
            ? Effect.as(Deferred.await(answer), done)
            : Effect.succeed(manifest)) as Handler.Handler
      )
      const fiber = yield* Effect.fork(ask(handle, push()))
      yield* Effect.yieldNow()
      yield* ask(handle, new Operation.GetManifest({ repository, reference: tag }))
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(fiber)
      const events = yield* history
      expect(events.map(({ claim, invoked, responded }) => [claim._tag, invoked, responded])).toEqual([
        ["Found", 1, 2],
        ["Pushed", 0, 3]
      ])
      expect(check(events)).toMatchObject({ _tag: "None" })
    }))
})

const raceIn = (registry: Layer.Layer<Registry>) => (race: Linearizability.Race) =>
  Effect.runPromise(Effect.provide(Linearizability.run(race), registry))

const seed = 20_261_121

describe("a race", () => {
  it("is linearizable in memory", () =>
    fc.assert(
      fc.asyncProperty(Linearizability.race, async (race) => {
        expect(check(await raceIn(Memory.layer())(race))).toMatchObject({ _tag: "None" })
      }),
      { numRuns: 300, seed }
    ), 60_000)

  const busy = Faulty.random({
    seed: 20_261_121,
    share: 0.1,
    faults: [{ _tag: "Fail", failure: Faulty.tooManyRequests() }]
  })
  const compositions: ReadonlyArray<readonly [name: string, registry: () => Layer.Layer<Registry>]> = [
    ["client → server → memory", () => hop(Memory.layer())],
    ["client → server → memory, in pages of one", () => hop(Memory.layer(), { maxPageSize: 1 })],
    ["client → server → client → server → memory", () => hop(hop(Memory.layer()))],
    [
      "Cache over client → server → memory",
      () => hop(Memory.layer()).pipe(Cache.wrap({ store: hop(Memory.layer({ sparseManifests: true })) }))
    ],
    [
      "Union, of two clients",
      () => hop(Memory.layer()).pipe(Union.wrap([{ name: "first", registry: hop(Memory.layer()) }]))
    ],
    [
      "Union, of two clients, push: all",
      () => hop(Memory.layer()).pipe(Union.wrap([{ name: "first", registry: hop(Memory.layer()) }], { push: "all" }))
    ],
    [
      "Retry over client → server → memory, with 429",
      () =>
        hop(Memory.layer().pipe(Faulty.wrap(Faulty.make(busy))), { client: { retry: { retries: 0 } } }).pipe(
          Retry.wrap({ delay: 0, retries: 20 })
        )
    ]
  ]
  it.each(compositions)("is linearizable in %s", (_, make) =>
    Effect.runPromise(
      Effect.forEach(
        fc.sample(Linearizability.race, { numRuns: 60, seed }),
        (race) =>
          Effect.map(Linearizability.run(race), (history) => {
            expect(check(history)).toMatchObject({ _tag: "None" })
          }),
        { discard: true }
      ).pipe(Effect.provide(make()))
    ), 60_000)

  it("has many concurrent operations and every kind of claim", async () => {
    const races = fc.sample(Linearizability.race, { numRuns: 100, seed })
    const histories = await Promise.all(races.map(raceIn(Memory.layer())))
    const events = histories.flat()
    const overlaps = histories.flatMap((history) =>
      history.map((one) =>
        history.filter((other) =>
          other.tag === one.tag && other.invoked < one.responded && one.invoked < other.responded
        ).length
      )
    )
    expect(overlaps.filter((count) => count > 2).length / overlaps.length).toBeGreaterThan(0.3)
    expect(new Set(events.map(({ claim }) => claim._tag)).size).toBe(9)
  })

  it("has the same history each time", async () => {
    const [race] = fc.sample(Linearizability.race, { numRuns: 1, seed })
    const run = Effect.provide(Linearizability.run(race!, { repository }), Memory.layer())
    expect(await Effect.runPromise(run)).toEqual(await Effect.runPromise(run))
  })
})

describe("a registry that", () => {
  const memory = (racer: Racer, others: Effect.Effect<void>) =>
    Layer.suspend(() => Memory.layer().pipe(Registry.wrap(racer.middleware(others))))
  const turns = Effect.repeatN(Effect.yieldNow(), 2)

  it.each(racers)("$name is detected", (racer) => {
    const run = raceIn(memory(racer, turns))
    return fc.check(
      fc.asyncProperty(Linearizability.race, async (race) => Either.isRight(Linearizability.check(await run(race)))),
      { numRuns: 400, seed }
    ).then(({ failed }) => {
      expect(failed).toBe(true)
    })
  }, 60_000)

  it.each(racers)("$name is detected over a socket", (racer) =>
    Effect.gen(function*() {
      for (const race of fc.sample(Linearizability.race, { numRuns: 1000, seed })) {
        if (Either.isLeft(Linearizability.check(yield* Linearizability.run(race)))) return
      }
      expect.fail("1000 races were linearizable")
    }).pipe(Effect.provide(hop(memory(racer, Effect.sleep("1 millis")))), Effect.runPromise), 60_000)

  it.each(racers.filter(({ alone }) => alone))("$name is linearizable for one client", (racer) => {
    const run = raceIn(memory(racer, turns))
    return fc.assert(
      fc.asyncProperty(Linearizability.race, async (race) => {
        expect(check(await run([race.flat()]))).toMatchObject({ _tag: "None" })
      }),
      { numRuns: 60, seed }
    )
  })
})
