import { describe } from "@effect/vitest"
import type { MakeStores } from "../fixtures.js"
import { blobs } from "./blobs.js"
import { collector } from "./collector.js"
import { concurrency } from "./concurrency.js"
import { crashes } from "./crashes.js"
import { deletes } from "./deletes.js"
import { histories } from "./histories.js"
import { lists } from "./lists.js"
import { manifests } from "./manifests.js"
import { manifestTags } from "./manifestTags.js"
import { pull } from "./pull.js"
import { uploadLimits } from "./uploadLimits.js"
import { uploads } from "./uploads.js"

/** Runs the tests that every registry over two stores must pass. */
export const registrySuite = (name: string, makeStores: MakeStores) =>
  describe(`a registry over ${name}`, () => {
    pull(makeStores)
    blobs(makeStores)
    uploads(makeStores)
    uploadLimits(makeStores)
    manifests(makeStores)
    manifestTags(makeStores)
    deletes(makeStores)
    lists(makeStores)
    concurrency(makeStores)
    collector(makeStores)
    crashes(makeStores)
    histories(makeStores)
  })
