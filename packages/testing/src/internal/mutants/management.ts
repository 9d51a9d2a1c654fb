import type * as Digest from "@effect-oci/core/Digest"
import type { Handler } from "@effect-oci/core/Handler"
import type * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Mutant } from "../../Mutant.js"
import { changeResponses, items, refused, routeOf, rows, status } from "./mutating.js"

const done = Effect.succeed(Operation.done)

/** Refuses all writes, except the given ones. */
const readOnlyBut = (isTaken: (operation: Operation.Operation) => boolean) => (next: Handler): Handler => (operation) =>
  Operation.isRead(operation) || isTaken(operation) ? next(operation) : refused(RegistryError.Unsupported, operation)

/** Rules 95 to 97: deletes. */
export const management: ReadonlyArray<Mutant> = [
  {
    id: "push-accepted",
    name: "the registry declares that it is read-only, but accepts pushes",
    breaks: [95],
    capabilities: { push: false }
  },
  {
    id: "delete-tag-accepted",
    name: "the registry is read-only, but deletes tags (CVE-2026-41888)",
    breaks: [95],
    capabilities: { push: false },
    middleware: readOnlyBut(({ _tag }) => _tag === "DeleteTag")
  },
  {
    id: "mount-accepted",
    name: "the registry is read-only, but mounts blobs",
    breaks: [95],
    capabilities: { push: false },
    middleware: readOnlyBut(({ _tag }) => _tag === "MountBlob")
  },
  {
    id: "delete-ok",
    name: "DELETE returns 200",
    breaks: [95, 96, 97],
    wire: changeResponses({ method: "DELETE", status: 202 }, status(200))
  },
  {
    id: "delete-tag-ignored",
    name: "a deleted tag still exists",
    breaks: [95],
    middleware: rows(() => ({ DeleteTag: () => done }))
  },
  {
    id: "delete-tag-takes-manifest",
    name: "DELETE of a tag deletes its manifest",
    breaks: [95],
    middleware: rows((next) => ({
      DeleteTag: ({ repository, tag: reference }) =>
        Effect.flatMap(
          next(new Operation.ResolveManifest({ repository, reference })),
          ({ digest }) => next(new Operation.DeleteManifest({ repository, digest }))
        )
    }))
  },
  {
    id: "delete-tag-takes-tags",
    name: "DELETE of a tag deletes all other tags",
    breaks: [95],
    middleware: rows((next) => ({
      DeleteTag: (operation) =>
        Effect.gen(function*() {
          const { repository } = operation
          const done = yield* next(operation)
          const others = yield* Stream.runCollect(yield* next(new Operation.ListTags({ repository })))
          yield* Effect.forEach(others, (tag) => next(new Operation.DeleteTag({ repository, tag })))
          return done
        })
    }))
  },
  {
    id: "delete-tag-missing-accepted",
    name: "DELETE of an unknown tag succeeds",
    breaks: [95],
    wire: changeResponses(
      { method: "DELETE", route: "Manifest", status: 404, where: ({ path }) => !path.includes(":") },
      status(202)
    )
  },
  {
    id: "delete-listed",
    name: "deleted tags are still listed",
    breaks: [95, 96],
    wire: (send) => {
      const pushed = new Map<string, Set<string>>()
      return (sent) => {
        const route = routeOf(sent)
        if (sent.method === "PUT" && route?._tag === "Manifest" && !route.reference.includes(":")) {
          pushed.set(route.name, new Set(pushed.get(route.name)).add(route.reference))
        }
        const all = route?._tag === "Tags" ? pushed.get(route.name) ?? [] : []
        return changeResponses(
          { method: "GET", route: "Tags", status: 200, where: ({ path }) => !path.includes("?") },
          items("tags", () => [...all].sort())
        )(send)(sent)
      }
    }
  },
  {
    id: "delete-manifest-ignored",
    name: "a deleted manifest still exists",
    breaks: [96],
    middleware: rows(() => ({ DeleteManifest: () => done }))
  },
  {
    id: "delete-manifest-leaves-tags",
    name: "the tags of a deleted manifest still exist",
    breaks: [96],
    middleware: rows((next) => {
      const tagged = new Map<string, Manifest.Manifest>()
      const left = (operation: Operation.GetManifest | Operation.ResolveManifest) =>
        tagged.get(`${operation.repository}:${operation.reference}`)
      return {
        PushManifest: (operation) =>
          Effect.tap(
            next(operation),
            ({ digest }) =>
              Effect.forEach(operation.tags, (tag) =>
                Effect.map(next(new Operation.GetManifest({ ...operation, reference: digest })), (manifest) =>
                  tagged.set(`${operation.repository}:${tag}`, manifest)))
          ),
        DeleteTag: (operation) => {
          tagged.delete(`${operation.repository}:${operation.tag}`)
          return next(operation)
        },
        GetManifest: (operation) =>
          Effect.catchTag(next(operation), "OciManifestUnknown", (error) => {
            const manifest = left(operation)
            return manifest === undefined ? Effect.fail(error) : Effect.succeed(manifest)
          }),
        ResolveManifest: (operation) =>
          Effect.catchTag(next(operation), "OciManifestUnknown", (error) => {
            const manifest = left(operation)
            return manifest === undefined ? Effect.fail(error) : Effect.succeed(manifest.descriptor)
          })
      }
    })
  },
  {
    id: "delete-manifest-missing-accepted",
    name: "DELETE of an unknown manifest succeeds",
    breaks: [96],
    wire: changeResponses(
      { method: "DELETE", route: "Manifest", status: 404, where: ({ path }) => path.includes(":") },
      status(202)
    )
  },
  {
    id: "manifest-buried",
    name: "a deleted manifest cannot be pushed again",
    breaks: [96],
    middleware: rows((next) => {
      const buried = new Set<string>()
      return {
        DeleteManifest: (operation) =>
          Effect.tap(
            next(operation),
            () => Effect.sync(() => buried.add(`${operation.repository}@${operation.digest}`))
          ),
        PushManifest: (operation) =>
          Effect.flatMap(
            next(operation),
            (pushed) =>
              buried.has(`${operation.repository}@${pushed.digest}`)
                ? refused(RegistryError.Denied, operation)
                : Effect.succeed(pushed)
          )
      }
    })
  },
  {
    id: "delete-blob-ignored",
    name: "a deleted blob still exists",
    breaks: [97],
    middleware: rows(() => ({ DeleteBlob: () => done }))
  },
  {
    id: "delete-blob-everywhere",
    name: "DELETE of a blob deletes the blob in all repositories",
    breaks: [97],
    middleware: rows((next) => {
      const owners = new Map<Digest.Digest, Set<RepositoryName>>()
      return {
        CompleteUpload: (operation) =>
          Effect.tap(
            next(operation),
            ({ digest }) => Effect.sync(() => owners.set(digest, new Set(owners.get(digest)).add(operation.repository)))
          ),
        DeleteBlob: (operation) =>
          Effect.tap(
            next(operation),
            () =>
              Effect.forEach(owners.get(operation.digest) ?? [], (repository) =>
                Effect.ignore(next(new Operation.DeleteBlob({ ...operation, repository }))))
          )
      }
    })
  },
  {
    id: "delete-blob-missing-accepted",
    name: "DELETE of an unknown blob succeeds",
    breaks: [97],
    wire: changeResponses({ method: "DELETE", route: "Blob", status: 404 }, status(202))
  },
  {
    id: "blob-buried",
    name: "a deleted blob cannot be pushed again",
    breaks: [97],
    middleware: rows((next) => {
      const buried = new Set<string>()
      return {
        DeleteBlob: (operation) =>
          Effect.tap(
            next(operation),
            () => Effect.sync(() => buried.add(`${operation.repository}@${operation.digest}`))
          ),
        CompleteUpload: (operation) =>
          buried.has(`${operation.repository}@${operation.digest}`)
            ? refused(RegistryError.Denied, operation)
            : next(operation)
      }
    })
  }
]
