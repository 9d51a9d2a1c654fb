/** The whole cluster on this machine: PostgreSQL, S3, three nodes and nginx, on loopback. */
import * as NodeSecrets from "@effect-oci/daemon/NodeSecrets"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { CannotStart } from "./failures.js"
import * as nginx from "./nginx.js"
import * as nodes from "./nodes.js"
import * as s3 from "./s3.js"

export interface ClusterOptions {
  /** The files of the programs. */
  readonly programs: { readonly node: string; readonly s3: string }
  /** The port of nginx. Default: a free one. */
  readonly port?: number | undefined
  /** Whether to use the small S3 although Ceph could run. */
  readonly smallS3: boolean
  /** Whether a proxy before the S3 can make it fail. It costs time. Default: `true`. */
  readonly proxied?: boolean | undefined
  /** Settings of the nodes. */
  readonly env?: { readonly [name: string]: string } | undefined
  readonly say: (line: string) => Effect.Effect<void>
}

export interface Database {
  readonly title: string
  readonly url: string
  /** Absent for a database elsewhere. */
  readonly restart?: (how: "fast" | "kill") => Effect.Effect<void, { readonly message: string }>
}

/** Starts PostgreSQL, or returns the database that `DATABASE_URL` names. */
const startDatabase = Effect.gen(function*() {
  const { DATABASE_URL } = process.env
  if (DATABASE_URL !== undefined) {
    const { host } = new URL(DATABASE_URL)
    const database: Database = { title: `PostgreSQL at ${host} (from DATABASE_URL)`, url: DATABASE_URL }
    return database
  }
  if (!NodePostgres.available) {
    return yield* new CannotStart({
      message: "PostgreSQL is not installed: apt-get install postgresql, or set DATABASE_URL"
    })
  }
  const server = yield* NodePostgres.make({ tcp: true })
  const database: Database = { title: "PostgreSQL", url: server.url, restart: server.restart }
  return database
})

/** The settings that all nodes share. */
const sharedSettings = (port: number, database: Database, store: s3.S3, keys: string) => ({
  CONFIG: "/dev/null",
  REGISTRY_SERVER_URL: `http://127.0.0.1:${port}`,
  REGISTRY_SERVER_DRAIN: `${3 * nginx.interval} millis`,
  REGISTRY_DATABASE_URL: database.url,
  REGISTRY_KEYS_DIRECTORY: keys,
  // All clients are on this machine, and count as one.
  REGISTRY_UPLOADS_PER_CALLER: "5000",
  ...store.env
})

/** Starts the cluster. The end of the scope stops it. */
export const start = (options: ClusterOptions) =>
  Effect.gen(function*() {
    const { programs, proxied = true, say, smallS3 } = options
    if (nginx.find() === undefined) {
      return yield* new CannotStart({ message: "nginx is not installed: apt-get install nginx-light" })
    }
    const files = yield* FileSystem.FileSystem
    const directory = yield* files.makeTempDirectoryScoped({ prefix: "effect-oci-cluster-" })
    yield* files.chmod(directory, 0o755)
    const keys = join(directory, "keys")
    yield* NodeSecrets.create(keys)
    const port = options.port ?? (yield* NodePeers.freePort)
    const database = yield* startDatabase
    yield* say(`${database.title}: ${database.url}`)
    const store = yield* s3.start({ program: programs.s3, small: smallS3, proxied, say })
    yield* say(`${store.title}: ${store.env["REGISTRY_S3_ENDPOINT"]}`)
    const env: { readonly [name: string]: string } = {
      ...sharedSettings(port, database, store, keys),
      ...options.env
    }
    const members = yield* Effect.forEach(["node1", "node2", "node3"], (name) =>
      Effect.flatMap(NodePeers.freePort, (own) => nodes.make({ name, port: own, program: programs.node, env })))
    yield* Effect.forEach(members, (node) =>
      node.start(), { concurrency: "unbounded", discard: true })
    yield* say(`3 nodes: ${members.map(({ authority }) => authority).join(", ")}`)
    const { authority } = yield* nginx.start({ directory, port, nodes: members.map((node) => node.authority) })
    yield* say(`nginx: ${authority}`)
    return { authority, database, store, nodes: members, env }
  })

export type Cluster = Effect.Effect.Success<ReturnType<typeof start>>
