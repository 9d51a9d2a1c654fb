import * as Digest from "@effect-oci/core/Digest"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { Service } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { S3Error } from "../S3Error.js"
import type { Api, Multipart } from "./api.js"
import type { MakeBuffers } from "./buffers.js"
import * as failures from "./failures.js"
import * as names from "./names.js"
import type { Part } from "./partReader.js"
import * as parts from "./parts.js"
import type { Settings } from "./settings.js"

type Put = Parameters<Service["put"]>[0]
type Result = ReturnType<Service["put"]>
type PutFailure = Effect.Effect.Error<Result>

interface Sent {
  readonly size: number
  /** `undefined` if the part is the whole blob. */
  readonly etag: string | undefined
}

const bodyBroken = (cause: RegistryError) => new StoreError.BodyBroken({ appended: undefined, cause })

const failureOf = (error: S3Error): StoreError.DigestWrong | StoreError.Full | StoreError.Failed => {
  if (failures.isDigestWrong(error)) return new StoreError.DigestWrong()
  return failures.isFull(error) ? new StoreError.Full() : new StoreError.Failed({ cause: error })
}

/** Stores whole blobs: a small one with one call, a larger one in parts. */
export class Puts {
  constructor(
    private readonly api: Api,
    private readonly buffers: MakeBuffers,
    private readonly settings: Settings
  ) {}

  put({ body, digest, key }: Put): Result {
    const name = names.blob(key)
    const sha256 = digest !== undefined && Digest.algorithm(digest) === "sha256" ? Digest.encoded(digest) : undefined
    return Effect.flatMap(Effect.cached(this.api.createMultipartUpload(name)), (uploadId) => {
      let isMultipart = false
      const sendPart = (bytes: Uint8Array, index: number) =>
        Effect.suspend(() => {
          isMultipart = true
          return Effect.flatMap(uploadId, (uploadId) => this.api.uploadPart({ name, uploadId }, index + 1, bytes))
        })
      const send = ({ bytes, end }: Part, index: number): Effect.Effect<Sent, PutFailure> => {
        if (end?.error !== undefined) return Effect.fail(bodyBroken(end.error))
        const isWhole = index === 0 && end !== undefined
        const etag = isWhole ? Effect.asVoid(this.api.putObject(name, bytes, sha256)) : sendPart(bytes, index)
        return Effect.mapBoth(etag, {
          onFailure: failureOf,
          onSuccess: (etag) => ({ size: bytes.byteLength, etag: etag ?? undefined })
        })
      }
      const { concurrency, partSize } = this.settings
      const sent = parts.receive<Sent, PutFailure>({
        body,
        buffers: this.buffers,
        concurrency,
        sizeOfPart: () => partSize,
        send
      })
      const complete = (sent: ReadonlyArray<Sent>) => {
        const size = sent.reduce((sum, part) => sum + part.size, 0)
        const etags = sent.flatMap(({ etag }) => etag ?? [])
        return etags.length === 0
          ? Effect.succeed(size)
          : Effect.mapBoth(
            Effect.flatMap(uploadId, (uploadId) => completed(this.api, { name, uploadId }, etags, size)),
            { onFailure: failureOf, onSuccess: () => size }
          )
      }
      return Effect.ensuring(
        Effect.flatMap(sent, complete),
        // A call that creates a multipart upload may have taken effect twice.
        Effect.suspend(() => isMultipart ? Effect.ignore(this.api.abortMultipartUploads(name)) : Effect.void)
      )
    })
  }
}

/** Completes a multipart upload. If a call seems to fail, looks whether it took effect. */
const completed = (
  api: Api,
  multipart: Multipart,
  etags: ReadonlyArray<string>,
  size: number
): Effect.Effect<void, S3Error> =>
  Effect.catchAll(api.completeMultipartUpload(multipart, etags), (error) =>
    Effect.flatMap(
      api.headObject(multipart.name),
      (found) => found === size ? Effect.void : Effect.fail(error)
    ))
