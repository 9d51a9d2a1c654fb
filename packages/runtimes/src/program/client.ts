/** The client over `fetch`: what it pushes and pulls, its credentials, and how it finds registries. */
import * as Credential from "@effect-oci/auth/Credential"
import * as Credentials from "@effect-oci/auth/Credentials"
import * as Client from "@effect-oci/client/Client"
import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import { Registry } from "@effect-oci/core/Registry"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Resolver from "@effect-oci/resolver/Resolver"
import * as Copy from "@effect-oci/transfer/Copy"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { assert, type Check } from "./Check.js"
import * as content from "./content.js"

const connect = (host: string, options?: Partial<Client.Options & Client.TransportOptions>) =>
  Effect.map(Layer.build(Client.layer({ host, insecure: true, ...options })), Context.get(Registry))

const operations: Check = {
  name: "`client`: pushes, pulls, ranges, lists, referrers, deletes",
  quick: true,
  run: ({ settings }) =>
    Effect.gen(function*() {
      const registry = yield* connect(settings.registry)
      const repository = content.newRepository()
      const { descriptor } = yield* content.roundTrip(registry, repository, "0123456789")
      const { layer } = content.image("0123456789")
      const part = yield* Effect.scoped(Effect.flatMap(
        registry.getBlob(repository, layer.descriptor.digest, { range: ByteRange.slice(3, 3) }),
        ({ stream }) => Stream.mkString(Stream.decodeText(stream))
      ))
      assert(part === "345", `the range has the content ${part}`)
      const empty = new TextEncoder().encode("{}")
      const config = Descriptor.fromBytes(empty, MediaType.empty)
      const note = content.document(MediaType.image, {
        artifactType: "text/plain",
        config,
        layers: [],
        subject: descriptor
      })
      yield* registry.pushBlob(repository, config, Body.bytes(empty))
      yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: note.bytes, tags: [] })
      const referrers = yield* Stream.runCollect(registry.listReferrers(repository, descriptor.digest))
      assert([...referrers].map(({ digest }) => digest).join() === note.descriptor.digest, "wrong referrers")
      const tags = yield* Stream.runCollect(registry.listTags(repository))
      assert([...tags].join() === "v1", "wrong tags")
      yield* registry.deleteTag(repository, content.v1)
      const missing = yield* Effect.flip(registry.resolveManifest(repository, content.v1))
      assert(missing instanceof RegistryError.ManifestUnknown, `a deleted tag is ${missing._tag}`)
      yield* registry.deleteManifest(repository, descriptor.digest)
    })
}

const tokens: Check = {
  name: "`auth`: tokens for a user, and refusals",
  quick: true,
  run: ({ settings: { guarded, password, user } }) =>
    Effect.gen(function*() {
      const as = (password: string) =>
        Effect.provide(
          connect(guarded),
          Credentials.layerStatic({ [guarded]: Credential.basic(user, Redacted.make(password)) })
        )
      const repository = content.newRepository()
      yield* content.roundTrip(yield* as(password), repository, "for users only")
      for (const stranger of [yield* as("wrong"), yield* connect(guarded)]) {
        const refusal = yield* Effect.flip(stranger.getManifest(repository, content.v1))
        assert(refusal instanceof RegistryError.Unauthorized, `a stranger receives ${refusal._tag}`)
      }
    })
}

const redirects: Check = {
  name: "`client`: follows a redirect to another origin",
  quick: true,
  run: ({ settings }) =>
    Effect.gen(function*() {
      const repository = content.newRepository()
      yield* content.roundTrip(yield* connect(settings.registry), repository, "elsewhere")
      const registry = yield* connect(settings.redirecting, { allowPrivate: true })
      const { layer } = content.image("elsewhere")
      const text = yield* content.read(registry, repository, layer.descriptor.digest)
      assert(text === "elsewhere", "the blob has other content")
    })
}

const resolver: Check = {
  name: "`resolver`: a mirror first, then the registry itself",
  quick: true,
  run: ({ settings: { redirecting, registry } }) =>
    Effect.gen(function*() {
      const repository = content.newRepository()
      yield* content.roundTrip(yield* connect(registry), repository, "mirrored")
      const { layer } = content.image("mirrored")
      const text = yield* Effect.flatMap(Resolver.Resolver, (resolver) => resolver.registry("registry.test")).pipe(
        Effect.flatMap((found) => content.read(found, repository, layer.descriptor.digest)),
        Effect.provide(Resolver.layerHosts({
          hosts: {
            "registry.test": {
              origin: { host: registry },
              mirrors: [{ host: redirecting, path: "/missing" }]
            }
          }
        }))
      )
      assert(text === "mirrored", "the blob has other content")
    })
}

const copies: Check = {
  name: "`transfer`: copies an image to another repository",
  quick: true,
  run: ({ settings }) =>
    Effect.gen(function*() {
      const registry = yield* connect(settings.registry)
      const target = yield* connect(settings.registry)
      const repository = content.newRepository()
      const { descriptor } = yield* content.roundTrip(registry, repository, "copied")
      const copy = content.newRepository()
      yield* Copy.copy({ registry, repository, reference: content.v1 }, { registry: target, repository: copy })
      const found = yield* target.resolveManifest(copy, content.v1)
      assert(found.digest === descriptor.digest, "the copy has another digest")
    })
}

const pushLarge = (options: Partial<Client.Options>): Check["run"] => ({ settings }) =>
  Effect.flatMap(
    connect(settings.registry, options),
    (registry) => registry.pushBlob(content.newRepository(), settings.large, content.large)
  )

export const streamed: Check = {
  name: "`client`: pushes a stream of 512 MiB, in bounded memory",
  bounded: true,
  run: pushLarge({})
}

const chunked: Check = {
  name: "`client`: pushes a stream of 512 MiB with `chunkSize`, in bounded memory",
  bounded: true,
  run: pushLarge({ chunkSize: 4 * 1024 * 1024 })
}

const pulled: Check = {
  name: "`client`: pulls 512 MiB, in bounded memory",
  bounded: true,
  run: ({ settings: { large, registry } }) =>
    Effect.gen(function*() {
      const size = yield* Effect.scoped(Effect.flatMap(
        Effect.flatMap(connect(registry), (registry) => registry.getBlob(content.largeRepository, large.digest)),
        ({ stream }) => Stream.runFold(stream, 0, (sum, chunk) => sum + chunk.byteLength)
      ))
      assert(size === large.size, `${size} bytes arrived`)
    })
}

const inMemory: Check = {
  name: "`client`: pushes 4 MiB that are in memory",
  quick: true,
  run: ({ settings }) =>
    Effect.gen(function*() {
      const registry = yield* connect(settings.registry)
      const bytes = new Uint8Array(4 * 1024 * 1024).fill(7)
      const repository = content.newRepository()
      const descriptor = Descriptor.fromBytes(bytes, MediaType.layer)
      yield* registry.pushBlob(repository, descriptor, Body.bytes(bytes))
      const found = yield* registry.resolveBlob(repository, descriptor.digest)
      assert(found.size === bytes.byteLength, "another size arrived")
    })
}

const blake3: Check = {
  name: "`core`: loads blake3 when a digest needs it",
  quick: true,
  run: ({ settings }) =>
    Effect.gen(function*() {
      const registry = yield* connect(settings.registry)
      const repository = content.newRepository()
      // The digest of no bytes, from the test vectors of BLAKE3.
      const digest = Digest.make("blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
      yield* registry.pushBlob(
        repository,
        { mediaType: MediaType.layer, digest, size: 0 },
        Body.bytes(new Uint8Array(0))
      )
      assert((yield* content.read(registry, repository, digest)) === "", "the blob has content")
      assert(Digest.fromBytes(new Uint8Array(0), "blake3") === digest, "blake3 is wrong")
    })
}

export const checks = [operations, inMemory, redirects, streamed, chunked, pulled, tokens, resolver, copies, blake3]
