import { areas as checks } from "@effect-oci/conformance/Conformance"
import * as blobDigests from "../../src/internal/mutants/blobDigests.js"
import * as chunks from "../../src/internal/mutants/chunks.js"
import * as dataSets from "../../src/internal/mutants/dataSets.js"
import * as wrong from "../../src/internal/mutants/errors.js"
import * as deletes from "../../src/internal/mutants/management.js"
import * as types from "../../src/internal/mutants/manifestTypes.js"
import * as mount from "../../src/internal/mutants/mount.js"
import * as pulled from "../../src/internal/mutants/pull.js"
import * as pushed from "../../src/internal/mutants/push.js"
import * as ranges from "../../src/internal/mutants/ranges.js"
import * as referrers from "../../src/internal/mutants/referrers.js"
import * as tags from "../../src/internal/mutants/tags.js"
import * as uploads from "../../src/internal/mutants/upload.js"
import type { Area } from "./mutants.js"

/** Three, which are tested side by side. */
export const areas = {
  content: {
    mutants: [...pulled.pull, ...ranges.ranges, ...dataSets.dataSets, ...pushed.push, ...types.manifestTypes],
    checks: [...checks.pull, ...checks.push, ...checks.manifestTypes]
  },
  uploads: {
    mutants: [...uploads.upload, ...blobDigests.blobDigests, ...chunks.chunks, ...mount.mount],
    checks: checks.upload
  },
  lists: {
    mutants: [...tags.tags, ...referrers.referrers, ...deletes.management, ...wrong.errors],
    checks: [...checks.discovery, ...checks.management, ...checks.errors]
  }
} satisfies { readonly [name: string]: Area }
