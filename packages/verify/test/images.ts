/** Shared by the tests of this package: images, what is attached to them, and signatures by real programs. */
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { Digest } from "@effect-oci/core"
import { Effect } from "effect"

export const repository = RepositoryName.make("team/app")

export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

export const pushBlob = (bytes: Uint8Array, mediaType: string) =>
  Effect.flatMap(Registry, (registry) => {
    const descriptor = Descriptor.fromBytes(bytes, mediaType)
    return Effect.as(registry.pushBlob(repository, descriptor, Body.bytes(bytes)), descriptor)
  })

const pushManifest = (mediaType: string, document: object, tags: ReadonlyArray<string>) =>
  Effect.flatMap(Registry, (registry) => {
    const bytes = json({ schemaVersion: 2, mediaType, ...document })
    const pushed = registry.pushManifest(repository, { mediaType, bytes, tags: tags.map((tag) => Tag.make(tag)) })
    return Effect.as(pushed, Descriptor.fromBytes(bytes, mediaType))
  })

/** Pushes an image. The title makes each image different. */
export const image = (title: string, ...tags: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const config = yield* pushBlob(json({}), MediaType.imageConfig)
    const layer = yield* pushBlob(json({ title }), MediaType.layer)
    return yield* pushManifest(MediaType.image, { config, layers: [layer], annotations: { title } }, tags)
  })

export const index = (manifests: ReadonlyArray<Descriptor.Descriptor>, ...tags: ReadonlyArray<string>) =>
  pushManifest(MediaType.index, { manifests }, tags)

/** Pushes an artifact with one layer: a referrer of a subject, or under a tag. */
export const attach = (
  content: Uint8Array,
  mediaType: string,
  to: { readonly subject: Descriptor.Descriptor; readonly artifactType?: string } | { readonly tag: string },
  annotations?: { readonly [key: string]: string }
) =>
  Effect.gen(function*() {
    const config = yield* pushBlob(json({}), MediaType.empty)
    const layer = { ...yield* pushBlob(content, mediaType), annotations: annotations ?? {} }
    if ("tag" in to) return yield* pushManifest(MediaType.image, { config, layers: [layer] }, [to.tag])
    const { artifactType = mediaType, subject } = to
    return yield* pushManifest(MediaType.image, { artifactType, config, layers: [layer], subject }, [])
  })

export const cosignTag = (digest: Digest.Digest, ending = "sig"): string => `${digest.replace(":", "-")}.${ending}`

/** A signature that was made with cosign: the payload, and the signature in the annotation of its layer. */
export interface Vector {
  readonly reference: string
  readonly digest: string
  readonly signature: string
  readonly publicKey: string
}

/** The bytes that cosign signs. */
export const payload = ({ digest, reference }: Pick<Vector, "digest" | "reference">): Uint8Array =>
  json({
    critical: {
      identity: { "docker-reference": reference },
      image: { "docker-manifest-digest": digest },
      type: "cosign container image signature"
    },
    optional: null
  })

/** The signature of an image that the Dangerzone project published, made with a key in hardware. */
export const dangerzone: Vector = {
  reference: "ghcr.io/freedomofpress/dangerzone/v1",
  digest: "sha256:7396780b5862cf8b37527854a2a2331e5c746b6a71aa1f424258c3bfaf3a1bd7",
  signature: "MEQCIAQScnT03MVfmxjYyW5qAmvQ6TSoukPuw0HmSVlMBwYEAiAzGb76cvDb4CHJ+H6tD00bW1Sh1CK6opaRmI2ist4p2A==",
  publicKey: `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3CUlnwh825Z5wQAJV6TekEi6bCK2
YvAg7A+aeerM5hvc4CCCJFBae5AjnsjGHv4V/3xzssck6e51W+b0jU4qVw==
-----END PUBLIC KEY-----
`
}

/** A signature by cosign that sigstore-rs also tests with. */
export const busybox: Vector = {
  reference: "registry-testing.svc.lan/busybox",
  digest: "sha256:f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b",
  signature: "MEUCIQD6q/COgzOyW0YH1Dk+CCYSt4uAhm3FDHUwvPI55zwnlwIgE0ZK58ZOWpZw8YVmBapJhBqCfdPekIknimuO0xH8Jh8=",
  publicKey: `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu
OSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==
-----END PUBLIC KEY-----
`
}
