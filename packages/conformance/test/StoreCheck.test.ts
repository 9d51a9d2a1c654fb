import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BlobStoreSuite from "../src/BlobStoreSuite.js"
import * as MetadataStoreSuite from "../src/MetadataStoreSuite.js"
import * as StoreSuite from "../src/StoreSuite.js"

describe("a check of a store", () => {
  it("has a name of its own", () => {
    const names = [BlobStoreSuite.all, MetadataStoreSuite.all, StoreSuite.all].flatMap((suite) =>
      suite.map(({ name }) => name)
    )
    expect(new Set(names).size).toBe(names.length)
  })

  const timed = MetadataStoreSuite.all.filter(({ name }) => /^expireUploads|^each claim/.test(name))

  it.each(timed)("runs with the clock of the store: $name", ({ run }) =>
    Effect.runPromise(run({
      make: Effect.sync(() => Memory.layerMetadataStore()),
      time: { unit: "200 millis", pass: Effect.sleep }
    })))

  it("reports the last call of the store", async () => {
    const [check] = BlobStoreSuite.all
    const violation = await Effect.runPromise(Effect.flip(check!.run({ make: Effect.fail("no disk") })))
    expect(violation.message).toBe(`opening the store: expected success, got the error "no disk"`)
  })
})
