import { BlobPush, Digest, Handler, Operation, Registry, RegistryError, RepositoryName } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const to = RepositoryName.make("team/app")
const [first, second] = [RepositoryName.make("one/app"), RepositoryName.make("two/app")]
const digest = Digest.fromBytes(new Uint8Array(3))
const opened = { id: "session", offset: 0 }

/** A registry that answers mounts and reads of blobs as given, and records the operations that it receives. */
const registryOf = (
  mount: (from: string | undefined) => Effect.Effect<Operation.Mounted | Operation.UploadStarted, RegistryError.Denied>
) => {
  const received: Array<string> = []
  const registry = Registry.fromHandler(Handler.override(
    () => Effect.fail(new RegistryError.BlobUnknown({})),
    {
      MountBlob: ({ from }) => {
        received.push(`mount ${from}`)
        return mount(from)
      },
      ResolveBlob: () => {
        received.push("resolve")
        return Effect.fail(new RegistryError.BlobUnknown({}))
      },
      CancelUpload: ({ id }) => {
        received.push(`cancel ${id}`)
        return Effect.succeed(Operation.done)
      }
    }
  ))
  const ensure = BlobPush.ensure(registry, to, digest, {
    mountFrom: [first, second],
    upload: (upload) => Effect.sync(() => received.push(`upload ${upload?.id}`))
  })
  return { ensure, received }
}

describe("BlobPush.ensure", () => {
  it.effect("mounts the blob from the first repository that allows it, and sends nothing", () =>
    Effect.gen(function*() {
      const { ensure, received } = registryOf((from) =>
        from === second
          ? Effect.succeed(new Operation.Mounted({ digest }))
          : Effect.succeed(new Operation.UploadStarted({ upload: opened }))
      )
      expect(yield* ensure).toEqual({ _tag: "Mounted", from: second })
      expect(received).toEqual(["mount one/app", "cancel session", "mount two/app"])
    }))

  it.effect("uploads to the session that the registry opened instead of a mount", () =>
    Effect.gen(function*() {
      const { ensure, received } = registryOf(() => Effect.succeed(new Operation.UploadStarted({ upload: opened })))
      expect(yield* ensure).toEqual({ _tag: "Uploaded" })
      expect(received).toEqual(["mount one/app", "cancel session", "mount two/app", "upload session"])
    }))

  it.effect("asks for the blob before it uploads, if the registry refuses to mount", () =>
    Effect.gen(function*() {
      const { ensure, received } = registryOf(() => Effect.fail(new RegistryError.Denied({})))
      expect(yield* ensure).toEqual({ _tag: "Uploaded" })
      expect(received).toEqual(["mount one/app", "mount two/app", "resolve", "upload undefined"])
    }))
})
