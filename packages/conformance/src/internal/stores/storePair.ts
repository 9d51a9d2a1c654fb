import * as Descriptor from "@effect-oci/core/Descriptor"
import type { Registry } from "@effect-oci/core/Registry"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import type { BlobStore } from "@effect-oci/store/BlobStore"
import type { MetadataStore } from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as TestServices from "effect/TestServices"
import { bytesOf } from "../../Fixtures.js"
import type { StoreCheck } from "../../StoreCheck.js"
import { chunkSize } from "./blobBytes.js"
import { movingUploads } from "./movingUploads.js"
import { grace, pairCheck, running } from "./pair.js"
import type { Stores } from "./pair.js"
import { imageOf, pullsBlob, pushBlob, scenario } from "./registryScenario.js"
import { repository, upTo } from "./samples.js"
import { equal, intercept, mismatch, returns } from "./subject.js"
import type { Subject } from "./subject.js"

/** Lets time pass in which the collector runs `times` times. A store that does not block needs a moment for each. */
const collects = ({ pass, testClock }: Subject, times: number) =>
  testClock
    ? Effect.repeatN(Effect.zipRight(pass(16), TestServices.provideLive(Effect.sleep("3 millis"))), times - 1)
    : Effect.void

/** Waits until the collector has removed what nothing refers to, and expects that no other bytes are left. */
const leavesNoGarbage = (stores: Stores, subject: Subject) => {
  const nothingIsLeft = Effect.gen(function*() {
    yield* collects(subject, 5)
    const known = new Set((yield* stores.metadata.inspectBlobs(undefined, 5000)).map(({ key }) => key))
    const stored = yield* stores.blobs.list(undefined, 5000)
    yield* equal(stored.filter(({ key }) => !known.has(key)), [])
    yield* returns(stores.blobs.listUploads(undefined, 10), [])
  })
  return subject.testClock ? running(stores, subject, () => Effect.retry(nothingIsLeft, { times: 20 })) : Effect.void
}

const faults = ["fails", "takes effect unconfirmed", "is the last before a crash", "is prevented by a crash"] as const

/** Matches the commands of a metadata store, which may take effect without a confirmation. */
const isCommand = /^(?!find|resolve|get|list|inspect|unknown)/

/** Returns the same stores, whose `k`-th call goes wrong. After a crash, no call reaches the stores. */
const faulty = ({ blobs, metadata }: Stores, fault: typeof faults[number], k: number) => {
  let calls = 0
  const crash = Effect.die("the process crashed")
  const wrong = (name: string, call: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> => {
    if (fault === "fails") return Effect.fail(new StoreError.Failed({ cause: "the store failed" }))
    if (fault === "is prevented by a crash") return crash
    if (fault === "is the last before a crash") return Effect.zipRight(call, crash)
    const unconfirmed = Effect.fail(new StoreError.OutcomeUnknown({ cause: "the connection broke" }))
    return name in metadata && isCommand.test(name) ? Effect.zipRight(call, unconfirmed) : call
  }
  const change = <Service extends object>(service: Service): Service =>
    intercept(() => service, (name, call) => {
      calls++
      if (calls === k) return wrong(name, call)
      return calls > k && fault.endsWith("crash") ? crash : call
    })
  return { stores: { blobs: change(blobs), metadata: change(metadata) }, fired: () => calls >= k }
}

const crashes = faults.map((fault) =>
  pairCheck(`loses nothing that was acknowledged if a call ${fault}, and repeats the push`, function*(stores, subject) {
    const chunk = chunkSize(stores.blobs)
    for (let k = 1, fired = true; fired; k++) {
      const name = RepositoryName.make(`team/app${k}`)
      const on = (registry: Registry.Service) => scenario(registry, name, chunk)
      yield* running(stores, subject, (registry) => on(registry).prepare)
      const broken = faulty(stores, fault, k)
      let acknowledged = 0
      const pushed = running(broken.stores, subject, (registry) =>
        Effect.gen(function*() {
          for (const [run] of on(registry).steps) {
            yield* run
            acknowledged++
          }
          // The calls of the collector go wrong too.
          yield* collects(subject, 3)
        }))
      yield* Effect.exit(pushed)
      fired = broken.fired()
      if (!fired && acknowledged < 5) yield* mismatch("success without a fault", "a failure")
      if (fault.endsWith("crash")) yield* subject.reopen
      yield* running(stores, subject, (registry) => {
        const { isWhole, steps } = on(registry)
        return Effect.all([
          isWhole,
          ...steps.slice(0, acknowledged).map(([, holds]) => holds),
          ...steps.map(([run]) => run),
          ...steps.map(([, holds]) => holds)
        ])
      })
    }
    yield* leavesNoGarbage(stores, subject)
  })
)

/** What two stores promise together, as the stores of a registry. */
export const storePair: ReadonlyArray<StoreCheck<BlobStore | MetadataStore>> = [
  ...crashes,
  ...movingUploads,
  pairCheck("keeps blobs that a caller found, until its push, while the collector runs", function*(stores, subject) {
    const images = upTo(20).map((n) => ({ tag: Tag.make(`v${n}`), layer: bytesOf(`layer ${n}`) }))
    const blobs = [bytesOf("config"), ...images.map(({ layer }) => layer)]
    const pullAll = (registry: Registry.Service) =>
      Effect.all([
        ...images.map(({ tag }) => registry.getManifest(repository, tag)),
        ...blobs.map((content) => pullsBlob(registry, repository, content))
      ])
    yield* running(stores, subject, (registry) =>
      Effect.gen(function*() {
        for (const content of blobs) yield* pushBlob(registry, repository, content)
        yield* subject.pass(grace - 1)
        for (const content of blobs) {
          yield* registry.resolveBlob(repository, Descriptor.fromBytes(content).digest)
        }
        yield* subject.pass(grace - 3)
        const pushes = images.map(({ layer, tag }) =>
          registry.pushManifest(repository, { ...imageOf(bytesOf("config"), layer), tags: [tag] })
        )
        yield* Effect.all([Effect.repeatN(subject.pass(1), 15), ...pushes], { concurrency: 8 })
        yield* pullAll(registry)
      }))
    yield* leavesNoGarbage(stores, subject)
    yield* running(stores, subject, pullAll)
  })
]
