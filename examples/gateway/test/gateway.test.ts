/** Serves the gateway in front of a registry in memory, and calls it as its users. */
import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { FetchHttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Logger, Redacted, Stream } from "effect"
import { join } from "node:path"
import * as Gateway from "../src/gateway.js"
import * as example from "./example.js"

const logged: Array<string> = []

const log = Logger.replace(
  Logger.defaultLogger,
  Logger.map(Logger.logfmtLogger, (line) => void logged.push(line))
)

let scanned: ReadonlyArray<string> = []

const settings = Effect.map(Effect.all([example.folder, example.scanner]), ([folder, { asked, url }]) => {
  scanned = asked
  return new Map(Object.entries({
    PORT: "0",
    USERS: join(folder, "users"),
    MAX_BLOB_MIB: "1",
    DECIDE_URL: url,
    VERDICTS: join(folder, "verdicts")
  }))
})

const served = Layer.unwrapScoped(
  Effect.map(
    settings,
    (map) => Gateway.serve(Memory.layer()).pipe(Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(map))))
  )
).pipe(
  Layer.provide([NodeContext.layer, FetchHttpClient.layer]),
  Layer.provide(log)
)

/** The operations of one user. */
const as = (name: string) => <A, E>(use: (registry: Registry.Service) => Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const { authority } = yield* NodeRegistryServer.Address
    const credential = Credential.basic(name, Redacted.make(`${name}-secret`))
    const client = Client.layer({ host: authority, insecure: true }).pipe(
      Layer.provide(Credentials.layerStatic({ [authority]: credential })),
      Layer.provide(FetchHttpClient.layer)
    )
    return yield* use(Context.get(yield* Layer.build(client), Registry))
  }).pipe(Effect.scoped)

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const push = (
  name: string,
  tag: string,
  options: { readonly content?: Uint8Array; readonly chunked?: boolean; readonly mediaType?: string } = {}
) =>
(registry: Registry.Service) =>
  Effect.gen(function*() {
    const { chunked, content = text({}), mediaType = MediaType.image } = options
    const repository = RepositoryName.make(name)
    const config = Descriptor.fromBytes(content, MediaType.imageConfig)
    if (chunked === true) {
      const { id } = yield* registry.startUpload(repository)
      const more = yield* registry.appendUpload(repository, id, Body.stream(Stream.make(content)))
      yield* registry.completeUpload(repository, more.id, config.digest)
    } else yield* registry.pushBlob(repository, config, Body.bytes(content))
    // The size in a manifest may be wrong.
    const bytes = text({ schemaVersion: 2, mediaType, config: { ...config, size: 2 }, layers: [] })
    yield* registry.pushManifest(repository, { mediaType, bytes, tags: [Tag.make(tag)] })
    return "pushed"
  })

/** Runs effects one after another. Returns the result of each, or the tag of its error. */
const outcomes = <E extends { readonly _tag: string }, R>(...effects: ReadonlyArray<Effect.Effect<unknown, E, R>>) =>
  Effect.forEach(effects, (each) => Effect.merge(Effect.mapError(each, ({ _tag }) => _tag)))

const catalog = (registry: Registry.Service) =>
  Effect.map(Stream.runCollect(registry.listRepositories()), (names) => Array.from(names).join(" "))

const pull = (name: string, tag: string) => (registry: Registry.Service) =>
  Effect.as(registry.getManifest(RepositoryName.make(name), Tag.make(tag)), "pulled")

const large = new Uint8Array(1024 * 1024 + 1)

layer(served, { excludeTestServices: true })("the gateway", (it) => {
  it.effect("shows each user the repositories below their name, and an administrator all", () =>
    Effect.gen(function*() {
      const outcome = outcomes(
        as("alice")(push("alice/app", "v1")),
        as("bob")(push("bob/app", "v1")),
        as("bob")(push("alice/app", "v2")),
        as("bob")(pull("alice/app", "v1")),
        as("bob")(pull("bob/app", "v1")),
        as("admin")(pull("alice/app", "v1")),
        as("alice")(catalog),
        as("bob")(catalog),
        as("admin")(catalog)
      )
      expect(yield* outcome).toEqual([
        "pushed",
        "pushed",
        "OciDenied",
        "OciNameUnknown",
        "pulled",
        "pulled",
        "alice/app",
        "bob/app",
        "alice/app bob/app"
      ])
    }))

  it.effect("refuses to move tags, except the moving tags", () =>
    Effect.gen(function*() {
      const other = text({ other: true })
      const outcome = outcomes(
        as("alice")(push("alice/tags", "v1")),
        as("alice")(push("alice/tags", "v1")),
        as("alice")(push("alice/tags", "v1", { content: other })),
        as("alice")(push("alice/tags", "latest")),
        as("alice")(push("alice/tags", "latest", { content: other })),
        as("admin")((registry) => registry.deleteTag(RepositoryName.make("alice/tags"), Tag.make("v1")))
      )
      expect(yield* outcome).toEqual(["pushed", "pushed", "OciDenied", "pushed", "pushed", "OciDenied"])
    }))

  it.effect("refuses a blob that is too large, whole or in chunks, and a manifest of another media type", () =>
    Effect.gen(function*() {
      const outcome = outcomes(
        as("alice")(push("alice/large", "v1", { content: large })),
        as("alice")(push("alice/large", "v1", { content: large, chunked: true })),
        as("alice")(push("alice/large", "v1", { content: large.subarray(1), chunked: true })),
        as("alice")(push("alice/other", "v1", { mediaType: "application/vnd.example+json" }))
      )
      expect(yield* outcome).toEqual(["OciDenied", "OciDenied", "pushed", "OciDenied"])
      expect(logged.some((line) => line.includes("the gateway does not accept \\\"application/vnd.example+json\\\"")))
        .toBe(
          true
        )
    }))

  it.effect("serves a manifest once a service has permitted it", () =>
    Effect.gen(function*() {
      const outcome = outcomes(
        as("alice")(push("alice/good", "v1")),
        as("alice")(push("alice/bad", "v1")),
        as("admin")(pull("alice/good", "v1")),
        as("admin")(pull("alice/bad", "v1")),
        as("alice")(pull("alice/bad", "v1"))
      )
      expect(yield* outcome).toEqual(["pushed", "pushed", "pulled", "OciDenied", "OciDenied"])
      expect(scanned.filter((name) => name === "alice/bad")).toEqual(["alice/bad"])
      expect(logged.some((line) => line.includes("it contains a worm"))).toBe(true)
    }))

  it.effect("requires a login", () =>
    Effect.gen(function*() {
      const { authority } = yield* NodeRegistryServer.Address
      const status = (headers: { readonly [name: string]: string }) =>
        Effect.promise(async () => (await fetch(`http://${authority}/v2/alice/app/tags/list`, { headers })).status)
      const basic = (password: string) => ({ authorization: `Basic ${btoa(`alice:${password}`)}` })
      expect(yield* Effect.all([status({}), status(basic("wrong"))])).toEqual([401, 401])
      expect(yield* status(basic("alice-secret"))).not.toBe(401)
    }))

  it.effect("logs each operation with its caller, and counts it, without passwords", () =>
    Effect.gen(function*() {
      yield* Effect.ignore(as("bob")(pull("alice/hidden", "v1")))
      const { authority } = yield* NodeRegistryServer.Address
      const metrics = yield* Effect.promise(async () => (await fetch(`http://${authority}/metrics`)).text())
      const line = logged.find((line) => line.includes("repository=alice/hidden")) ?? ""
      expect(line).toMatch(/message=GetManifest .*caller=bob/)
      expect(line).toContain("error=OciNameUnknown")
      expect(metrics).toMatch(/^oci_operation_count_total\{.*oci_operation="GetManifest".*\} \d+$/m)
      expect(metrics).toMatch(/^oci_operation_duration_seconds_bucket\{.*le="\+Inf"\} \d+$/m)
      expect(`${metrics}${logged.join("\n")}`).not.toContain("-secret")
    }))
})
