/** Looks into the directory of a registry that no process has open. Prints what it found. Collects first with `sweep`. */
import { Durable } from "@effect-oci/durable"
import { Collector, Scrub } from "@effect-oci/store"
import { MetadataStore } from "@effect-oci/store/MetadataStore"
import type { Clock } from "effect"
import { Effect, Stream } from "effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import type { Findings } from "../soak/inspect.js"

const [directory = "", sweep, grace = "0"] = process.argv.slice(2)

/** Lets the registry take all bytes without metadata for old. */
const twoHoursLater = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.clockWith((clock) => {
    const ahead = 2 * 3_600_000
    const later: Clock.Clock = {
      ...clock,
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + ahead,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (millis) => millis + ahead),
      sleep: (duration) => clock.sleep(duration)
    }
    return Effect.withClock(effect, later)
  })

const filesIn = (name: string) =>
  readdirSync(join(directory, name), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length

const inspect = Effect.gen(function*() {
  if (sweep === "sweep") yield* Collector.collect({ grace: Number(grace), untagged: "delete" })
  const findings = yield* Stream.runCollect(Scrub.findings())
  const blobs = yield* Effect.flatMap(MetadataStore, (metadata) => metadata.inspectBlobs(undefined, 1_000_000))
  return {
    findings: Array.from(findings, (finding) => JSON.stringify(finding)),
    uploads: filesIn("uploads"),
    unnamed: filesIn("blobs") - blobs.length
  } satisfies Findings
})

await (sweep === "sweep" ? twoHoursLater(inspect) : inspect).pipe(
  Effect.provide(Durable.layerStores({ directory })),
  Effect.map((found) => process.stdout.write(JSON.stringify(found))),
  Effect.runPromise
)
