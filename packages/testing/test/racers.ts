import type { Digest, Middleware, Tag } from "@effect-oci/core"
import { Handler, Manifest, Operation, RegistryError } from "@effect-oci/core"
import { Effect, Stream } from "effect"

/** A registry that is not linearizable. */
export interface Racer {
  readonly name: string
  /** Whether the registry is linearizable for one client. */
  readonly alone: boolean
  /** `others` lets other clients run at the critical moment. */
  readonly middleware: (others: Effect.Effect<void>) => Middleware.Middleware
}

const keyOf = ({ reference, repository }: Operation.GetManifest) => `${repository}:${reference}`

/** Caches the manifests of tags. `empties` selects when a write removes its tags from the cache. */
const cached = (
  next: Handler.Handler,
  others: Effect.Effect<void>,
  empties: { readonly before?: boolean; readonly after?: boolean; readonly onDelete?: boolean }
) => {
  const manifests = new Map<string, Manifest.Manifest>()
  const empty = (operation: { readonly repository: string }, tags: ReadonlyArray<Tag.Tag>, when: boolean | undefined) =>
    Effect.sync(() => {
      if (when === true) { for (const tag of tags) manifests.delete(`${operation.repository}:${tag}`) }
    })
  return Handler.override(next, {
    GetManifest: (operation) =>
      Effect.suspend(() => {
        const known = manifests.get(keyOf(operation))
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(next(operation), (manifest) =>
          Effect.map(others, () => {
            manifests.set(keyOf(operation), manifest)
          }))
      }),
    PushManifest: (operation) =>
      empty(operation, operation.tags, empties.before).pipe(
        Effect.zipRight(Effect.suspend(() => next(operation))),
        Effect.zipLeft(empty(operation, operation.tags, empties.after))
      ),
    DeleteTag: (operation) => Effect.zipLeft(next(operation), empty(operation, [operation.tag], empties.onDelete)),
    DeleteManifest: (operation) =>
      Effect.zipLeft(
        next(operation),
        Effect.sync(() => {
          if (empties.onDelete === true) manifests.clear()
        })
      )
  })
}

const digestAt = (next: Handler.Handler, { repository }: Operation.PushManifest, tag: Tag.Tag) =>
  next(new Operation.ResolveManifest({ repository, reference: tag })).pipe(
    Effect.map(({ digest }): Digest.Digest | undefined => digest),
    // @effect-diagnostics-next-line effectSucceedWithVoid:off
    Effect.catchAll(() => Effect.succeed(undefined))
  )

/** Checks a condition of a push, and then pushes without it. */
const checking = (condition: "ifAbsent" | "ifMatch", name: string): Racer => ({
  name,
  alone: true,
  middleware: (others) => (next) =>
    Handler.override(next, {
      PushManifest: (operation) =>
        Operation.isConditional(operation) && operation[condition] !== undefined
          ? Effect.gen(function*() {
            const { descriptor } = yield* Manifest.make(operation)
            for (const tag of operation.tags) {
              const existing = yield* digestAt(next, operation, tag)
              if (existing !== operation.ifMatch && existing !== descriptor.digest) {
                return yield* new RegistryError.Denied(Operation.errorFields(operation))
              }
            }
            yield* others
            return yield* next(new Operation.PushManifest({ ...operation, [condition]: undefined }))
          })
          : next(operation)
    })
})

/** Pushes without a condition of the push. */
const ignoring = (condition: "ifAbsent" | "ifMatch"): Racer => ({
  name: `ignores ${condition}`,
  alone: false,
  middleware: () => (next) =>
    Handler.override(next, {
      PushManifest: (operation) => next(new Operation.PushManifest({ ...operation, [condition]: undefined }))
    })
})

export const racers: ReadonlyArray<Racer> = [
  {
    name: "never clears its cache",
    alone: false,
    middleware: (others) => (next) => cached(next, others, {})
  },
  {
    name: "does not clear its cache on a delete",
    alone: false,
    middleware: (others) => (next) => cached(next, others, { before: true, after: true })
  },
  {
    name: "clears its cache before a push, but not after it",
    alone: true,
    middleware: (others) => (next) => cached(next, others, { before: true, onDelete: true })
  },
  {
    name: "fills its cache with a manifest from before a push",
    alone: true,
    middleware: (others) => (next) => cached(next, others, { before: true, after: true, onDelete: true })
  },
  checking("ifAbsent", "checks that a tag is absent, and then pushes"),
  checking("ifMatch", "checks where a tag points, and then pushes"),
  {
    name: "answers a push before it is performed",
    alone: false,
    middleware: (others) => (next) =>
      Handler.override(next, {
        PushManifest: (operation) =>
          Effect.gen(function*() {
            const { descriptor } = yield* Manifest.make(operation)
            yield* Effect.forkDaemon(Effect.zipRight(others, Effect.ignore(next(operation))))
            return { ...descriptor, tags: operation.tags }
          })
      })
  },
  {
    name: "answers a delete before it is performed",
    alone: false,
    middleware: (others) => (next) =>
      Handler.override(next, {
        DeleteTag: (operation) =>
          Effect.gen(function*() {
            yield* next(new Operation.ResolveManifest({ repository: operation.repository, reference: operation.tag }))
            yield* Effect.forkDaemon(Effect.zipRight(others, Effect.ignore(next(operation))))
            return Operation.done
          })
      })
  },
  {
    name: "lists the tags of a manifest, and then deletes them",
    alone: true,
    middleware: (others) => (next) =>
      Handler.override(next, {
        DeleteManifest: (operation) =>
          Effect.gen(function*() {
            const { digest, repository } = operation
            yield* next(new Operation.ResolveManifest({ repository, reference: digest }))
            const tags = yield* Effect.flatMap(next(new Operation.ListTags({ repository })), Stream.runCollect)
            for (const tag of tags) {
              const { digest: current } = yield* next(new Operation.ResolveManifest({ repository, reference: tag }))
              yield* others
              if (current === digest) yield* Effect.ignore(next(new Operation.DeleteTag({ repository, tag })))
            }
            return yield* next(operation)
          })
      })
  },
  {
    name: "repeats its first list",
    alone: false,
    middleware: () => (next) => {
      const lists = new Map<string, Effect.Effect.Success<ReturnType<Handler.Row<"ListTags">>>>()
      return Handler.override(next, {
        ListTags: (operation) =>
          Effect.suspend(() => {
            const known = lists.get(operation.repository)
            return known !== undefined ? Effect.succeed(known) : Effect.tap(next(operation), (list) =>
              Effect.sync(() => {
                lists.set(operation.repository, list)
              }))
          })
      })
    }
  },
  ignoring("ifAbsent"),
  ignoring("ifMatch")
]
