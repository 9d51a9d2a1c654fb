/** Serves a directory until it is killed. Prints its port. */
import { Durable } from "@effect-oci/durable"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Collector } from "@effect-oci/store"
import { NodeFileSystem } from "@effect-oci/store-files"
import { Effect, Layer, Logger, LogLevel } from "effect"
import type { ServerOptions } from "../soak/server.js"

const { collectEvery, unsynced, ...options } = JSON.parse(process.argv[2] ?? "{}") as ServerOptions

const doNothing = () => Promise.resolve()

/** The file system of Node, without the syncs that the options name. */
const fileSystem: NodeFileSystem.FileSystem = {
  ...NodeFileSystem.node,
  open: async (path, flags, mode) => {
    const file = await NodeFileSystem.node.open(path, flags, mode)
    if (unsynced === undefined || unsynced === "database") return file
    const { isFile } = await file.stat()
    if (isFile !== (unsynced === "files")) return file
    return Object.assign(file, { datasync: doNothing, sync: doNothing })
  }
}

/** The clients of a test abandon many upload sessions. */
const manyUploads = { maxUploads: 1_000_000, maxUploadsPerCaller: 1_000_000, maxUploadsPerRepository: 1_000_000 }

const policy = { grace: options.grace, untagged: "delete" } as const
const server = NodeRegistryServer.layer({ port: 0, maxConnectionsPerClient: 1000 }).pipe(
  Layer.merge(Collector.layer({ ...policy, every: collectEvery })),
  Layer.provide(Durable.layer({ ...options, ...policy, ...manyUploads }))
)

await Effect.gen(function*() {
  const { authority } = yield* NodeRegistryServer.Address
  process.stdout.write(`${authority}\n`)
  return yield* Effect.never
}).pipe(
  Effect.provide(server),
  Effect.provideService(NodeFileSystem.NodeFileSystem, fileSystem),
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  Effect.runPromise
)
