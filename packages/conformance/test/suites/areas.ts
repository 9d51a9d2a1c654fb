import { discovery } from "../../src/checks/discovery.js"
import { errors } from "../../src/checks/errors.js"
import { management } from "../../src/checks/management.js"
import { manifestTypes } from "../../src/checks/manifestTypes.js"
import { pull } from "../../src/checks/pull.js"
import { push } from "../../src/checks/push.js"
import { upload } from "../../src/checks/upload.js"
import * as blobDigests from "../../src/mutants/blobDigests.js"
import * as chunks from "../../src/mutants/chunks.js"
import * as dataSets from "../../src/mutants/dataSets.js"
import * as wrong from "../../src/mutants/errors.js"
import * as deletes from "../../src/mutants/management.js"
import * as types from "../../src/mutants/manifestTypes.js"
import * as mount from "../../src/mutants/mount.js"
import * as pulled from "../../src/mutants/pull.js"
import * as pushed from "../../src/mutants/push.js"
import * as ranges from "../../src/mutants/ranges.js"
import * as referrers from "../../src/mutants/referrers.js"
import * as tags from "../../src/mutants/tags.js"
import * as uploads from "../../src/mutants/upload.js"
import type { Area } from "./mutants.js"

/** Three, which are tested side by side. */
export const areas = {
  content: {
    mutants: [...pulled.pull, ...ranges.ranges, ...dataSets.dataSets, ...pushed.push, ...types.manifestTypes],
    checks: [...pull, ...push, ...manifestTypes]
  },
  uploads: {
    mutants: [...uploads.upload, ...blobDigests.blobDigests, ...chunks.chunks, ...mount.mount],
    checks: upload
  },
  lists: {
    mutants: [...tags.tags, ...referrers.referrers, ...deletes.management, ...wrong.errors],
    checks: [...discovery, ...management, ...errors]
  }
} satisfies { readonly [name: string]: Area }
