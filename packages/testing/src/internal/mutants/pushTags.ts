import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Mutant } from "../../Mutant.js"
import { changed, changeResponses, existingTags, header, keyOf, refused, rows } from "./mutating.js"

const put = { method: "PUT", route: "Manifest" } as const

/** Rules 71 and 72: pushes set and move tags. */
export const pushTags: ReadonlyArray<Mutant> = [
  {
    id: "oci-tag-missing",
    name: "the tags that a push set are not returned",
    breaks: [71],
    wire: changeResponses(put, header("oci-tag", undefined))
  },
  {
    id: "tag-parameter-half",
    name: "of many tags in one push half are set, but all are returned",
    breaks: [71],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        operation.tags.length < 5
          ? next(operation)
          : Effect.map(next(changed(operation, { tags: operation.tags.slice(0, 5) })), (pushed) => ({
            ...pushed,
            tags: operation.tags
          }))
    }))
  },
  {
    id: "tag-moves-with-a-gap",
    name: "a tag that moves does not exist for a moment",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.gen(function*() {
          const { repository } = operation
          yield* Effect.forEach(yield* existingTags(next, operation), (tag) =>
            next(new Operation.DeleteTag({ repository, tag })))
          yield* Effect.yieldNow()
          yield* Effect.yieldNow()
          return yield* next(operation)
        })
    }))
  },
  {
    id: "tag-moves-by-half",
    name: "HEAD of a moved tag still returns the old manifest",
    breaks: [72],
    middleware: rows((next) => {
      const first = new Map<string, Operation.TagOrDigest>()
      return {
        PushManifest: (operation) =>
          Effect.tap(next(operation), ({ digest }) =>
            Effect.sync(() => {
              for (const tag of operation.tags) {
                if (!first.has(keyOf(operation, tag))) first.set(keyOf(operation, tag), digest)
              }
            })),
        ResolveManifest: (operation) =>
          next(
            new Operation.ResolveManifest({
              ...operation,
              reference: first.get(keyOf(operation, operation.reference)) ?? operation.reference
            })
          )
      }
    })
  },
  {
    id: "tag-stays",
    name: "a tag that is pushed again does not move, but the push succeeds",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.flatMap(existingTags(next, operation), (taken) =>
          Effect.map(
            next(changed(operation, { tags: operation.tags.filter((tag) => !taken.includes(tag)) })),
            (pushed) => ({ ...pushed, tags: operation.tags })
          ))
    }))
  },
  {
    id: "tag-moves-and-deletes",
    name: "the old manifest is deleted when a tag moves",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.gen(function*() {
          const { repository } = operation
          const before = yield* Effect.forEach(yield* existingTags(next, operation), (reference) =>
            next(new Operation.ResolveManifest({ repository, reference })))
          const pushed = yield* next(operation)
          const left = before.filter(({ digest }) =>
            digest !== pushed.digest
          )
          yield* Effect.forEach(left, ({ digest }) =>
            Effect.ignore(next(new Operation.DeleteManifest({ repository, digest }))))
          return pushed
        })
    }))
  },
  {
    id: "one-tag-a-manifest",
    name: "a manifest keeps only its last tag",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.gen(function*() {
          const { repository, tags } = operation
          const pushed = yield* next(operation)
          const all = yield* Stream.runCollect(yield* next(new Operation.ListTags({ repository })))
          for (const tag of all) {
            const { digest } = yield* next(new Operation.ResolveManifest({ repository, reference: tag }))
            if (digest === pushed.digest && !tags.includes(tag)) {
              yield* next(new Operation.DeleteTag({ repository, tag }))
            }
          }
          return pushed
        })
    }))
  },
  {
    id: "if-absent-ignored",
    name: "If-None-Match is ignored, and the tag moves",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) => next(changed(operation, { ifAbsent: undefined }))
    }))
  },
  {
    id: "if-absent-refused",
    name: "a push with If-None-Match is always refused",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        operation.ifAbsent === true ? refused(RegistryError.Denied, operation) : next(operation)
    }))
  },
  {
    id: "if-match-ignored",
    name: "If-Match is ignored, and the tag moves",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) => next(changed(operation, { ifMatch: undefined }))
    }))
  },
  {
    id: "if-match-refused",
    name: "a push with If-Match is always refused",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        operation.ifMatch !== undefined ? refused(RegistryError.Denied, operation) : next(operation)
    }))
  },
  {
    id: "if-match-creates",
    name: "a push with If-Match creates a tag",
    breaks: [72],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        Effect.flatMap(
          existingTags(next, operation),
          (existing) => next(existing.length === 0 ? changed(operation, { ifMatch: undefined }) : operation)
        )
    }))
  }
]
