import type { Sent } from "@effect-oci/conformance/Target"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import { changeResponses, error, header, queryOf, rows, status } from "./mutating.js"
const start = { method: "POST", route: "Uploads" } as const

const isMount = (sent: Sent) => queryOf(sent).has("mount")

const withoutLocation = header("location", undefined)

/** Rules 50 to 55: mounts of blobs from other repositories. */
export const mount: ReadonlyArray<Mutant> = [
  {
    id: "mount-lost",
    name: "a mount returns 201, but the blob does not exist",
    breaks: [50, 52],
    middleware: rows(() => ({
      MountBlob: ({ digest }) => Effect.succeed(new Operation.Mounted({ digest }))
    }))
  },
  {
    id: "mount-moves",
    name: "a mount removes the blob from the source repository",
    breaks: [50],
    middleware: rows((next) => ({
      MountBlob: (operation) =>
        Effect.tap(next(operation), ({ _tag }) =>
          _tag === "Mounted" && operation.from !== undefined
            ? next(new Operation.DeleteBlob({ ...operation, repository: operation.from }))
            : Effect.void)
    }))
  },
  {
    id: "mount-borrows",
    name: "a mounted blob is deleted together with its source",
    breaks: [55],
    middleware: rows((next) => {
      const borrowers = new Map<string, RepositoryName>()
      return {
        MountBlob: (operation) =>
          Effect.tap(
            next(operation),
            () => Effect.sync(() => borrowers.set(`${operation.from}@${operation.digest}`, operation.repository))
          ),
        DeleteBlob: (operation) =>
          Effect.tap(next(operation), () => {
            const repository = borrowers.get(`${operation.repository}@${operation.digest}`)
            return repository === undefined
              ? Effect.void
              : Effect.ignore(next(new Operation.DeleteBlob({ ...operation, repository })))
          })
      }
    })
  },
  {
    id: "mount-location-missing",
    name: "a mount returns 201 without a Location",
    breaks: [50],
    wire: changeResponses({ ...start, status: 201, where: isMount }, withoutLocation)
  },
  {
    id: "mount-upload-location-missing",
    name: "an impossible mount returns 202 without a Location",
    breaks: [51, 54],
    wire: changeResponses({ ...start, status: 202, where: isMount }, withoutLocation)
  },
  {
    id: "mount-never-nor-upload",
    name: "a mount returns 202 and a Location that is not an upload session",
    breaks: [50, 51, 52],
    wire: changeResponses(
      { ...start, status: [201, 202], where: isMount },
      status(202),
      header("location", (_, { sent }) => `${sent.path.split("?")[0]}00000000-0000-4000-8000-000000000000`)
    )
  },
  {
    id: "mount-missing-refused",
    name: "a mount of an unknown blob returns 404",
    breaks: [51, 54],
    wire: changeResponses({ ...start, status: 202, where: isMount }, error(404, "BLOB_UNKNOWN"))
  },
  {
    id: "mount-from-anywhere",
    name: "a mount does not check whether the source repository has the blob",
    breaks: [53],
    middleware: rows((next) => ({
      MountBlob: (operation) => next(new Operation.MountBlob({ ...operation, from: undefined }))
    }))
  },
  {
    id: "mount-malformed-fails",
    name: "a mount of a malformed digest returns 500",
    breaks: [54],
    wire: changeResponses({ ...start, status: 400, where: isMount }, error(500, "UNKNOWN"))
  },
  {
    id: "mount-malformed-opens",
    name: "a mount of a malformed digest opens an upload session",
    breaks: [54],
    wire: changeResponses({ ...start, status: 400, where: isMount }, status(202))
  }
]
