/**
 * A registry in a directory: logged, served over HTTP, called by a client, and made read-only.
 *
 *     npm start               runs the demo at the first start, then serves on 127.0.0.1:5000 (or PORT) until Ctrl-C
 *     npm start -- --once     does not serve after that
 *     DATA=/srv/registry      keeps the content in another directory than ./data
 *     MEMORY=1                keeps the content in memory
 *     EXPLORER=0              serves no web page
 */
import * as NodeClient from "@effect-oci/client/NodeClient"
import { Durable } from "@effect-oci/durable"
import { Logging, ReadOnly } from "@effect-oci/middleware"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Config, Console, Effect, Layer } from "effect"
import { resolve } from "node:path"
import * as Image from "./image.js"
import { logger, say } from "./terminal.js"

const settings = Config.all({
  port: Config.port("PORT").pipe(Config.withDefault(5000)),
  memory: Config.boolean("MEMORY").pipe(Config.withDefault(false)),
  directory: Config.string("DATA").pipe(Config.withDefault("data")),
  explorer: Config.boolean("EXPLORER").pipe(Config.withDefault(true))
})

/** Line one: a registry is a layer, and a wrapper is a step in a pipe. */
const registry = Layer.unwrapEffect(Effect.map(
  settings,
  ({ directory, memory }) => memory ? Memory.layer() : Durable.layer({ directory })
)).pipe(Logging.wrap())

/** A web page that shows the registry, and other registries too. */
const page = Effect.flatMap(
  Effect.promise(() => import("@effect-oci/explorer")),
  ({ Explorer }) => Explorer.mounts({ connect: "*" })
)

/** Line two: any registry can be served. */
const server = Layer.unwrapEffect(Effect.gen(function*() {
  const { explorer, port } = yield* settings
  const mounts = explorer ? yield* page : {}
  return NodeRegistryServer.layer({ port, mounts }).pipe(Layer.provide(registry))
}))

/** Line three: a client is a registry too, so the same wrappers work with it. */
const client = (host: string) => NodeClient.layer({ host, insecure: true })

/** Pushes, lists and pulls a small image over HTTP, and shows that a read-only client cannot push. */
const demo = (authority: string) =>
  Effect.gen(function*() {
    const image = yield* Image.make
    const remote = client(authority)
    yield* say("pushing", `a small image over HTTP, as ${authority}/${Image.repository}:${Image.tag}`)
    yield* Image.push(image).pipe(Effect.provide(remote))

    const [{ repository, tags } = { repository: "", tags: [] }] = yield* Image.list.pipe(Effect.provide(remote))
    yield* say("listing", `repository: ${repository}; tags: ${tags.join(", ")}`)

    const pulled = yield* Image.pull.pipe(Effect.provide(remote))
    yield* say("pulled", `${pulled.digest}, ${pulled.layers} layer of ${pulled.bytes} bytes, every digest checked`)

    const refusal = yield* Image.push(image).pipe(
      Effect.flip,
      Effect.orDieWith(() => "a read-only registry took a push"),
      Effect.provide(remote.pipe(ReadOnly.wrap()))
    )
    yield* say("refused", `the same push through client.pipe(ReadOnly.wrap()): ${refusal._tag}`)
    yield* say("", refusal.message)
  })

const program = Effect.gen(function*() {
  const { authority } = yield* NodeRegistryServer.Address
  const { directory, explorer, memory } = yield* settings
  yield* Console.log(`
  const registry = ${memory ? "Memory.layer()" : `Durable.layer({ directory: "${directory}" })`}.pipe(Logging.wrap())
  const server = NodeRegistryServer.layer({ port }).pipe(Layer.provide(registry))
  const client = NodeClient.layer({ host: "${authority}", insecure: true })
`)
  yield* say("serving", `the registry on http://${authority}; its log goes to standard error`)
  if (explorer) yield* say("showing", `the registry in a browser: http://${authority}/`)
  yield* say("keeping", `its content in ${memory ? "memory: it is gone after the end" : resolve(directory)}`)

  const found = yield* Image.list.pipe(Effect.provide(client(authority)))
  if (found.length === 0) yield* demo(authority)
  for (const { repository, tags } of found) yield* say("found", `${repository}: ${tags.join(", ") || "no tags"}`)

  if (process.argv.includes("--once")) return
  yield* Console.log(`
It serves until Ctrl-C. In another terminal:

  skopeo copy --src-tls-verify=false docker://${authority}/${Image.repository}:${Image.tag} oci:hello:${Image.tag}
  skopeo copy --dest-tls-verify=false oci:hello:${Image.tag} docker://${authority}/team/copy:${Image.tag}
  oras manifest fetch --plain-http --pretty ${authority}/${Image.repository}:${Image.tag}
  crane --insecure catalog ${authority}
${memory ? "" : `  npm run store -- check "${directory}"\n`}`)
  const end = memory ? "the content is gone" : `the content stays in ${resolve(directory)}`
  return yield* Effect.onInterrupt(Effect.never, () => say("stopping", end))
})

program.pipe(
  Effect.provide(server.pipe(Layer.provideMerge(logger))),
  // The pretty message of a configuration error contains the name of the setting.
  Effect.tapError((error) => Console.error(`quickstart: ${Cause.prettyErrors(Cause.fail(error))[0]?.message}`)),
  Effect.tapDefect((cause) => Console.error(`quickstart: ${Cause.pretty(cause)}`)),
  (main) => NodeRuntime.runMain(main, { disableErrorReporting: true, disablePrettyLogger: true })
)
