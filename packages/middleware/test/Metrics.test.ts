import { BlobContent, Body, Handler, Operation, RegistryError, RepositoryName } from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Metric, MetricState, Stream, TestClock } from "effect"
import { Metrics } from "../src/index.js"
import * as laws from "./laws.js"
import * as secrets from "./secrets.js"

type Series = { readonly name: string; readonly value: unknown } & { readonly [label: string]: unknown }

let count = 0

/** Creates a registry with its own metrics, and returns the metrics. */
const measured = (base: Handler.Handler, options?: Metrics.Options) => {
  const registry = `${count++}`
  const handle = Metrics.middleware({ attributes: { registry }, ...options })(base)
  const series = () =>
    Metric.unsafeSnapshot().flatMap(({ metricKey, metricState }): ReadonlyArray<Series> => {
      const { registry: of, ...labels } = Object.fromEntries(
        metricKey.tags.map(({ key, value }) => [key, value])
      )
      const value = MetricState.isCounterState(metricState)
        ? metricState.count
        : MetricState.isGaugeState(metricState)
        ? metricState.value
        : MetricState.isHistogramState(metricState)
        ? { count: metricState.count, sum: metricState.sum }
        : undefined
      return of === registry ? [{ ...labels, name: metricKey.name, value }] : []
    }).sort((a, b) => a.name < b.name ? -1 : 1)
  const find = (name: string) => series().filter((each) => each.name === `oci.operation.${name}`)
  return { handle, series, find, active: () => find("active").map(({ value }) => value) }
}

const { repository } = samples
const size = samples.bytes.byteLength
const broken = new RegistryError.TransportError({ reason: "connection reset" })

const ofManifest = { "oci.operation": "GetManifest", "oci.outcome": "Success" }

describe("Metrics", () => {
  it.effect("one operation", () =>
    Effect.gen(function*() {
      const slow: Handler.Handler = (operation) => Effect.delay(samples.known(operation), "1500 millis")
      const { handle, series } = measured(slow)
      const fiber = yield* Effect.fork(Effect.replicateEffect(handle(samples.operations.GetManifest), 2))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      expect(series()).toEqual([
        { name: "oci.operation.active", "oci.operation": "GetManifest", unit: "{operation}", value: 0 },
        { ...ofManifest, name: "oci.operation.count", unit: "{operation}", value: 2 },
        { ...ofManifest, name: "oci.operation.duration", unit: "s", value: { count: 2, sum: 3 } },
        { ...ofManifest, name: "oci.operation.io", unit: "By", value: 2 * size }
      ])
    }))

  it.effect.each(samples.tags.map((tag) => ({ tag, operation: samples.operations[tag] })))(
    "counts $tag, and the items of a list",
    ({ operation, tag }) =>
      Effect.gen(function*() {
        const { find, handle } = measured(samples.suspended(samples.known))
        yield* samples.answerOf(handle, operation)
        expect(find("count")).toMatchObject([{ "oci.operation": tag, "oci.outcome": "Success", value: 1 }])
        expect(find("items")).toMatchObject(
          Operation.access(operation) === "list" ? [{ value: tag === "ListTags" ? 2 : 1 }] : []
        )
      })
  )

  const fields = Operation.errorFields(samples.operations.ResolveBlob)
  it.effect.each<{ name: string; base: Handler.Handler; labels: object }>([
    {
      name: "a failure, by its tag",
      base: samples.always(Effect.fail(new RegistryError.BlobUnknown(fields))),
      labels: { "oci.outcome": "Failure", "error.type": "OciBlobUnknown" }
    },
    {
      name: "an error of another package",
      base: samples.always(Effect.fail({ _tag: `Other${Math.PI}` } as never)),
      labels: { "oci.outcome": "Failure", "error.type": "_OTHER" }
    },
    {
      name: "a defect with any name",
      base: samples.always(Effect.die(Object.assign(new Error(), { name: "Any" }))),
      labels: { "oci.outcome": "Defect", "error.type": "_OTHER" }
    },
    { name: "an interruption", base: samples.always(Effect.interrupt), labels: { "oci.outcome": "Interrupted" } }
  ])("$name", ({ base, labels }) =>
    Effect.gen(function*() {
      const { find, handle } = measured(base)
      yield* Effect.exit(handle(samples.operations.ResolveBlob))
      expect(find("count")).toEqual([
        { "oci.operation": "ResolveBlob", ...labels, name: "oci.operation.count", unit: "{operation}", value: 1 }
      ])
      expect(find("io")).toEqual([])
    }))

  it.effect("counts the bytes of broken content that were read", () =>
    Effect.gen(function*() {
      const content = new BlobContent.BlobContent({
        ...samples.streamed,
        body: Body.stream(Stream.concat(Stream.make(samples.bytes.subarray(0, 5)), Stream.fail(broken)))
      })
      const { find, handle } = measured(Handler.override(samples.known, { GetBlob: () => Effect.succeed(content) }))
      yield* samples.answerOf(handle, samples.operations.GetBlob)
      expect(find("io")).toMatchObject([{ "error.type": "OciTransportError", value: 5 }])
    }))

  describe("operations in progress", () => {
    it.effect("counts an operation until it ends, with any outcome", () =>
      Effect.gen(function*() {
        const { active, handle } = measured(samples.always(Effect.never))
        const fibers = yield* Effect.replicateEffect(Effect.fork(handle(samples.operations.ResolveBlob)), 3)
        yield* TestClock.adjust("1 second")
        expect(active()).toEqual([3])
        yield* Fiber.interrupt(fibers[0]!)
        expect(active()).toEqual([2])
        yield* Fiber.interruptAll(fibers)
        expect(active()).toEqual([0])
      }))

    it.effect("counts content until its scope closes", () =>
      Effect.gen(function*() {
        const { active, handle } = measured(samples.suspended(samples.known))
        yield* Effect.scoped(Effect.gen(function*() {
          const { stream } = yield* handle(samples.operations.GetBlob)
          yield* Stream.runDrain(stream)
          expect(active()).toEqual([1])
        }))
        expect(active()).toEqual([0])
      }))

    it.effect("counts a list while its stream runs", () =>
      Effect.gen(function*() {
        const list = Stream.concat(Stream.make(samples.tag), Stream.never)
        const base = Handler.override(samples.known, { ListTags: () => Effect.suspend(() => Effect.succeed(list)) })
        const { active, handle } = measured(base)
        const tags = yield* handle(samples.operations.ListTags)
        expect(active()).toEqual([0])
        for (let run = 0; run < 2; run++) {
          const fiber = yield* Effect.fork(Stream.runDrain(tags))
          yield* TestClock.adjust("1 second")
          expect(active()).toEqual([1])
          yield* Fiber.interrupt(fiber)
          expect(active()).toEqual([0])
        }
      }))
  })

  describe("number of time series", () => {
    const names = ["a", "team/app", "team/base"].map((name) => RepositoryName.make(name))
    const askEach = (handle: Handler.Handler) =>
      Effect.forEach(names, (repository) =>
        handle(new Operation.ListTags({ repository })).pipe(
          Effect.flatMap(Stream.runDrain)
        ))

    it.effect("has no repository by default", () =>
      Effect.gen(function*() {
        const { find, handle } = measured(samples.known)
        yield* askEach(handle)
        expect(find("count")).toMatchObject([{ value: 3 }])
        expect(JSON.stringify(find("count"))).not.toContain("repository")
      }))

    it.effect("has groups of repositories", () =>
      Effect.gen(function*() {
        const { find, handle } = measured(samples.known, {
          repository: (name) => name.startsWith("team/") ? "team" : undefined
        })
        yield* askEach(handle)
        expect(Object.fromEntries(find("count").map(({ value, ...labels }) => [labels["oci.repository"], value])))
          .toEqual({ team: 2, undefined: 1 })
      }))

    it.effect("has the labels of the fiber, except for the gauge", () =>
      Effect.gen(function*() {
        const { find, handle } = measured(samples.suspended(samples.known))
        yield* Effect.tagMetrics(handle(samples.operations.GetManifest), "job", "nightly")
        yield* handle(samples.operations.GetManifest)
        expect(find("count")).toHaveLength(2)
        expect(find("count")).toContainEqual(expect.objectContaining({ job: "nightly", value: 1 }))
        expect(find("active")).toHaveLength(1)
      }))
  })

  it.effect("writes no secret as a label", () =>
    Effect.gen(function*() {
      const { handle, series } = measured(samples.known)
      for (const { fault } of secrets.faults) {
        const failing = measured(samples.always(fault))
        yield* Effect.forEach(secrets.uploads, (operation) => samples.answerOf(failing.handle, operation))
        expect(failing.series()).not.toEqual([])
        expect(JSON.stringify(failing.series())).not.toContain("CANARY")
      }
      for (const tag of samples.tags) yield* samples.answerOf(handle, samples.operations[tag])
      expect(JSON.stringify(series())).not.toContain("CANARY")
      expect(JSON.stringify(series())).not.toContain(repository)
    }))

  it("changes nothing", () => laws.same(Metrics.middleware(), (next) => next))
})
