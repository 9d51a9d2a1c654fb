import { BlobPush, RegistryError } from "@effect-oci/core"
import type { Descriptor, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { Event } from "../Progress.js"
import { BlobUpload } from "./blobUpload.js"
import type * as blobUpload from "./blobUpload.js"

/** Options for copying blobs. */
export interface Options extends blobUpload.Options {
  /** The repositories of the target's registry that a blob may be mounted from. */
  readonly candidates: (blob: Descriptor.Descriptor) => ReadonlyArray<RepositoryName.RepositoryName>
}

/** How the target received, or would receive, a blob. */
export type Outcome = BlobPush.Result["_tag"]

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/** The maximum number of mounts to try for a blob. Each costs a request, and opens an upload session if it fails. */
const mostMounts = 3

const eventOf = (descriptor: Descriptor.Descriptor, result: BlobPush.Result): Event => {
  switch (result._tag) {
    case "Mounted":
      return Event.Mounted({ descriptor, from: result.from })
    case "Existed":
      return Event.Existed({ descriptor })
    case "Uploaded":
      return Event.Done({ descriptor })
  }
}

/** Ensures that the target has a blob: mounts it, finds it, or streams it. */
export const copy = (options: Options, blob: Descriptor.Descriptor): Answer<Outcome> => {
  const { progress, target: { registry, repository } } = options
  const report = (event: Event) => Effect.sync(() => progress?.report(event))
  return BlobPush.ensure(registry, repository, blob.digest, {
    mountFrom: options.candidates(blob).slice(0, mostMounts),
    upload: (opened) => new BlobUpload(options, blob, opened).run()
  }).pipe(
    Effect.tapBoth({
      onFailure: (error) => report(Event.Failed({ descriptor: blob, error })),
      onSuccess: (result) => report(eventOf(blob, result))
    }),
    Effect.map(({ _tag }) => _tag)
  )
}

/** Predicts the result for a blob without writing. */
export const predict = (
  { candidates, target: { registry, repository } }: Options,
  blob: Descriptor.Descriptor
): Answer<Outcome> =>
  Effect.gen(function*() {
    for (const from of candidates(blob).slice(0, mostMounts)) {
      const found = BlobPush.exists(registry, from, blob.digest)
      if (yield* Effect.catchIf(found, (error) => !RegistryError.isTransient(error), () => Effect.succeed(false))) {
        return "Mounted"
      }
    }
    return (yield* BlobPush.exists(registry, repository, blob.digest)) ? "Existed" : "Uploaded"
  })
