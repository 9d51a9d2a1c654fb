/** Shared by the tests of this example: a gateway with signers in front of an upstream registry, and images to pull. */
import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Sign } from "@effect-oci/verify"
import { FileSystem } from "@effect/platform"
import { expect } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Logger, Redacted, Stream } from "effect"
import { join } from "node:path"
import * as Gateway from "../src/gateway.js"
import * as certificates from "./certificates.js"
import * as example from "./example.js"

/** Serves the gateway with settings, and with files whose paths are settings. Returns its address. */
export const serve = (settings: { readonly [name: string]: string }, files: { readonly [name: string]: string } = {}) =>
  Effect.gen(function*() {
    const folder = yield* example.folder
    const system = yield* FileSystem.FileSystem
    const paths = yield* Effect.forEach(Object.entries(files), ([name, content]) => {
      const path = join(folder, name)
      return Effect.as(system.writeFileString(path, content), [name, path] as const)
    })
    const all = { PORT: "0", USERS: join(folder, "users"), ...settings, ...Object.fromEntries(paths) }
    const config = Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(all))))
    const served = yield* Layer.build(Gateway.layer.pipe(Layer.provide([config, Logger.remove(Logger.defaultLogger)])))
    return Context.get(served, NodeRegistryServer.Address).authority
  })

const connect = (authority: string, credentials = Credentials.layerAnonymous) =>
  Effect.map(
    Layer.build(Layer.provide(Client.layer({ host: authority, insecure: true }), credentials)),
    Context.get(Registry)
  )

const repository = RepositoryName.make("alice/app")

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const push = (registry: Registry.Service, tag: string, title = tag) =>
  Effect.gen(function*() {
    const content = json({})
    const config = Descriptor.fromBytes(content, MediaType.imageConfig)
    yield* registry.pushBlob(repository, config, Body.bytes(content))
    const layer = json({ title })
    const layers = [Descriptor.fromBytes(layer, MediaType.layer)]
    yield* registry.pushBlob(repository, layers[0]!, Body.bytes(layer))
    const bytes = json({ schemaVersion: 2, mediaType: MediaType.image, config, layers, annotations: { title } })
    yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags: [Tag.make(tag)] })
    return Descriptor.fromBytes(bytes, MediaType.image)
  })

/** Pushes and signs images at an upstream registry, and pulls them through a gateway. */
export const check = (authority: string) =>
  Effect.gen(function*() {
    const upstream = yield* connect(authority)
    const [mine, foreign] = yield* Effect.all([Sign.keyPair, Sign.keyPair])
    const at = <A, E>(effect: Effect.Effect<A, E, Registry>) => Effect.provideService(effect, Registry, upstream)
    const of = (tag: string) => ({ repository, reference: Tag.make(tag) })

    for (const tag of ["bundle", "tagged", "notation", "unsigned", "foreign", "moved"]) yield* push(upstream, tag)
    yield* at(Sign.cosign({ ...of("bundle"), key: mine.privateKey }))
    yield* at(Sign.cosign({ ...of("tagged"), key: mine.privateKey, format: "tag" }))
    yield* at(Sign.notation({
      ...of("notation"),
      key: Redacted.make(certificates.key),
      certificates: `${certificates.release}${certificates.authority}`
    }))
    yield* at(Sign.cosign({ ...of("foreign"), key: foreign.privateKey }))
    yield* at(Sign.cosign({ ...of("moved"), key: mine.privateKey }))

    const gateway = yield* serve(
      { UPSTREAM: `http://${authority}` },
      { SIGNED_BY_KEYS: mine.publicKey, SIGNED_BY_AUTHORITIES: certificates.authority }
    )
    const alice = Credential.basic("alice", Redacted.make("alice-secret"))
    const pulling = yield* connect(gateway, Credentials.layerStatic({ [gateway]: alice }))
    const pull = (tag: string) =>
      Effect.gen(function*() {
        const { digest } = yield* pulling.resolveManifest(repository, Tag.make(tag))
        const { bytes } = yield* pulling.getManifest(repository, digest)
        const [layer] = (JSON.parse(new TextDecoder().decode(bytes)) as { layers: Array<Descriptor.Descriptor> }).layers
        const read = Effect.flatMap(
          pulling.getBlob(repository, layer!.digest),
          ({ body }) => Body.toBytes(body, { limit: 1024, onLimit: () => new RegistryError.SizeInvalid({}) })
        )
        return new TextDecoder().decode(yield* Effect.scoped(read))
      })
    const refused = (tag: string) =>
      Effect.map(Effect.flip(pulling.getManifest(repository, Tag.make(tag))), (error) => {
        expect(error._tag).toBe("OciDenied")
        return error.message
      })

    for (const tag of ["bundle", "tagged", "notation", "moved"]) {
      expect(yield* pull(tag)).toBe(JSON.stringify({ title: tag }))
    }
    expect(yield* refused("unsigned")).toMatch(/requires a signature by the key SHA256:\w+ or .* found nothing/)
    expect(yield* refused("foreign")).toContain("has no valid signature by the key SHA256:")
    yield* push(upstream, "moved", "something else")
    expect(yield* refused("moved")).toContain("found nothing")
    // The signatures can be read through the gateway.
    const { digest } = yield* upstream.resolveManifest(repository, Tag.make("bundle"))
    const referrers = yield* Stream.runCollect(pulling.listReferrers(repository, digest))
    for (const referrer of referrers) yield* pulling.getManifest(repository, referrer.digest)
    expect(referrers.length).toBe(1)
  })
