import type { Digest, Middleware, Tag } from "@effect-oci/core"
import { Handler, Manifest, Operation, RegistryError } from "@effect-oci/core"
import { Effect, Stream } from "effect"

/** A registry that is not linearizable. */
export interface Racer {
  readonly name: string
  /** Whether it is, if no other client calls it. */
  readonly alone: boolean
  /** `others` is how long others have their turn while it is about to go wrong. */
  readonly middleware: (others: Effect.Effect<void>) => Middleware.Middleware
}

const keyOf = ({ reference, repository }: Operation.GetManifest) => `${repository}:${reference}`

/** A cache of the manifests that tags point at, and what empties it of a tag before and after each write. */
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

export const racers: ReadonlyArray<Racer> = [
  {
    name: "never empties its cache",
    alone: false,
    middleware: (others) => (next) => cached(next, others, {})
  },
  {
    name: "does not empty its cache when something is deleted",
    alone: false,
    middleware: (others) => (next) => cached(next, others, { before: true, after: true })
  },
  {
    name: "empties its cache before a push, and not after it",
    alone: true,
    middleware: (others) => (next) => cached(next, others, { before: true, onDelete: true })
  },
  {
    name: "fills its cache with what was there before a push that has emptied it",
    alone: true,
    middleware: (others) => (next) => cached(next, others, { before: true, after: true, onDelete: true })
  },
  {
    name: "looks whether a tag is absent, and then pushes",
    alone: true,
    middleware: (others) => (next) =>
      Handler.override(next, {
        PushManifest: (operation) =>
          operation.ifAbsent === true
            ? Effect.gen(function*() {
              const pushed = Manifest.make(operation)
              for (const tag of operation.tags) {
                const held = yield* digestAt(next, operation, tag)
                if (held !== undefined && (pushed._tag === "Left" || held !== pushed.right.descriptor.digest)) {
                  return yield* new RegistryError.Denied(Operation.errorFields(operation))
                }
              }
              yield* others
              return yield* next(new Operation.PushManifest({ ...operation, ifAbsent: false }))
            })
            : next(operation)
      })
  },
  {
    name: "answers a push before it is done",
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
    name: "answers a delete before it is done",
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
    name: "looks which tags a manifest has, and then deletes them",
    alone: true,
    middleware: (others) => (next) =>
      Handler.override(next, {
        DeleteManifest: (operation) =>
          Effect.gen(function*() {
            const { digest, repository } = operation
            yield* next(new Operation.ResolveManifest({ repository, reference: digest }))
            const tags = yield* Effect.flatMap(next(new Operation.ListTags({ repository })), Stream.runCollect)
            for (const tag of tags) {
              const { digest: held } = yield* next(new Operation.ResolveManifest({ repository, reference: tag }))
              yield* others
              if (held === digest) yield* Effect.ignore(next(new Operation.DeleteTag({ repository, tag })))
            }
            return yield* next(operation)
          })
      })
  },
  {
    name: "lists what it listed before",
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
  {
    name: "takes a push if absent for any other",
    alone: false,
    middleware: () => (next) =>
      Handler.override(next, {
        PushManifest: (operation) => next(new Operation.PushManifest({ ...operation, ifAbsent: undefined }))
      })
  }
]
