import { Body, Digest } from "@effect-oci/core"
import type { Descriptor, Manifest, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import type * as Effect from "effect/Effect"

/** A blob that the program wrote. Its bytes are kept if they are few. */
export interface WrittenBlob {
  readonly size: number
  readonly bytes: Uint8Array | undefined
  /** The repository that the blob was mounted from. */
  readonly from: RepositoryName.RepositoryName | undefined
}

/** A manifest that the program wrote. */
export interface WrittenManifest {
  readonly manifest: Manifest.Manifest
  /** Its entry in the list of referrers of its subject. */
  readonly referrer: { readonly subject: Digest.Digest; readonly descriptor: Descriptor.Descriptor } | undefined
}

/** What the program wrote to a repository. `undefined` stands for what it deleted. */
export class RepositoryChanges {
  readonly blobs = new Map<Digest.Digest, WrittenBlob | undefined>()
  readonly manifests = new Map<Digest.Digest, WrittenManifest | undefined>()
  readonly tags = new Map<Tag.Tag, Digest.Digest | undefined>()

  /** Returns whether the repository exists because the program wrote to it. */
  get exists(): boolean {
    return this.blobs.size > 0 || this.manifests.size > 0
  }
}

/** The size up to which the bytes of a blob are kept, in bytes. */
const maxKept = 1024 * 1024

/** The content that an upload session has received. */
export class Received {
  readonly #hasher: Digest.Hasher
  #chunks: Array<Uint8Array> | undefined = []
  #size = 0

  constructor(
    readonly repository: RepositoryName.RepositoryName,
    readonly algorithm: Digest.Algorithm
  ) {
    this.#hasher = Digest.hasher(algorithm)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): Uint8Array | undefined {
    return this.#chunks && Body.concatBytes(this.#chunks, this.#size)
  }

  digest(): Digest.Digest {
    return this.#hasher.copy().digest()
  }

  /** Reads a body to its end. */
  receive(body: Body.Body): Effect.Effect<void, RegistryError.RegistryError> {
    return Body.forEachChunk(body, (chunk) => {
      this.#hasher.update(chunk)
      this.#size += chunk.byteLength
      if (this.#size > maxKept) this.#chunks = undefined
      // Copied, because the owner of the buffer may reuse it.
      this.#chunks?.push(chunk.slice())
    })
  }
}
